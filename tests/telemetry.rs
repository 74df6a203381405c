//! One log line and one count for each execution, however it ended.

use serde_json::{Value, json};

use crate::support::{Caller, Server, Setup, eventually};

/// Runs that end in different ways, and the word for each.
async fn run_all(server: &Server) -> Vec<(String, &'static str)> {
    let mut ended = Vec::new();
    for (code, outcome) in [
        ("return 1", "ok"),
        ("throw new Error('x')", "guest_error"),
        ("for (;;) {}", "timeout"),
        ("const a = []; for (;;) a.push(new Uint8Array(1 << 20))", "memory_limit"),
    ] {
        let body = json!({ "code": code, "timeout": 500, "limits": { "memoryMb": 32 } });
        let answer = server.client.post(Caller::Tenant, "/execute", &body).await;
        ended.push((answer.json["executionId"].as_str().unwrap().to_owned(), outcome));
    }
    ended
}

#[tokio::test]
async fn each_execution_has_one_line_in_the_log() {
    let server = Server::start(Setup::dev()).await;
    for (id, outcome) in run_all(&server).await {
        let line = eventually("its line", async || {
            let log = server.log();
            let mut lines = log.lines().filter(|line| line.contains(&id));
            let line: Value = serde_json::from_str(lines.next()?).unwrap();
            assert_eq!(lines.next(), None, "more than one line for {id}");
            Some(line)
        })
        .await;
        assert_eq!(line["execution"], id, "{line}");
        assert_eq!((&line["outcome"], &line["namespace"]), (&json!(outcome), &json!("tenant:test-tenant")), "{line}");
        for number in ["wall_ms", "cpu_ms", "fuel", "peak_memory_bytes", "output_bytes"] {
            assert!(line[number].is_number(), "{number}: {line}");
        }
        assert!(line["request"].as_str().is_some_and(|request| request.starts_with("req_")), "{line}");
    }
}

#[tokio::test]
async fn executions_are_counted_by_how_they_ended() {
    let server = Server::start(Setup::dev()).await;
    for (_, outcome) in run_all(&server).await {
        let line = format!("doer_executions_total{{outcome=\"{outcome}\",tier=\"tenant\"}} 1");
        let metrics = server.metrics().await;
        assert!(metrics.lines().any(|counted| counted == line), "{line} is missing in:\n{metrics}");
    }
}

#[tokio::test]
async fn slots_in_use_are_told() {
    let server = Server::start(Setup::dev().config("[execution]\nconcurrency = 1\n")).await;
    let gauge = async |line: &str| server.metrics().await.lines().any(|told| told == line);
    assert!(gauge("doer_execution_slots 1").await && gauge("doer_executions_running 0").await);
    let begin = |id: &str| {
        let body = json!({ "code": "await new Promise(r => setTimeout(r, 60000))", "executionId": id });
        let client = server.client.clone();
        tokio::spawn(async move { client.execute(&body).await })
    };
    let (first, second) = (begin("first"), begin("second"));
    eventually("one runs, one waits", async || {
        let both = gauge("doer_executions_running 1").await && gauge("doer_executions_waiting 1").await;
        both.then_some(())
    })
    .await;
    for id in ["first", "second"] {
        server.client.delete(Caller::Admin, &format!("/executions/{id}")).await;
    }
    first.await.unwrap().assert_ended_by("cancelled");
    second.await.unwrap().assert_ended_by("cancelled");
    // A slot is wiped after its execution was answered.
    eventually("none runs, none waits", async || {
        let both = gauge("doer_executions_running 0").await && gauge("doer_executions_waiting 0").await;
        both.then_some(())
    })
    .await;
}
