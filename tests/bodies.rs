//! Request bodies: how large, how slow and how many at once, told by connections that stop half way.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Caller, Server, Setup, eventually, within};

/// Far below the time that a stalled body is given by default.
const SOON: Duration = Duration::from_secs(10);

/// A connection without credentials that has sent the head of a request and `sent`.
async fn begin(server: &Server, length: &str, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let head = format!(
        "POST /execute HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n{length}\r\n\r\n",
        server.port
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// Everything until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    within(SOON, "the end of the connection", stream.read_to_string(&mut text)).await.unwrap();
    text
}

/// Waits until the server counts so many bytes of bodies.
async fn holds(server: &Server, bytes: usize) {
    let line = format!("doer_request_bodies_bytes {bytes}\n");
    eventually(&line, async || server.metrics().await.contains(&line).then_some(())).await;
}

fn assert_refused(answer: &str, status: &str, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("{{\"success\":false,\"error\":{{\"code\":\"{code}\",")), "{answer}");
}

#[tokio::test]
async fn a_declared_length_is_held_against_the_tier_before_anything_is_read() {
    let config = "[auth]\nanonymous_execution = true\n[limits.public]\ncode_kib = 3\n";
    let server = Server::start(Setup::production().config(config)).await;
    // Code as base64, and 2 MiB.
    let most = (4 << 10) + (2 << 20);
    let code = "return 1";
    let body =
        json!({ "code": code, "input": "x".repeat(most - json!({ "code": code, "input": "" }).to_string().len()) });
    server.client.post(Caller::Anonymous, "/execute", &body).await.assert_result(1);

    let answer = rest(begin(&server, &format!("Content-Length: {}", most + 1), b"").await).await;
    assert_refused(&answer, "413", "body_too_large");
    let body = json!({ "code": code, "input": "x".repeat(most) });
    server.client.post(Caller::Anonymous, "/execute", &body).await.assert_refused(413, "body_too_large");
    server.client.post(Caller::Admin, "/execute", &body).await.assert_result(1);
}

#[tokio::test]
async fn a_body_without_a_declared_length_has_the_same_limit() {
    let server = Server::start(Setup::dev().config("[server]\nbody_limit_mib = 1\n")).await;
    let mut body = format!("{:x}\r\n", (1 << 20) + 1).into_bytes();
    body.resize(body.len() + (1 << 20) + 1, b' ');
    let answer = rest(begin(&server, "Transfer-Encoding: chunked", &body).await).await;
    assert_refused(&answer, "413", "body_too_large");
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_and_its_connection_closed() {
    let server = Server::start(Setup::dev().config("[server]\nbody_read_timeout = '100ms'\n")).await;
    for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let answer = rest(begin(&server, length, b"2\r\n{\"").await).await;
        assert_refused(&answer, "408", "request_timeout");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    }
    server.client.run("return 1").await.assert_result(1);
}

#[tokio::test]
async fn all_bodies_together_have_a_budget() {
    let server = Server::start(Setup::dev().config("[server]\nbody_limit_mib = 1\nbody_budget_mib = 1\n")).await;
    let stalled = begin(&server, "Content-Length: 1048576", &[b' '; 1_000_000]).await;
    let body = json!({ "code": "return 1", "input": "x".repeat(100_000) });
    holds(&server, 1_000_000).await;
    let refused = server.client.execute(&body).await;
    refused.assert_refused(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    server.client.run("return 2").await.assert_result(2);

    drop(stalled);
    holds(&server, 0).await;
    server.client.execute(&body).await.assert_result(1);
}

#[tokio::test]
async fn what_runs_holds_what_its_body_took() {
    let server = Server::start(Setup::dev().config("[server]\nbody_limit_mib = 1\nbody_budget_mib = 1\n")).await;
    let waits = "await new Promise(r => setTimeout(r, 60000))";
    let large = "x".repeat(1_000_000);
    let running = json!({ "code": waits, "input": large, "executionId": "waits", "timeout": 100_000 });
    let client = server.client.clone();
    let running = tokio::spawn(async move { client.execute(&running).await });
    eventually("it runs", async || {
        (server.client.get(Caller::Admin, "/executions/waits").await.status == 200).then_some(())
    })
    .await;
    let body = json!({ "code": "return 1", "input": "x".repeat(100_000) });
    server.client.execute(&body).await.assert_refused(503, "overloaded");
    server.client.delete(Caller::Admin, "/executions/waits").await;
    running.await.unwrap().assert_ended_by("cancelled");
    server.client.execute(&body).await.assert_result(1);
}
