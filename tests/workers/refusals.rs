//! Ids, codes and callers that are refused, each with what is wrong.

use reqwest::Method;
use serde_json::{Value, json};

use super::{called, code, register, says};
use crate::support::{Answer, Caller, Server, Setup};

#[tokio::test]
async fn ids_are_plain() {
    let server = Server::dev().await;
    for id in ["a%2Fb", "a%20b", "%00", "a:b", "%C3%A4", "%FF", &"x".repeat(129)] {
        let path = format!("/workers/{id}");
        server.client.put(Caller::Tenant, &path, &says("x")).await.assert_refused(400, "invalid_request");
        for path in [path.clone(), format!("{path}/fetch/")] {
            server.client.get(Caller::Tenant, &path).await.assert_refused(400, "invalid_request");
        }
    }
    let longest = "x".repeat(128);
    for id in [".a", "...", "a-b_c.9", &longest] {
        register(&server, Caller::Tenant, id, &says("x")).await;
        assert_eq!(server.client.delete(Caller::Tenant, &format!("/workers/{id}")).await.status, 204);
    }
}

#[tokio::test]
async fn what_is_wrong_with_code_is_told_with_its_place() {
    let server = Server::dev().await;
    let put = async |code: Value| server.client.put(Caller::Tenant, "/workers/wrong", &code).await;
    let bare = |modules: Value| json!({ "mainModule": "main.js", "modules": modules });
    for (worker, path) in [
        (json!([]), Value::Null),
        (json!({}), json!("mainModule")),
        (bare(json!({"main.js": {"ts": 1}})), json!("modules[\"main.js\"].ts")),
        (bare(json!({"a.js": ""})), json!("mainModule")),
        (json!({"mainModule": "a.js", "modules": {"a.js": ""}, "extra": 1}), json!("extra")),
        (
            json!({"mainModule": "a.js", "modules": {"a.js": ""}, "compatibilityDate": "2999-01-01"}),
            json!("compatibilityDate"),
        ),
        (
            json!({"mainModule": "a.js", "modules": {"a.js": ""}, "env": {"W": {"$secret": "x"}}}),
            json!("env.W.$secret"),
        ),
        (json!({"mainModule": "a.wat", "modules": {"a.wat": "(module)"}}), json!("mainModule")),
    ] {
        let answer = put(worker.clone()).await;
        answer.assert_refused(400, "invalid_request");
        assert_eq!(answer.at("/error/path"), &path, "{worker}: {}", answer.text);
    }
    for (source, line, column, message) in [
        ("export default {\n  fetch() { let 1 }\n}", json!(2), true, "SyntaxError"),
        ("\n\nnull.x; export default { fetch() {} }", json!(3), true, "TypeError"),
        ("throw 'text'", Value::Null, false, "text"),
        ("import './none.js'; export default { fetch() {} }", Value::Null, false, "none.js"),
        ("for (;;) {}", Value::Null, false, "top-level code"),
        ("await new Promise(() => {}); export default { fetch() {} }", Value::Null, false, ""),
        ("setTimeout(() => {}, 1); export default { fetch() {} }", Value::Null, false, "global scope"),
        ("export const x = 1", Value::Null, false, "no entrypoint"),
        ("export default function () {}", Value::Null, false, "no entrypoint"),
    ] {
        let answer = put(code(source)).await;
        answer.assert_refused(422, "invalid_code");
        assert!(answer.at("/error/message").as_str().unwrap().contains(message), "{source}: {}", answer.text);
        if line.is_number() {
            assert_eq!(answer.at("/error/line"), &line, "{source}: {}", answer.text);
        }
        assert!(!column || answer.at("/error/column").is_number(), "{source}: {}", answer.text);
        assert!(answer.header("x-execution-id").starts_with("exec_"), "{source}");
    }
    let typed = json!({"mainModule": "a.ts", "modules": {"a.ts": "const a: = 1"}});
    let answer = put(typed).await;
    answer.assert_refused(422, "invalid_code");
    assert_eq!(answer.at("/error/line"), 1, "{}", answer.text);
    server.client.get(Caller::Tenant, "/workers/wrong").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn code_that_meddles_with_what_looks_at_it_harms_itself_alone() {
    let server = Server::dev().await;
    for meddling in [
        "Object.keys = () => ['x'.repeat(1000)]",
        "Object.keys = () => Array(1000).fill('default')",
        "Object.getOwnPropertyNames = () => { throw new Error('no') }",
        "Array.prototype.map = () => 'nothing'",
        "Array.prototype.filter = () => ({})",
    ] {
        let source = format!("{meddling}; export default {{ fetch() {{}} }}");
        let answer = server.client.put(Caller::Tenant, "/workers/meddler", &code(&source)).await;
        answer.assert_refused(422, "invalid_code");
    }
}

#[tokio::test]
async fn callers_need_the_permission_and_the_tier() {
    let server = Server::start(Setup::production()).await;
    register(&server, Caller::Tenant, "mine", &says("hello")).await;
    let as_caller = async |caller, method: Method, path: &str| {
        Answer::read(server.client.request(caller, method, path).json(&says("x")).send().await.unwrap()).await
    };
    for (method, path) in [
        (Method::PUT, "/workers/mine"),
        (Method::GET, "/workers/mine"),
        (Method::GET, "/workers"),
        (Method::DELETE, "/workers/mine"),
        (Method::POST, "/workers/mine/rollback"),
        (Method::POST, "/workers/mine/fetch/"),
        (Method::POST, "/workers/mine/rpc/f"),
    ] {
        as_caller(Caller::RpcTenant, method.clone(), path).await.assert_refused(403, "forbidden");
    }
    as_caller(Caller::Anonymous, Method::PUT, "/workers/mine").await.assert_refused(403, "forbidden");
    as_caller(Caller::Anonymous, Method::GET, "/workers/mine/fetch/").await.assert_refused(404, "not_found");
    as_caller(Caller::Anonymous, Method::GET, "/workers/mine").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_named() {
    let server = Server::dev().await;
    register(&server, Caller::Tenant, "strict", &says("x")).await;
    for (path, body) in [
        ("/workers/strict/rpc/f", json!({"args": []})),
        ("/workers/strict/rpc/f", json!({"params": {}})),
        ("/workers/strict/rpc/f", json!({"entrypoint": ""})),
        ("/workers/strict/rpc/f", json!({"limits": {"cpu": 1}})),
        ("/workers/strict/rollback", json!({"to": 1})),
        ("/workers/strict/rollback?force=true", json!({})),
    ] {
        server.client.post(Caller::Tenant, path, &body).await.assert_refused(400, "invalid_request");
    }
    for query in ["?replace=yes", "?force=true"] {
        let put = server.client.put(Caller::Tenant, &format!("/workers/strict{query}"), &says("x")).await;
        put.assert_refused(400, "invalid_request");
    }
    for query in ["?limit=0", "?limit=1001", "?offset=-1", "?page=1"] {
        server.client.get(Caller::Tenant, &format!("/workers{query}")).await.assert_refused(400, "invalid_request");
    }
    server.client.get(Caller::Tenant, "/workers/strict?version=1").await.assert_refused(400, "invalid_request");
    called(&server, "strict", "%FF", &json!({})).await.assert_refused(400, "invalid_request");
}
