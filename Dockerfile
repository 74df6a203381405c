# syntax=docker/dockerfile:1

# The image of doer: one binary, no shell, no root, nothing written outside /var/lib/doer.
#
#   docker build -t doer .
#   docker run --read-only -v doer:/var/lib/doer -p 8080:8080 doer

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay outside the layer: the binary is copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin doer \
 && install -D target/release/doer /out/doer \
 && install -d -m 0700 /out/data

# glibc and CA certificates, and nothing to run but doer. Debian 12, as the build stage: the same glibc.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/doer /usr/local/bin/doer
# A volume made from this directory takes its owner and mode along.
COPY --from=build --chown=65532:65532 /out/data /var/lib/doer
ENV DOER__SERVER__LISTEN=0.0.0.0:8080 \
    DOER__DATA__DIR=/var/lib/doer \
    DOER__SERVER__SHUTDOWN_DEADLINE=8s
USER 65532:65532
WORKDIR /var/lib/doer
VOLUME /var/lib/doer
EXPOSE 8080
# SIGTERM drains. `docker stop` kills after 10 s unless told otherwise: the deadline above stays below that, so
# that what is cancelled is still answered.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/doer", "health"]
ENTRYPOINT ["/usr/local/bin/doer", "serve"]
