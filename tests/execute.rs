//! `POST /execute` and `/eval`, said as data: every line of `cases/*.jsonl` is one request and what it answers.

use serde_json::Value;

use crate::support::{Answer, Caller, Server};

#[tokio::test]
async fn acceptance() {
    run(include_str!("cases/execute.jsonl")).await;
}

#[tokio::test]
async fn javascript() {
    run(include_str!("cases/javascript.jsonl")).await;
}

#[tokio::test]
async fn typescript() {
    run(include_str!("cases/typescript.jsonl")).await;
}

#[tokio::test]
async fn webassembly() {
    run(include_str!("cases/webassembly.jsonl")).await;
}

#[tokio::test]
async fn sabotage_stays_inside_the_run() {
    run(include_str!("cases/sabotage.jsonl")).await;
}

/// Sends every line's request, and fails once with everything that was not as the lines say.
async fn run(cases: &str) {
    let server = Server::dev().await;
    let cases: Vec<Value> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let caller = caller_of(case);
        let answer = server.client.post(caller, case["path"].as_str().unwrap(), &case["body"]).await;
        wrong.extend(differences(case, &answer).map(|difference| format!("{}: {difference}", case["name"])));
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn caller_of(case: &Value) -> Caller {
    match case["as"].as_str().unwrap() {
        "admin" => Caller::Admin,
        "tenant" => Caller::Tenant,
        "user" => Caller::User,
        "anonymous-dev" => Caller::Anonymous,
        other => panic!("no caller is called {other:?}"),
    }
}

/// What of the answer is not as the case says; the first difference only, with the answer.
fn differences(case: &Value, answer: &Answer) -> impl Iterator<Item = String> {
    let expect = &case["expect"];
    let status = (expect["status"] != answer.status.as_u16()).then(|| format!("status {}", answer.status));
    let checks = expect["checks"].as_array().unwrap().iter();
    status
        .into_iter()
        .chain(checks.filter(|check| !holds(check, answer)).map(ToString::to_string))
        .map(|difference| format!("{difference} but got {}", answer.text))
        .take(1)
        .collect::<Vec<_>>()
        .into_iter()
}

fn holds(check: &Value, answer: &Answer) -> bool {
    let (found, wanted) = (answer.json.pointer(check["at"].as_str().unwrap()), &check["value"]);
    let Some(found) = found else {
        return check["op"] == "absent";
    };
    match check["op"].as_str().unwrap() {
        "equals" => found == wanted,
        "contains" => found.as_str().is_some_and(|text| text.contains(wanted.as_str().unwrap())),
        "type" => type_of(found) == wanted.as_str().unwrap(),
        "lt" => found.as_f64().is_some_and(|number| number < wanted.as_f64().unwrap()),
        "gte" => found.as_f64().is_some_and(|number| number >= wanted.as_f64().unwrap()),
        "absent" => false,
        other => panic!("no check is called {other:?}"),
    }
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
