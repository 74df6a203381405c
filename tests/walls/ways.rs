//! The ways in which a method is called: every door, for whoever has the credentials, and for an admin who works in the
//! namespace of an actor.

use doer_core::service::Method;
use reqwest::Method as Http;
use serde_json::{Map, Value, json};

use super::world::{World, admin};
use crate::support::Answer;

/// Calls a method on behalf of an actor, in one of the ways there are; gives the result where it went well.
pub async fn call(world: &mut World, who: usize, method: &'static Method, params: Map<String, Value>) -> Option<Value> {
    let own = world.actors[who].services.contains(&method.service) && !world.dice.once_in(3);
    let actor = &world.actors[who];
    let (key, named) = match own {
        true => (actor.key.clone(), params),
        false => (admin().to_owned(), within(params, &actor.namespace)),
    };
    let way = world.dice.roll(6);
    let (service, name) = (method.service, method.name);
    match way {
        0 | 1 => {
            let answer = post(world, who, &key, &format!("/rpc/{service}/{name}"), json!({ "params": named })).await;
            result(answer.at("/success"), answer.at("/result"))
        }
        2 => {
            // Beside others: what one of them says must not be in the answer to another one.
            let call = json!({ "id": who, "service": service, "method": name, "params": named });
            let other = json!({ "service": "db", "method": "list", "params": ["common"] });
            let calls = match own {
                true => json!([call, other]),
                false => json!([call]),
            };
            let answer = post(world, who, &key, "/rpc", calls).await;
            result(answer.at("/0/success"), answer.at("/0/result"))
        }
        3 => {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": { "name": method.flat_name(), "arguments": named } });
            let answer = mcp(world, Some(who), Some(&key), &body).await;
            let found = event(&answer);
            let body = &found["result"]["structuredContent"];
            result(&body["success"], &body["result"])
        }
        _ => guest(world, who, &key, method, named).await,
    }
}

/// From inside the sandbox. What code gets it also says, so that it is in the logs as well.
async fn guest(
    world: &mut World,
    who: usize,
    key: &str,
    method: &'static Method,
    named: Map<String, Value>,
) -> Option<Value> {
    let (how, input) = match (world.dice.roll(3), positional(method, &named)) {
        (0, Some(params)) => ("await env[input.service][input.method](...input.params)", params),
        (1, Some(params)) => ("await env.DO[`${input.service}_${input.method}`](...input.params)", params),
        _ => (
            "await (await fetch(`http://${input.service}/rpc/${input.method}`, {
                 method: 'POST', body: JSON.stringify(input.params) })).json()",
            Value::Object(named),
        ),
    };
    let code = format!(
        "try {{ const result = {how}; console.log(result); return {{ success: !result?.error, result }} }}
         catch (error) {{ console.error(error); return {{ success: false, message: error.message }} }}"
    );
    let input = json!({ "service": method.service, "method": method.name, "params": input });
    // For everyone the same: neither an execution nor a result that is kept must be found by another.
    let mut body = json!({ "code": code, "input": input, "captureFetch": true });
    match world.dice.roll(4) {
        0 => body["cacheKey"] = "same".into(),
        1 => body["executionId"] = format!("same-{}", world.dice.roll(1000)).into(),
        _ => {}
    }
    let answer = post(world, who, key, "/execute", body).await;
    result(answer.at("/result/success"), answer.at("/result/result"))
}

/// Somebody else's namespace, named outright, by whoever has no right to.
pub async fn elsewhere(world: &mut World, who: usize, method: &'static Method, params: Map<String, Value>) {
    let others: Vec<String> = world.actors.iter().map(|actor| actor.namespace.clone()).collect();
    let other = world.dice.pick(&others).clone();
    let other = if other == world.actors[who].namespace { "*".to_owned() } else { other };
    let mut named = within(params, &other);
    if let Some(Value::Object(options)) = named.get_mut("options") {
        options.insert("namespace".to_owned(), other.clone().into());
    }
    let key = world.actors[who].key.clone();
    let (service, name) = (method.service, method.name);
    let way = world.dice.roll(4);
    let refused = match way {
        0 => {
            let answer = post(world, who, &key, &format!("/rpc/{service}/{name}"), json!({ "params": named })).await;
            answer.status.is_client_error()
        }
        1 => {
            let calls = json!([{ "service": service, "method": name, "params": named }]);
            *post(world, who, &key, "/rpc", calls).await.at("/0/success") == false
        }
        2 => {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": { "name": method.flat_name(), "arguments": named } });
            let answer = mcp(world, Some(who), Some(&key), &body).await;
            event(&answer)["result"]["isError"] == true
        }
        _ => guest(world, who, &key, method, named).await.is_none(),
    };
    let namespace = &world.actors[who].namespace;
    assert!(refused, "seed {}: {} in {other} by {namespace}, in way {way}", world.seed, method.path());
}

/// A message to `/mcp`.
pub async fn mcp(world: &mut World, who: Option<usize>, key: Option<&str>, body: &Value) -> Answer {
    let request = world.request(key, Http::POST, "/mcp").header("accept", "application/json, text/event-stream");
    world.send(who, request.json(body), &body.to_string()).await
}

/// What an answer of `/mcp` says: an event of a stream, or plain JSON.
fn event(answer: &Answer) -> Value {
    let mut events = answer.text.lines().filter_map(|line| line.strip_prefix("data:"));
    let event = events.find(|data| data.contains("\"id\":1")).unwrap_or(&answer.text);
    serde_json::from_str(event).unwrap_or_default()
}

async fn post(world: &mut World, who: usize, key: &str, path: &str, body: Value) -> Answer {
    let request = world.request(Some(key), Http::POST, path).json(&body);
    world.send(Some(who), request, &format!("{path} {body}")).await
}

fn within(mut params: Map<String, Value>, namespace: &str) -> Map<String, Value> {
    params.insert("namespace".to_owned(), namespace.into());
    params
}

fn result(success: &Value, result: &Value) -> Option<Value> {
    (*success == true).then(|| result.clone())
}

/// By position, the namespace in the options or after the rest.
fn positional(method: &Method, params: &Map<String, Value>) -> Option<Value> {
    let value = |name: &String| params.get(name).cloned().unwrap_or_default();
    let mut list: Vec<Value> = method.parameters.iter().map(|parameter| value(&parameter.name)).collect();
    if let Some(namespace) = params.get("namespace") {
        let last = method.parameters.last().filter(|parameter| parameter.name == "options");
        match (last, list.last_mut()) {
            (Some(_), Some(Value::Object(options))) => drop(options.insert("namespace".to_owned(), namespace.clone())),
            (Some(_), Some(options)) => *options = json!({ "namespace": namespace }),
            _ => list.push(json!({ "namespace": namespace })),
        }
    }
    Some(list.into())
}
