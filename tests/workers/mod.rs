//! Workers by id, over HTTP: registered, called, replaced, set back, removed.

mod bindings;
mod calls;
mod disk;
mod events;
mod failures;
mod ingress;
mod lifecycle;
mod limits;
mod metrics;
mod refusals;
mod streams;
mod tools;

use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server};

/// `WorkerCode` of one module of JavaScript.
fn code(source: &str) -> Value {
    json!({ "mainModule": "main.js", "modules": { "main.js": source } })
}

/// A worker whose every answer is `text`.
fn says(text: &str) -> Value {
    code(&format!("export default {{ fetch: () => new Response({text:?}) }}"))
}

/// Registers code where there may be other, and fails unless that goes well.
async fn register(server: &Server, caller: Caller, id: &str, code: &Value) -> Answer {
    let answer = server.client.put(caller, &format!("/workers/{id}?replace=true"), code).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer
}

/// What a worker answers to a `GET`.
async fn fetched(server: &Server, caller: Caller, id: &str, path: &str) -> Answer {
    server.client.get(caller, &format!("/workers/{id}/fetch{path}")).await
}

/// Calls a method.
async fn called(server: &Server, id: &str, method: &str, body: &Value) -> Answer {
    server.client.post(Caller::Tenant, &format!("/workers/{id}/rpc/{method}"), body).await
}
