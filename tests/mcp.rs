//! `POST /mcp`: the official client as three tiers, and what it does not do: foreign credentials, cancelling what is
//! somebody else's, going away in the middle.

use std::{fs, process::Command, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup, eventually, key_of, node, within};

const CLIENT: &str = include_str!("mcp/client.mjs");
const SLEEP: &str = "console.log('before'); await new Promise(r => setTimeout(r, 20000)); return 'slept'";

/// What the official client saw.
async fn official(server: &Server, key: &str) -> Option<Value> {
    let node = node("the official client of MCP")?;
    let script = node.join("client.mjs");
    fs::write(&script, CLIENT).unwrap();
    let mut command = Command::new("node");
    command.arg(script).arg(format!("http://127.0.0.1:{}/mcp", server.port)).arg(key);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = serde_json::from_str(&text);
    Some(told.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))))
}

fn names(told: &Value) -> Vec<&str> {
    told["tools"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_official_client_works_for_a_tenant() {
    let server = Server::start(Setup::production()).await;
    let Some(told) = official(&server, key_of(Caller::RpcTenant).unwrap()).await else { return };
    assert_eq!(told["server"], "doer");
    let names = names(&told);
    assert_eq!(names[..3], ["execute", "eval", "db_query"]);
    assert!(names.contains(&"queue_send") && names.contains(&"email_send") && !names.contains(&"auth_createUser"));

    let run = &told["execute"];
    assert_eq!((&run["isError"], &run["structuredContent"]["result"]), (&json!(false), &json!(0)), "{run}");
    assert_eq!(run["content"][0]["text"], "0");
    assert_eq!(run["structuredContent"]["logs"], json!(["one", "[warn] two"]));
    assert_eq!(run["structuredContent"]["usage"]["calls"], json!({ "db": 1 }));
    assert_eq!(told["logs"], json!([["info", "one"], ["warning", "[warn] two"], ["info", "before"]]));
    assert_eq!(told["eval"]["structuredContent"]["result"], json!([42, "undefined"]));

    let thrown = &told["thrown"];
    assert_eq!(thrown["isError"], true, "{thrown}");
    let error = &thrown["structuredContent"]["error"];
    assert_eq!((&error["name"], &error["message"], &error["line"]), (&json!("TypeError"), &json!("no"), &json!(2)));
    assert_eq!(thrown["structuredContent"]["logs"], json!(["before"]));
    assert!(thrown["content"][0]["text"].as_str().unwrap().starts_with("TypeError: no\n"), "{thrown}");

    for (refused, code) in [("wrong", "invalid_request"), ("missing", "invalid_request"), ("denied", "forbidden")] {
        let refused = &told[refused];
        assert_eq!(refused["isError"], true, "{refused}");
        assert_eq!(refused["structuredContent"]["error"]["code"], code, "{refused}");
        assert!(refused["content"][0]["text"].as_str().unwrap().starts_with(&format!("{code}: ")), "{refused}");
    }
    let method = &told["method"]["structuredContent"]["result"];
    assert_eq!((&method["id"], &method["data"]), (&json!("a"), &json!({ "title": "Hello" })));
    assert!(told["unknown"]["thrown"].as_str().unwrap().contains("Unknown tool: nope"));

    assert_eq!(told["resources"], json!(["doer://types.d.ts"]));
    assert_eq!(told["types"], server.client.get(Caller::Tenant, "/types.d.ts").await.text);

    assert_ne!(told["abandoned"], "answered");
    until(&server, Caller::Tenant, "abandoned", "cancelled").await;
}

#[tokio::test]
async fn tools_are_those_of_the_tier() {
    let server = Server::start(Setup::production()).await;
    let Some(admin) = official(&server, key_of(Caller::Admin).unwrap()).await else { return };
    assert_eq!(
        names(&admin).len(),
        2 + doer_core::service::Service::ALL.iter().map(|one| one.methods().len()).sum::<usize>()
    );
    assert_eq!(admin["denied"]["isError"], false, "{}", admin["denied"]);

    let user = official(&server, key_of(Caller::RpcUser).unwrap()).await.unwrap();
    assert!(names(&user).iter().all(|name| name.starts_with("db_")), "{:?}", names(&user));
    assert_eq!(user["execute"]["structuredContent"]["error"]["code"], "forbidden");
    assert_eq!(user["method"]["structuredContent"]["result"]["id"], "a");

    assert_eq!(official(&server, "sk_live_wrong").await.unwrap(), json!({ "refused": 401 }));
}

/// One message, as a client of the protocol sends it.
fn send(server: &Server, caller: Caller, session: &str, message: Value) -> RequestBuilder {
    let request = server.client.request(caller, Method::POST, "/mcp").json(&message);
    let request = request.header("accept", "application/json, text/event-stream");
    request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-06-18")
}

fn execute(id: u32, execution: &str) -> Value {
    let arguments = json!({ "code": SLEEP, "executionId": execution, "timeout": 25_000 });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "execute", "arguments": arguments } })
}

