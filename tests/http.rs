//! The API's conventions: one error form, request ids, strict requests, and the routes that tell about the server.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup};

#[tokio::test]
async fn malformed_requests_are_refused_with_their_reason() {
    let server = Server::dev().await;
    for (body, says) in [
        ("{", ""),
        ("", ""),
        ("[]", ""),
        ("null", ""),
        ("{}", "Invalid request: code field is required"),
        (r#"{"code":""#, ""),
        (r#"{"code":1}"#, "code"),
        (r#"{"code":"return 1","timeout":-1}"#, "timeout"),
        (r#"{"code":"return 1","timeout":"1s"}"#, "timeout"),
        (r#"{"code":"return 1","language":"python"}"#, "python"),
        (r#"{"code":"return 1","limits":{"memory":1}}"#, "memory"),
        (r#"{"code":"return 1","tiemout":5}"#, "tiemout"),
        (r#"{"code":"return 1","code":"return 2"}"#, "code"),
        (r#"{"modules":{"a.js":"export default 1"}}"#, "mainModule"),
        (r#"{"mainModule":"a.js"}"#, "modules"),
        (r#"{"mainModule":"a.js","modules":{"a.js":{"js":"1","text":"2"}}}"#, "a.js"),
        (r#"{"code":"return 1","executionId":""}"#, "executionId"),
        (r#"["return 1",null,null,null,1,null,null,null,null,null,null,null,null,null]"#, "must be a JSON object"),
        (r#"{"code":"return 1","limits":[1,null,null,null,null]}"#, "limits: must be an object"),
        (r#"{"mainModule":"a.js","modules":{"a.js":"1","b\u0000.js":"1"}}"#, r#"modules["b\0.js"]"#),
    ] {
        let answer = send(&server, "application/json", body).await;
        answer.assert_refused(400, "invalid_request");
        assert!(answer.at("/error/message").as_str().unwrap().contains(says), "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let server = Server::dev().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json"] {
        let answer = send(&server, content_type, r#"{"code":"return 1"}"#).await;
        assert_eq!((answer.status.as_u16(), &answer.json["success"]), (415, &json!(false)), "{}", answer.text);
    }
    let none = server.client.request(Caller::Admin, Method::POST, "/execute").body(r#"{"code":"return 1"}"#);
    assert_eq!(none.send().await.unwrap().status(), 415);
    send(&server, "application/json; charset=utf-8", r#"{"code":"return 1"}"#).await.assert_result(1);
}

async fn send(server: &Server, content_type: &str, body: &str) -> Answer {
    let request = server.client.request(Caller::Admin, Method::POST, "/execute");
    Answer::read(request.header(CONTENT_TYPE, content_type).body(body.to_owned()).send().await.unwrap()).await
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let server = Server::start(Setup::dev().config("[server]\nbody_limit_mib = 1\n")).await;
    let code = format!("return 1 // {}", "x".repeat(1 << 20));
    server.client.run(&code).await.assert_refused(413, "body_too_large");
    server.client.run("return 1").await.assert_result(1);
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_ours() {
    let server = Server::dev().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/", "/health", "/livez", "/readyz", "/nowhere"] {
        let request = server.client.request(Caller::Anonymous, Method::GET, path).header("x-request-id", "mine");
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert!(answer.header("x-request-id").starts_with("req_"), "{path}: {:?}", answer.headers);
        assert_eq!(answer.header("x-client-request-id"), "mine", "{path}");
        assert!(seen.insert(answer.header("x-request-id").to_owned()), "{path}: an id came twice");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_have_the_error_form() {
    let server = Server::dev().await;
    server.client.get(Caller::Admin, "/nowhere").await.assert_refused(404, "not_found");
    let answer = server.client.get(Caller::Admin, "/execute").await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (405, &json!(false)), "{}", answer.text);
    assert_eq!(answer.header("allow"), "POST");
    for method in [Method::GET, Method::DELETE] {
        let request = server.client.request(Caller::Admin, method, "/executions/%ff");
        Answer::read(request.send().await.unwrap()).await.assert_refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn root_says_who_is_asking() {
    let server = Server::start(Setup::production()).await;
    let anonymous = server.client.get(Caller::Anonymous, "/").await.json;
    assert_eq!((&anonymous["name"], &anonymous["user"]), (&json!("doer"), &json!("anonymous")));
    assert_eq!(
        (&anonymous["authenticated"], &anonymous["version"]),
        (&json!(false), &json!(env!("CARGO_PKG_VERSION")))
    );
    let admin = server.client.get(Caller::Admin, "/").await.json;
    assert_eq!(admin["authenticated"], true);
    assert_ne!(admin["user"], "anonymous");
}

#[tokio::test]
async fn health_lists_the_eight_services() {
    let server = Server::dev().await;
    let health = server.client.get(Caller::Anonymous, "/health").await;
    assert_eq!(health.status, 200);
    let services = health.json["services"].as_object().unwrap();
    let mut names: Vec<_> = services.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["auth", "db", "email", "gateway", "mcp", "queue", "schedule", "webhooks"]);
    for (name, state) in services {
        let state = state.as_str().or_else(|| state["status"].as_str());
        assert!(matches!(state, Some("ok" | "degraded" | "off")), "{name}: {}", health.text);
    }
}

#[tokio::test]
async fn without_execution_everything_else_works() {
    let server = Server::start(Setup::dev().config("[execution]\nenabled = false\n")).await;
    for path in ["/execute", "/eval"] {
        let answer = server.client.post(Caller::Admin, path, &json!({ "code": "return 1" })).await;
        answer.assert_refused(503, "loader_unavailable");
        assert_eq!(answer.at("/error/message"), "Worker Loader not available");
    }
    for path in ["/", "/health", "/livez", "/readyz"] {
        assert_eq!(server.client.get(Caller::Admin, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn an_answer_has_exactly_the_documented_fields() {
    let server = Server::dev().await;
    let answer = server.client.run("return 1").await;
    let fields = |value: &Value| {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(fields(&answer.json), ["executionId", "executionTime", "logs", "result", "success", "usage"]);
    let usage = ["calls", "coldStart", "cpuMs", "fuel", "outputBytes", "peakMemoryBytes", "wallMs"];
    assert_eq!(fields(&answer.json["usage"]), usage);
    assert_eq!(answer.json["executionId"], answer.header("x-execution-id"));
}

#[tokio::test]
async fn results_are_kept_by_cache_key_and_namespace() {
    let server = Server::dev().await;
    let body = json!({ "code": "return Math.random()", "cacheKey": "dice" });
    let first = server.client.post(Caller::Tenant, "/execute", &body).await;
    assert_eq!(first.json["cacheHit"], Value::Null, "{}", first.text);
    let second = server.client.post(Caller::Tenant, "/execute", &body).await;
    assert_eq!((&second.json["cacheHit"], &second.json["result"]), (&json!(true), &first.json["result"]));
    let other = server.client.post(Caller::OtherTenant, "/execute", &body).await;
    assert_eq!(other.json["cacheHit"], Value::Null, "{}", other.text);
    assert_ne!(other.json["result"], first.json["result"]);
    let changed = json!({ "code": "return Math.random() ", "cacheKey": "dice" });
    assert_eq!(server.client.post(Caller::Tenant, "/execute", &changed).await.json["cacheHit"], Value::Null);
}
