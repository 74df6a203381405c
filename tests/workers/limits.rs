//! How much a namespace may have of workers, and how often it may call them.

use serde_json::{Value, json};

use super::{called, code, fetched, register, says};
use crate::support::{Caller, Server, Setup};

#[tokio::test]
async fn there_may_be_so_many_and_so_large() {
    let config = "[limits.tenant]\nworkers = 2\ncode_kib = 64\nworker_mib = 1\n";
    let server = Server::start(Setup::dev().config(config)).await;
    for id in ["a", "b"] {
        register(&server, Caller::Tenant, id, &says("x")).await;
    }
    let more = server.client.put(Caller::Tenant, "/workers/c", &says("x")).await;
    more.assert_refused(403, "quota");
    register(&server, Caller::OtherTenant, "c", &says("x")).await;
    assert_eq!(server.client.delete(Caller::Tenant, "/workers/a").await.status, 204);
    register(&server, Caller::Tenant, "c", &says("x")).await;

    let large = code(&format!("export default {{ fetch() {{}} }} // {}", "x".repeat(64 << 10)));
    let refused = server.client.put(Caller::Tenant, "/workers/b?replace=true", &large).await;
    refused.assert_refused(413, "code_too_large");
    let limits = server.client.get(Caller::Tenant, "/limits").await;
    assert_eq!(limits.at("/quotas/workers"), 2);
}

#[tokio::test]
async fn calls_count_as_executions() {
    let server = Server::start(Setup::dev().config("[limits.tenant]\nexecutions_per_minute = 3\n")).await;
    register(&server, Caller::Tenant, "a", &says("x")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "a", "/").await.text, "x");
    called(&server, "a", "none", &json!({})).await.assert_threw("TypeError");
    let refused = fetched(&server, Caller::Tenant, "a", "/").await;
    refused.assert_refused(429, "rate_limit");
    assert_ne!(refused.header("retry-after"), "");
    called(&server, "a", "none", &json!({})).await.assert_refused(429, "rate_limit");
    let put = server.client.put(Caller::Tenant, "/workers/b", &says("x")).await;
    put.assert_refused(429, "rate_limit");
}

#[tokio::test]
async fn what_is_let_go_is_loaded_again_and_behaves_the_same() {
    let server = Server::start(Setup::dev().config("[workers]\nloaded = 1\n")).await;
    for id in ["a", "b"] {
        register(&server, Caller::Tenant, id, &says(id)).await;
    }
    for _ in 0..3 {
        for id in ["a", "b"] {
            assert_eq!(fetched(&server, Caller::Tenant, id, "/").await.text, id);
        }
    }
    let metrics = server.metrics().await;
    assert!(metrics.lines().any(|line| line == "doer_workers_loaded 1"), "{metrics}");
    let evictions = metrics.lines().find_map(|line| line.strip_prefix("doer_worker_evictions_total ")).unwrap();
    assert!(evictions.parse::<u32>().unwrap() >= 4, "{metrics}");
}

#[tokio::test]
async fn a_client_that_goes_ends_what_it_asked_for() {
    let server = Server::start(Setup::dev()).await;
    let slow = "export default { async fetch() { await new Promise((r) => setTimeout(r, 60000)) } }";
    register(&server, Caller::Tenant, "slow", &code(slow)).await;
    let running = async |number: u32| {
        let line = format!("doer_executions_running {number}");
        crate::support::eventually(&line, async || {
            server.metrics().await.lines().any(|found| found == line).then_some(())
        })
        .await;
    };
    let client = server.client.clone();
    let call = tokio::spawn(async move { client.get(Caller::Tenant, "/workers/slow/fetch/").await });
    running(1).await;
    call.abort();
    running(0).await;
}

#[tokio::test]
async fn code_or_env_that_is_too_large_is_told_with_both_numbers() {
    let server = Server::start(Setup::dev().config("[limits.tenant]\ncode_kib = 64\n")).await;
    let put = async |code: &Value| server.client.put(Caller::Tenant, "/workers/large", code).await;
    let large = put(&code(&"x".repeat(70_000))).await;
    large.assert_refused(413, "code_too_large");
    let numbers = "Code size 70007 bytes exceeds maximum 65536 bytes";
    assert!(large.text.contains(numbers), "{}", large.text);

    let mut worker = says("x");
    worker["env"] = json!({ "A": "x".repeat(1 << 20) });
    let large = put(&worker).await;
    large.assert_refused(400, "invalid_request");
    assert!(large.text.contains("env: has 1048584 bytes, and may have 1048576"), "{}", large.text);
    worker["env"] = json!({ "A": "x".repeat((1 << 20) - 8) });
    register(&server, Caller::Tenant, "large", &worker).await;
}
