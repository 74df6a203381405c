//! Components as toolchains make them: workers in JavaScript and in Python, built by `componentize-js` from npm and by
//! `componentize-py` from PyPI with the interfaces in `crates/sandbox/wit`, and run by a server. What needs Node.js or
//! Python is skipped, by name, where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
mod support;

mod tools;

use std::{path::Path, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use support::{Answer, Caller, Server};

/// Runs a component with `input` as its request.
async fn execute(server: &Server, component: &[u8], input: Value) -> Answer {
    let code = BASE64_STANDARD.encode(component);
    let body = json!({ "language": "wasm", "code": code, "input": input, "timeout": 120_000 });
    server.client.post(Caller::Admin, "/execute", &body).await
}

async fn dev() -> Arc<Server> {
    Server::dev().await
}

fn wit() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/wit"))
}

#[tokio::test]
async fn a_worker_in_javascript() {
    let Some(component) = tools::javascript("a_worker_in_javascript", wit()) else { return };
    let server = dev().await;
    let answer = execute(&server, &component, json!({ "name": "ada" })).await;
    assert_eq!(answer.json["success"], true, "{}", answer.text);
    assert_eq!(answer.json["response"]["status"], 201);
    assert_eq!(answer.json["logs"][0], "asked for ada");
    let result = &answer.json["result"];
    let thing = json!({ "ns": "made", "id": "ada", "data": "{\"by\":\"js\"}", "visibility": "public",
        "createdAt": "bigint", "updatedAt": 0 });
    assert_eq!(result["thing"], thing, "{result}");
    assert_eq!((&result["count"], &result["rpc"]), (&json!(1), &json!([200, 1])));
    assert_eq!(result["refused"], "TypeError");
    assert_eq!(result["wrong"], json!(["ServiceError", "invalid_request", "data: is not JSON"]));
    let logs = answer.json["logs"].to_string();
    assert!(logs.contains("[warn] ") && logs.contains("not permitted"), "{logs}");

    let endless = json!({ "language": "wasm", "code": BASE64_STANDARD.encode(&component), "input": { "loop": true },
        "limits": { "cpuMs": 500 } });
    let ended = server.client.post(Caller::Admin, "/execute", &endless).await;
    assert_eq!(ended.json["error"]["code"], "cpu_limit", "{}", ended.text);

    // By id its bodies are streams: this is more than it may have as output.
    let main = json!({ "wasm": BASE64_STANDARD.encode(&component) });
    let worker = json!({ "mainModule": "main.wasm", "modules": { "main.wasm": main } });
    let registered = server.client.put(Caller::Admin, "/workers/made", &worker).await;
    assert_eq!(registered.status.as_u16(), 201, "{}", registered.text);
    let body = "0123456789abcdef".repeat(12 << 16);
    let echo = server.client.request(Caller::Admin, Method::POST, "/workers/made/fetch/echo").body(body.clone());
    let answer = Answer::read(echo.send().await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-made-by")), (200, "js"), "{:.300}", answer.text);
    assert!(answer.text == body, "{} bytes of {}", answer.text.len(), body.len());
}

#[tokio::test]
async fn a_worker_in_python() {
    let Some(component) = tools::python("a_worker_in_python", wit()) else { return };
    let server = dev().await;
    let answer = execute(&server, &component, json!({ "name": "ada" })).await;
    assert_eq!(answer.json["success"], true, "{}", answer.text);
    assert_eq!(answer.json["response"]["status"], 201);
    assert_eq!(answer.json["logs"], json!(["asked for ada"]));
    let result = &answer.json["result"];
    assert_eq!(result["thing"], json!(["made", "ada", { "by": "py" }, "PUBLIC"]), "{result}");
    assert_eq!((&result["rows"], &result["refused"]), (&json!([{ "n": "ada" }]), &json!("forbidden")));
}
