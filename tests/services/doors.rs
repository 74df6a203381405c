//! The doors of a running server: whatever is asked through one must be answered as through any other.

use async_trait::async_trait;
use doer_core::service::Method;
use serde_json::{Map, Value, json};

use crate::{
    scenarios::{Answer, Door},
    support::{Caller, Client},
};

/// `POST /rpc/{service}/{method}`, parameters by name.
pub struct Rpc<'a>(pub &'a Client);

/// `POST /rpc`, parameters by position.
pub struct Batch<'a>(pub &'a Client);

/// Code in the sandbox, in one of the three ways in which code can call.
pub struct Guest<'a> {
    pub client: &'a Client,
    pub way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `env.db.query(...)`
    Service,
    /// `env.DO.db_query(...)`
    Unified,
    /// `fetch('http://db/rpc/query', ...)`
    Fetch,
}

/// A WASI command, by its import `doer.call`, parameters by name.
pub struct Wasi<'a>(pub &'a Client);

const COMMAND: &str = include_str!("call.wat");

/// A tool of `POST /mcp`.
pub struct Mcp<'a>(pub &'a Client);

#[async_trait]
impl Door for Rpc<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let path = format!("/rpc/{}/{}", method.service, method.name);
        let answer = self.0.post(Caller::Admin, &path, &json!({ "params": named(namespace, params) })).await;
        answer_of(&answer.json)
    }
}

#[async_trait]
impl Door for Batch<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let params = positional(namespace, method, params);
        let call = json!([{ "id": 7, "service": method.service, "method": method.name, "params": params }]);
        let answer = self.0.post(Caller::Admin, "/rpc", &call).await;
        assert_eq!(answer.at("/0/id"), 7, "{}", answer.text);
        answer_of(answer.at("/0"))
    }
}

#[async_trait]
impl Door for Guest<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let code = match self.way {
            Way::Service => "return env[input.service][input.method](...input.params)",
            Way::Unified => "return env.DO[`${input.service}_${input.method}`](...input.params)",
            Way::Fetch => {
                "const response = await fetch(`http://${input.service}/rpc/${input.method}`, {
                    method: 'POST', body: JSON.stringify(input.named),
                });
                const body = await response.json();
                if (response.ok) return body;
                throw Object.assign(new Error(body.error.message), body.error);"
            }
        };
        let (params, named) = (positional(namespace, method, params), named(namespace, params));
        let code = format!(
            "try {{ return {{ success: true, result: await (async () => {{ {code} }})() }} }}
             catch (error) {{ return {{ success: false, error: {{ code: error.code, message: error.message }} }} }}"
        );
        let input = json!({ "service": method.service, "method": method.name, "params": params, "named": named });
        let answer = self.client.execute(&json!({ "code": code, "input": input })).await;
        assert_eq!(answer.at("/success"), true, "{}", answer.text);
        answer_of(answer.at("/result"))
    }
}

#[async_trait]
impl Door for Wasi<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let call = json!({ "service": method.service, "method": method.name, "params": named(namespace, params) });
        let answer = self.0.execute(&json!({ "language": "wat", "code": COMMAND, "input": call })).await;
        assert_eq!(answer.at("/success"), true, "{}", answer.text);
        answer_of(answer.at("/result"))
    }
}

#[async_trait]
impl Door for Mcp<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": method.flat_name(), "arguments": named(namespace, params) },
        });
        let request = self.0.request(Caller::Admin, reqwest::Method::POST, "/mcp");
        let request = request.header("accept", "application/json, text/event-stream").json(&call);
        let text = request.send().await.unwrap().text().await.unwrap();
        // The answer is an event of a stream, or plain JSON.
        let event = text.lines().filter_map(|line| line.strip_prefix("data:")).find(|data| data.contains("\"id\":1"));
        let answer: Value =
            serde_json::from_str(event.unwrap_or(&text)).unwrap_or_else(|error| panic!("{error}: {text}"));
        let result = &answer["result"];
        if let Some(code) = answer.pointer("/error/data/code") {
            return Err((code.as_str().unwrap().to_owned(), answer["error"]["message"].as_str().unwrap().to_owned()));
        }
        let body = &result["structuredContent"];
        match body.get("result").filter(|_| result["isError"] != true) {
            Some(result) => Ok(result.clone()),
            None => answer_of(body),
        }
    }
}

fn answer_of(body: &Value) -> Answer {
    if body["success"] == true {
        return Ok(body["result"].clone());
    }
    let text = |name: &str| body["error"][name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned();
    Err((text("code"), text("message")))
}

fn named(namespace: &str, params: &Map<String, Value>) -> Value {
    let mut named = params.clone();
    named.insert("namespace".to_owned(), namespace.into());
    Value::Object(named)
}

/// By position, options last.
fn positional(namespace: &str, method: &Method, params: &Map<String, Value>) -> Vec<Value> {
    let known = |name: &String| method.parameters.iter().any(|parameter| parameter.name == *name);
    assert!(params.keys().all(known), "{} has no place for one of {params:?}", method.path());
    let value = |name: &String| params.get(name).cloned().unwrap_or_default();
    let mut list: Vec<Value> = method.parameters.iter().map(|parameter| value(&parameter.name)).collect();
    match method.parameters.iter().position(|parameter| parameter.name == "options") {
        Some(at) => {
            if list[at].is_null() {
                list[at] = json!({});
            }
            list[at].as_object_mut().unwrap().insert("namespace".to_owned(), namespace.into());
        }
        None => list.push(json!({ "namespace": namespace })),
    }
    list
}