fn cancelled(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

/// What is known of an execution: `running`, or how it ended.
async fn state(server: &Server, caller: Caller, id: &str) -> Value {
    let known = server.client.get(caller, &format!("/executions/{id}")).await.json;
    if known["state"] == "finished" { known["outcome"].clone() } else { known["state"].clone() }
}

async fn until(server: &Server, caller: Caller, id: &str, wanted: &str) {
    eventually(&format!("{id} is {wanted}"), async || (state(server, caller, id).await == wanted).then_some(())).await;
}

#[tokio::test]
async fn only_the_caller_itself_cancels_a_call() {
    let server = Server::dev().await;
    let request = send(&server, Caller::Tenant, "s", execute(7, "mcp-cancel"));
    let answer = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    until(&server, Caller::Tenant, "mcp-cancel", "running").await;
    let foreign =
        [(Caller::OtherTenant, "s", 7), (Caller::Admin, "s", 7), (Caller::Tenant, "t", 7), (Caller::Tenant, "s", 8)];
    for (caller, session, id) in foreign {
        let status = send(&server, caller, session, cancelled(id)).send().await.unwrap().status();
        assert_eq!(status, 202);
    }
    assert_eq!(state(&server, Caller::Tenant, "mcp-cancel").await, "running");
    send(&server, Caller::Tenant, "s", cancelled(7)).send().await.unwrap();
    let answer = within(Duration::from_secs(10), "the answer", answer).await.unwrap();
    assert!(answer.text.contains("\"code\":\"cancelled\""), "{}", answer.text);
    until(&server, Caller::Tenant, "mcp-cancel", "cancelled").await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_execution() {
    let server = Server::dev().await;
    let request = send(&server, Caller::Tenant, "s", execute(1, "mcp-gone"));
    let mut response = request.send().await.unwrap();
    // The first line has come.
    while !String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()).contains("before") {}
    until(&server, Caller::Tenant, "mcp-gone", "running").await;
    drop(response);
    until(&server, Caller::Tenant, "mcp-gone", "cancelled").await;
}

#[tokio::test]
async fn it_is_a_route_like_any_other() {
    let server = Server::dev().await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let origin = send(&server, Caller::Anonymous, "s", list.clone()).header("origin", "https://evil.example");
    Answer::read(origin.send().await.unwrap()).await.assert_refused(403, "forbidden");
    let wrong = send(&server, Caller::Anonymous, "s", list.clone()).bearer_auth("sk_live_wrong");
    Answer::read(wrong.send().await.unwrap()).await.assert_refused(401, "unauthenticated");
    let text = server.client.request(Caller::Tenant, Method::POST, "/mcp").header("content-type", "text/plain");
    let text = text.header("accept", "application/json, text/event-stream").body(list.to_string());
    assert_ne!(text.send().await.unwrap().status(), 200);
    server.client.get(Caller::Tenant, "/mcp").await.assert_refused(405, "method_not_allowed");
    server.client.delete(Caller::Tenant, "/mcp").await.assert_refused(405, "method_not_allowed");

    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
    });
    let first = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello });
    let sessions = [(), ()].map(|()| async {
        let request = server.client.request(Caller::Tenant, Method::POST, "/mcp").json(&first);
        let answer = request.header("accept", "application/json, text/event-stream").send().await.unwrap();
        Answer::read(answer).await.header("mcp-session-id").to_owned()
    });
    let [one, two] = sessions;
    let (one, two) = (one.await, two.await);
    assert!(!one.is_empty() && one != two);
}
