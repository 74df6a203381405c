//! Every limit of one execution ends it with its own code, keeps its logs, and leaves a clean slot.
//!
//! Each request has a wall-clock `timeout` far above what the limit under test needs, so that a limit that
//! does nothing shows as the wrong code and not as a hang. This file: time, in all its forms.

mod space;
mod webassembly;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

/// Writes one line, then does `act` for ever.
fn endless(act: &str) -> String {
    format!("console.log('before'); for (;;) {{ {act} }}")
}

/// Runs `body`, checks the code that ended it and the logs until then, and that the next run is not harmed.
async fn ends(server: &Server, code: &str, body: Value) -> Answer {
    let answer = server.client.execute(&body).await;
    answer.assert_ended_by(code);
    assert_eq!(answer.json["logs"], json!(["before"]), "{}", answer.text);
    assert_eq!(answer.json["result"], Value::Null, "{}", answer.text);
    server.client.run("return [typeof globalThis.mark, 1 + 1]").await.assert_result(json!(["undefined", 2]));
    answer
}

#[tokio::test]
async fn wall_clock() {
    let server = Server::dev().await;
    for act in [
        "",
        "await null",
        "await new Promise(r => setTimeout(r, 1))",
        "await new Promise(r => setTimeout(r, 60000))",
        "try { null.x } catch {}",
        "globalThis.mark = JSON.parse(JSON.stringify({ a: 1 }))",
        "[3, 1, 2].sort()",
        "/(a+)+$/.test('a'.repeat(64) + 'b')",
        "new Array(100000).fill(0).sort(() => Math.random() - 0.5)",
        "'x'.repeat(1000000).split('').reverse().join('')",
        "crypto.getRandomValues(new Uint8Array(65536))",
        "structuredClone(new Array(1000).fill({ a: 1 }))",
    ] {
        let answer = ends(&server, "timeout", json!({ "code": endless(act), "timeout": 150 })).await;
        let wall = answer.at("/usage/wallMs").as_f64().unwrap();
        assert!((150.0..5_000.0).contains(&wall), "{act}: {wall} ms");
    }
}

#[tokio::test]
async fn wall_clock_in_callbacks() {
    let server = Server::dev().await;
    for act in [
        "setInterval(() => {}, 0); await new Promise(() => {})",
        "queueMicrotask(function again() { queueMicrotask(again) }); await null; return 1",
        "[1, 2].sort(() => { for (;;) {} })",
        "JSON.parse('[1]', () => { for (;;) {} })",
        "'a'.replace(/a/, () => { for (;;) {} })",
        "return { toJSON() { for (;;) {} } }",
        "return { get a() { for (;;) {} } }",
        "return new Proxy({}, { ownKeys() { for (;;) {} } })",
        "throw { get message() { for (;;) {} } }",
        "ctx.waitUntil(new Promise(r => setTimeout(r, 60000))); return 1",
    ] {
        ends(&server, "timeout", json!({ "code": format!("console.log('before'); {act}"), "timeout": 150 })).await;
    }
}

#[tokio::test]
async fn cpu_time() {
    let server = Server::dev().await;
    let body = json!({ "code": endless(""), "timeout": 20_000, "limits": { "cpuMs": 50 } });
    let cpu = ends(&server, "cpu_limit", body).await.at("/usage/cpuMs").as_f64().unwrap();
    assert!((50.0..1_000.0).contains(&cpu), "{cpu} ms");
}

#[tokio::test]
async fn waiting_costs_no_cpu_time() {
    let server = Server::dev().await;
    let code = "await new Promise(r => setTimeout(r, 300)); return 1";
    server.client.execute(&json!({ "code": code, "limits": { "cpuMs": 100 } })).await.assert_result(1);
}

#[tokio::test]
async fn cpu_time_of_the_top_level() {
    let server = Server::dev().await;
    for code in ["for (;;) {} export default () => 1", "while (true) await null; export default () => 1"] {
        let answer = server.client.execute(&json!({ "code": code, "timeout": 20_000 })).await;
        answer.assert_ended_by("startup_limit");
    }
}

#[tokio::test]
async fn fuel() {
    let server = Server::dev().await;
    let body = json!({ "code": endless(""), "timeout": 20_000, "limits": { "fuel": 100_000_000 } });
    let fuel = ends(&server, "fuel_exhausted", body).await.at("/usage/fuel").as_u64().unwrap();
    assert!((99_000_000..=100_000_000).contains(&fuel), "{fuel}");
}

#[tokio::test]
async fn no_fuel_runs_nothing() {
    let server = Server::dev().await;
    for fuel in [0, 1] {
        let answer = server.client.execute(&json!({ "code": "return 1", "limits": { "fuel": fuel } })).await;
        answer.assert_ended_by("fuel_exhausted");
    }
}
