//! `POST /execute` as server-sent events: `start`, `log` as it happens, then one `result`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Event, Events, Server};

async fn stream(server: &Server, body: &Value) -> Events {
    let request = server.client.request(Caller::Admin, Method::POST, "/execute").header("accept", "text/event-stream");
    Events::of(request.json(body).send().await.unwrap())
}

#[tokio::test]
async fn start_logs_result() {
    let server = Server::dev().await;
    let code = "console.log('one'); await null; console.warn('two', { three: 3 }); return 4";
    let events = stream(&server, &json!({ "code": code, "executionId": "streamed" })).await.rest().await;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["start", "log", "log", "result"], "{events:?}");
    assert_eq!(events[0].data["executionId"], "streamed");
    assert_eq!((&events[1].data, &events[2].data), (&json!("one"), &json!("[warn] two {\"three\":3}")));
    let result = &events[3].data;
    assert_eq!((&result["success"], &result["result"]), (&json!(true), &json!(4)));
    assert_eq!(result["logs"], json!(["one", "[warn] two {\"three\":3}"]));
}

#[tokio::test]
async fn logs_arrive_while_the_code_runs() {
    // Ends only when it is cancelled: whatever arrives before, arrives while it runs.
    cancelled_after_its_log("waits", "console.log('begun'); await new Promise(r => setTimeout(r, 60000))").await;
    cancelled_after_its_log("spins", "console.log('begun'); for (;;) {}").await;
}

async fn cancelled_after_its_log(id: &str, code: &str) {
    let server = Server::dev().await;
    let mut events = stream(&server, &json!({ "code": code, "executionId": id, "timeout": 60_000 })).await;
    assert_eq!(events.next().await.unwrap().name, "start");
    let begun = Event { name: "log".to_owned(), data: json!("begun") };
    assert_eq!(events.next().await, Some(begun));
    assert!(server.client.delete(Caller::Admin, &format!("/executions/{id}")).await.status.is_success());
    let Event { name, data } = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data["error"]["code"]), ("result", &json!("cancelled")), "{data}");
    assert_eq!(data["logs"], json!(["begun"]));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn failures_and_limits_are_results_too() {
    let server = Server::dev().await;
    for (code, pointer, expected) in [
        ("throw new TypeError('x')", "/error/name", "TypeError"),
        ("console.log('a'); for (;;) {}", "/error/code", "timeout"),
        ("return 1 +", "/error/name", "SyntaxError"),
    ] {
        let events = stream(&server, &json!({ "code": code, "timeout": 150 })).await.rest().await;
        let last = events.last().unwrap();
        assert_eq!((last.name.as_str(), &last.data["success"]), ("result", &json!(false)), "{events:?}");
        assert_eq!(last.data.pointer(pointer).unwrap(), expected, "{events:?}");
    }
}

#[tokio::test]
async fn only_who_accepts_events_gets_them() {
    let server = Server::dev().await;
    for (accept, content_type) in [
        ("text/event-stream", "text/event-stream"),
        ("application/json;q=0.5, Text/Event-Stream;q=0.8", "text/event-stream"),
        ("text/event-stream;q=0, application/json", "application/json"),
        ("*/*", "application/json"),
    ] {
        let request = server.client.request(Caller::Admin, Method::POST, "/execute").header("accept", accept);
        let answer = Answer::read(request.json(&json!({ "code": "return 1" })).send().await.unwrap()).await;
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
    }
}

#[tokio::test]
async fn refusals_are_plain_answers() {
    let server = Server::dev().await;
    let request = server.client.request(Caller::User, Method::POST, "/execute").header("accept", "text/event-stream");
    let answer = Answer::read(request.json(&json!({ "code": "return 1" })).send().await.unwrap()).await;
    answer.assert_refused(403, "forbidden");
}

#[tokio::test]
async fn many_lines_arrive_whole_and_in_order() {
    let server = Server::dev().await;
    let code = "for (let i = 0; i < 5000; i++) console.log(i + '\\n' + '\u{e9}'.repeat(20)); return 'end'";
    let events = stream(&server, &json!({ "code": code })).await.rest().await;
    assert_eq!(events.len(), 5002);
    assert_eq!(events.last().unwrap().data["result"], "end");
    assert_eq!(events.last().unwrap().data["logs"].as_array().unwrap().len(), 5000);
}
