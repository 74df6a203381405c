//! An execution ends when its caller says so or goes away, and its slot is free again.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup, eventually, within};

const SLEEP: &str = "console.log('before'); await new Promise(r => setTimeout(r, 60000)); return 'slept'";
const SPIN: &str = "console.log('before'); for (;;) {}";

/// Sends a long execution; gives the answer that is still to come.
fn begin(server: &Server, caller: Caller, id: &str, code: &str) -> tokio::task::JoinHandle<Answer> {
    let body = json!({ "code": code, "executionId": id, "timeout": 25_000 });
    let request = server.client.request(caller, Method::POST, "/execute").json(&body);
    tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
}

/// What is known of it: `running`, or how it ended.
async fn state(server: &Server, caller: Caller, id: &str) -> Value {
    let known = server.client.get(caller, &format!("/executions/{id}")).await.json;
    if known["state"] == "finished" { known["outcome"].clone() } else { known["state"].clone() }
}

async fn until(server: &Server, caller: Caller, id: &str, wanted: &str) {
    eventually(&format!("{id} is {wanted}"), async || (state(server, caller, id).await == wanted).then_some(())).await;
}

#[tokio::test]
async fn delete_ends_what_runs() {
    let server = Server::dev().await;
    for (id, code) in [("delete-sleep", SLEEP), ("delete-spin", SPIN)] {
        let answer = begin(&server, Caller::Tenant, id, code);
        until(&server, Caller::Tenant, id, "running").await;
        let deleted = server.client.delete(Caller::Tenant, &format!("/executions/{id}")).await;
        assert_eq!((deleted.status.as_u16(), &deleted.json["state"]), (200, &json!("cancelling")), "{}", deleted.text);
        let answer = within(Duration::from_secs(10), "the answer", answer).await.unwrap();
        answer.assert_ended_by("cancelled");
        until(&server, Caller::Tenant, id, "cancelled").await;
        // Once more changes nothing.
        let again = server.client.delete(Caller::Tenant, &format!("/executions/{id}")).await;
        assert_eq!((again.status.as_u16(), &again.json["outcome"]), (200, &json!("cancelled")), "{}", again.text);
    }
}

#[tokio::test]
async fn others_cannot_see_or_end_it() {
    let server = Server::dev().await;
    let answer = begin(&server, Caller::Tenant, "private", SLEEP);
    until(&server, Caller::Tenant, "private", "running").await;
    server.client.get(Caller::OtherTenant, "/executions/private").await.assert_refused(404, "not_found");
    server.client.delete(Caller::OtherTenant, "/executions/private").await.assert_refused(404, "not_found");
    assert_eq!(state(&server, Caller::Tenant, "private").await, "running");
    server.client.delete(Caller::Tenant, "/executions/private").await;
    answer.await.unwrap().assert_ended_by("cancelled");
}

#[tokio::test]
async fn an_id_is_taken_once_in_its_namespace() {
    let server = Server::dev().await;
    let first = begin(&server, Caller::Tenant, "taken", SLEEP);
    until(&server, Caller::Tenant, "taken", "running").await;
    let body = json!({ "code": "return 1", "executionId": "taken" });
    server.client.post(Caller::Tenant, "/execute", &body).await.assert_refused(409, "conflict");
    server.client.post(Caller::OtherTenant, "/execute", &body).await.assert_result(1);
    server.client.delete(Caller::Tenant, "/executions/taken").await;
    first.await.unwrap().assert_ended_by("cancelled");
}

#[tokio::test]
async fn finished_executions_can_be_looked_up() {
    let server = Server::dev().await;
    let id = server.client.run("return 1").await.json["executionId"].as_str().unwrap().to_owned();
    let found = server.client.get(Caller::Admin, &format!("/executions/{id}")).await;
    assert_eq!((found.status.as_u16(), &found.json["executionId"]), (200, &json!(id)), "{}", found.text);
    assert_eq!((&found.json["state"], &found.json["outcome"]), (&json!("finished"), &json!("ok")), "{}", found.text);
    assert!(found.at("/usage/wallMs").is_number(), "{}", found.text);
    server.client.get(Caller::Admin, "/executions/exec_nothing").await.assert_refused(404, "not_found");
    server.client.delete(Caller::Admin, "/executions/exec_nothing").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_slot() {
    let server = Server::start(Setup::dev().config("[execution]\nconcurrency = 1\n")).await;
    for (id, code) in [("gone-sleep", SLEEP), ("gone-spin", SPIN)] {
        let gone = begin(&server, Caller::Admin, id, code);
        until(&server, Caller::Admin, id, "running").await;
        gone.abort();
        until(&server, Caller::Admin, id, "cancelled").await;
        let next = within(Duration::from_secs(10), "the next run", server.client.run("return 1")).await;
        next.assert_result(1);
    }
}

#[tokio::test]
async fn a_streaming_client_that_goes_away_frees_its_slot() {
    let server = Server::start(Setup::dev().config("[execution]\nconcurrency = 1\n")).await;
    let body = json!({ "code": SPIN, "executionId": "gone", "timeout": 25_000 });
    let request = server.client.request(Caller::Admin, Method::POST, "/execute").header("accept", "text/event-stream");
    let response = request.json(&body).send().await.unwrap();
    until(&server, Caller::Admin, "gone", "running").await;
    drop(response);
    until(&server, Caller::Admin, "gone", "cancelled").await;
    within(Duration::from_secs(10), "the next run", server.client.run("return 1")).await.assert_result(1);
}

#[tokio::test]
async fn what_waits_for_a_slot_can_be_cancelled() {
    let server = Server::start(Setup::dev().config("[execution]\nconcurrency = 1\n")).await;
    let running = begin(&server, Caller::Admin, "first", SLEEP);
    // It counts as running a moment before the slot is its own.
    eventually("the slot is taken", async || {
        server.metrics().await.lines().any(|line| line == "doer_executions_running 1").then_some(())
    })
    .await;
    let waiting = begin(&server, Caller::Admin, "second", "return 2");
    eventually("the second is known", async || {
        (server.client.get(Caller::Admin, "/executions/second").await.status == 200).then_some(())
    })
    .await;
    server.client.delete(Caller::Admin, "/executions/second").await;
    within(Duration::from_secs(10), "the answer", waiting).await.unwrap().assert_ended_by("cancelled");
    server.client.delete(Caller::Admin, "/executions/first").await;
    running.await.unwrap().assert_ended_by("cancelled");
}
