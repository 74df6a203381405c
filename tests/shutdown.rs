//! SIGTERM: no new work, running work finishes within the deadline or is cancelled with an answer.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Caller, Server, Setup, eventually, within};

/// A server with this deadline, and an execution on it that runs for `milliseconds`.
async fn busy(deadline: &str, milliseconds: u32) -> (Server, tokio::task::JoinHandle<Answer>) {
    let server = Server::start(Setup::dev().config(&format!("[server]\nshutdown_deadline = \"{deadline}\"\n"))).await;
    let code = format!("console.log('before'); await new Promise(r => setTimeout(r, {milliseconds})); return 'slept'");
    let body = json!({ "code": code, "executionId": "busy", "timeout": 60_000 });
    let request = server.client.request(Caller::Admin, Method::POST, "/execute").json(&body);
    let answer = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    eventually("it runs", async || {
        (server.client.get(Caller::Admin, "/executions/busy").await.json["state"] == "running").then_some(())
    })
    .await;
    (server, answer)
}

#[tokio::test]
async fn running_executions_finish() {
    let (mut server, answer) = busy("30s", 1_000).await;
    server.terminate();
    let answer = answer.await.unwrap();
    answer.assert_result("slept");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn at_the_deadline_they_are_cancelled_with_an_answer() {
    let (mut server, answer) = busy("1s", 50_000).await;
    server.terminate();
    let answer = within(Duration::from_secs(10), "the answer", answer).await.unwrap();
    answer.assert_ended_by("cancelled");
    assert_eq!(answer.json["logs"], json!(["before"]));
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn while_draining_nothing_new_is_taken() {
    let (mut server, answer) = busy("30s", 2_000).await;
    server.terminate();
    // Until the signal has been seen it still answers; after that it is either draining or deaf.
    eventually("it takes nothing new", async || {
        match server.client.request(Caller::Admin, Method::GET, "/readyz").send().await {
            Ok(response) => (response.status() == 503).then_some(()),
            Err(_) => Some(()),
        }
    })
    .await;
    let request = server.client.request(Caller::Admin, Method::POST, "/execute").json(&json!({ "code": "return 1" }));
    if let Ok(response) = request.send().await {
        Answer::read(response).await.assert_refused(503, "service_unavailable");
    }
    answer.await.unwrap().assert_result("slept");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let mut server = Server::start(Setup::dev()).await;
    server.terminate();
    assert_eq!(within(Duration::from_secs(5), "its end", server.exit_code()).await, Some(0), "{}", server.log());
}
