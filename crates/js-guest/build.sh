#!/usr/bin/env bash
# Builds the JavaScript guest: doer-js-guest.wasm and, beside it, what it was built from.
#
#   build.sh           builds and replaces the committed artifact
#   build.sh --check   verifies the committed artifact: sources unchanged since it was built and, with the
#                      recorded toolchain, the same bytes again
#
# Toolchain: a Rust with the sources of its standard library and clang for wasm32. On Debian:
#   apt-get install rustc-web cargo-web rust-web-src clang-22 lld-22 llvm-22
# With rustup instead: RUSTC and CARGO pointing at a toolchain that has the target wasm32-unknown-unknown.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")"

artifact=doer-js-guest.wasm
record=doer-js-guest.lock
export RUSTC="${GUEST_RUSTC:-/usr/bin/rustc}" RUSTC_BOOTSTRAP=1
cargo="${GUEST_CARGO:-/usr/bin/cargo}"
llvm="${GUEST_LLVM:-22}"
target_dir="$PWD/target/guest"

sources() {
    # Everything that the artifact is made of, in an order that no locale changes.
    find src web protocol/src -type f ! -path '*/tests/*' ! -name 'tests.rs' | LC_ALL=C sort
    printf '%s\n' Cargo.toml Cargo.lock protocol/Cargo.toml build.rs build.sh
}
sources_hash() { sources | while read -r file; do printf '%s ' "$file"; sha256sum <"$file"; done | sha256sum | cut -d' ' -f1; }
toolchain() { printf '%s / %s' "$("$RUSTC" --version)" "$("clang-$llvm" --version | head -n 1)"; }
hash_of() { sha256sum "$1" | cut -d' ' -f1; }
recorded() { sed -n "s/^$1 = //p" "$record"; }

build() {
    # No path of the machine that builds may end up in the artifact: it would differ everywhere.
    local home="${CARGO_HOME:-$HOME/.cargo}"
    export CC_wasm32_unknown_unknown="clang-$llvm" AR_wasm32_unknown_unknown="llvm-ar-$llvm"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="wasm-ld-$llvm"
    export CFLAGS_wasm32_unknown_unknown="-O3 -msimd128 -mbulk-memory -DNDEBUG -ffile-prefix-map=$home=/cargo -ffile-prefix-map=$PWD=/guest"
    export CARGO_ENCODED_RUSTFLAGS
    CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' \
        "--remap-path-prefix=$home=/cargo" "--remap-path-prefix=$PWD=/guest" \
        "--remap-path-prefix=$("$RUSTC" --print sysroot)=/rust" \
        "-Clink-arg=--import-memory" "-Clink-arg=--max-memory=1073741824" "-Clink-arg=-zstack-size=655360" \
        "-Clink-arg=--export=__wasm_call_ctors" "-Clink-arg=--export=__stack_pointer")
    CARGO_ENCODED_RUSTFLAGS+="-Ctarget-feature=+bulk-memory,+simd128,+sign-ext,+nontrapping-fptoint,+mutable-globals"
    "$cargo" build --release --locked --lib -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown --target-dir "$target_dir" >&2
    echo "$target_dir/wasm32-unknown-unknown/release/doer_js_guest.wasm"
}

case "${1:-}" in
"")
    built=$(build)
    cp "$built" "$artifact"
    printf 'sources = %s\ntoolchain = %s\nartifact = %s\n' "$(sources_hash)" "$(toolchain)" "$(hash_of "$artifact")" >"$record"
    echo "built $artifact: $(stat -c %s "$artifact") bytes, sha256 $(hash_of "$artifact")"
    ;;
--check)
    [ "$(recorded artifact)" = "$(hash_of "$artifact")" ] || { echo "$artifact is not the file that $record records"; exit 1; }
    [ "$(recorded sources)" = "$(sources_hash)" ] || { echo "the guest's sources have changed: run build.sh and commit what it builds"; exit 1; }
    built=$(build)
    if [ "$(recorded toolchain)" = "$(toolchain)" ]; then
        [ "$(recorded artifact)" = "$(hash_of "$built")" ] || { echo "the recorded toolchain builds other bytes: $(hash_of "$built")"; exit 1; }
        echo "$artifact: rebuilt byte for byte"
    else
        cp "$built" "$artifact"
        echo "$artifact: rebuilt with another toolchain ($(toolchain)) than the recorded one ($(recorded toolchain)); tests now run on the new one"
    fi
    ;;
*) echo "usage: build.sh [--check]"; exit 2 ;;
esac
