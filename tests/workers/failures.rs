//! Workers that fail: each in its own way, with its own status, and harming nothing else.

use serde_json::json;

use super::{code, fetched, register, says};
use crate::support::{Caller, Server, Setup};

#[tokio::test]
async fn each_failure_has_its_status_and_code() {
    let server = Server::dev().await;
    register(&server, Caller::Tenant, "well", &says("well")).await;
    for (body, limits, status, expected) in [
        ("throw new TypeError('no')", json!({}), 502, "guest_error"),
        ("return 1", json!({}), 502, "guest_error"),
        ("await new Promise(() => {})", json!({}), 502, "guest_error"),
        ("await new Promise((r) => setTimeout(r, 60000))", json!({"timeoutMs": 100}), 504, "timeout"),
        ("for (;;) {}", json!({"cpuMs": 50}), 504, "cpu_limit"),
        ("for (;;) {}", json!({"fuel": 50_000_000}), 504, "fuel_exhausted"),
        ("const a = []; for (;;) a.push(new Uint8Array(1 << 20))", json!({"memoryMb": 32}), 502, "memory_limit"),
        ("for (;;) console.log('x'.repeat(10000))", json!({}), 502, "output_limit"),
        ("for (;;) await env.db.count('a')", json!({"subRequests": 3}), 502, "call_limit"),
    ] {
        let mut worker = code(&format!("export default {{ async fetch(request, env) {{ {body} }} }}"));
        worker["limits"] = limits;
        register(&server, Caller::Tenant, "fails", &worker).await;
        let answer = fetched(&server, Caller::Tenant, "fails", "/").await;
        answer.assert_refused(status, expected);
        assert!(answer.header("x-execution-id").starts_with("exec_"), "{body}");
        assert_eq!(fetched(&server, Caller::Tenant, "well", "/").await.text, "well", "{body}");
    }
}

#[tokio::test]
async fn an_error_has_its_place() {
    let server = Server::dev().await;
    register(&server, Caller::Tenant, "place", &code("export default {\n  fetch() { null.x }\n}")).await;
    let answer = fetched(&server, Caller::Tenant, "place", "/").await;
    answer.assert_refused(502, "guest_error");
    assert!(answer.at("/error/message").as_str().unwrap().starts_with("TypeError: "), "{}", answer.text);
    assert_eq!(answer.at("/error/line"), 2, "{}", answer.text);
    assert!(answer.at("/error/stack").as_str().unwrap().contains("main.js:2:"), "{}", answer.text);
}

#[tokio::test]
async fn what_has_no_fetch_says_so() {
    let server = Server::dev().await;
    register(&server, Caller::Tenant, "mute", &code("export const tools = { f: () => 1 }; export default { g() {} }"))
        .await;
    let answer = fetched(&server, Caller::Tenant, "mute", "/").await;
    answer.assert_refused(502, "guest_error");
    assert!(answer.text.contains("does not export a fetch() function"), "{}", answer.text);
}

#[tokio::test]
async fn without_execution_workers_are_told_and_not_run() {
    let mut server = Server::start(Setup::dev()).await;
    register(&server, Caller::Tenant, "asleep", &says("hello")).await;
    server.kill();
    std::fs::write(server.data.path().join("test.toml"), "[execution]\nenabled = false\n").unwrap();
    server.restart().await;
    assert_eq!(server.client.get(Caller::Tenant, "/workers/asleep").await.status, 200);
    fetched(&server, Caller::Tenant, "asleep", "/").await.assert_refused(503, "loader_unavailable");
    let put = server.client.put(Caller::Tenant, "/workers/b", &says("hello")).await;
    put.assert_refused(503, "loader_unavailable");
}
