//! Calls of services, as an admin.

use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, eventually};

/// `POST /rpc/{path}` with parameters by name.
pub async fn call(server: &Server, path: &str, params: Value) -> Answer {
    server.client.post(Caller::Admin, &format!("/rpc/{path}"), &json!({ "params": params })).await
}

/// Its result; fails where it is an error.
#[track_caller]
pub fn result(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.at("/result")
}

/// Code and message of its error; fails where it is none.
#[track_caller]
pub fn error(answer: &Answer) -> (&str, &str) {
    let text = |pointer| answer.at(pointer).as_str().unwrap_or_else(|| panic!("no error: {}", answer.text));
    (text("/error/code"), text("/error/message"))
}

/// Calls until the result is as it should be, and gives it.
pub async fn until(server: &Server, path: &str, params: Value, is: impl Fn(&Value) -> bool) -> Value {
    let found = eventually(path, async || {
        let answer = call(server, path, params.clone()).await;
        Some(result(&answer).clone()).filter(&is)
    });
    found.await
}
