//! `POST /execute` over HTTP, one request after the other on one connection: what a caller waits for.
//!
//! `cargo bench -p doer-server --bench execute`. Beside it `GET /livez`, which does nothing: what is left after
//! that is doer's. Throughput under load, and workerd beside it, are in `benches/peers`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot run has nothing to say")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use criterion::{Criterion, criterion_group, criterion_main};
use reqwest::Client;
use tokio::runtime::{Builder, Runtime};

/// A server in development mode, ended with the bench.
struct Server {
    process: Child,
    base: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start(runtime: &Runtime, client: &Client) -> Self {
        let data = tempfile::tempdir().expect("directory");
        let (port, admin_port) = (free_port(), free_port());
        let process = Command::new(env!("CARGO_BIN_EXE_doer"))
            .args(["serve", "--dev"])
            .env("DOER__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("DOER__ADMIN__LISTEN", format!("127.0.0.1:{admin_port}"))
            .env("DOER__DATA__DIR", data.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server");
        let server = Self { process, base: format!("http://127.0.0.1:{port}"), _data: data };
        runtime.block_on(async {
            let ready = || async {
                client.get(format!("{}/readyz", server.base)).send().await.is_ok_and(|r| r.status() == 200)
            };
            while !ready().await {
                tokio::task::yield_now().await;
            }
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn execute(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
    let client = doer_services::tls::http_client().unwrap().build().unwrap();
    let server = Server::start(&runtime, &client);
    let url = format!("{}/execute", server.base);
    let run = |code: String| {
        let request = client.post(&url).json(&serde_json::json!({ "code": code, "input": { "n": 1 } }));
        async move {
            let answer = request.send().await.expect("an answer").text().await.expect("a text");
            assert!(answer.contains("\"success\":true"), "{answer}");
        }
    };
    criterion.bench_function("GET /livez", |bencher| {
        let url = format!("{}/livez", server.base);
        bencher
            .to_async(&runtime)
            .iter(|| async { client.get(&url).send().await.expect("an answer").text().await.expect("a text") });
    });
    let mut salt = 0;
    criterion.bench_function("POST /execute, code never seen before", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            run(format!("return input.n + {salt}"))
        });
    });
    criterion.bench_function("POST /execute, TypeScript never seen before", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            run(format!("const n: number = input.n; return n + {salt}"))
        });
    });
}

criterion_group!(benches, execute);
criterion_main!(benches);
