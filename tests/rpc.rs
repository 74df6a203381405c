//! `POST /rpc`: who may call what, how parameters are given, batches, and the rates that hold callers back.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup};

async fn call(server: &Server, caller: Caller, path: &str, params: Value) -> Answer {
    server.client.post(caller, &format!("/rpc/{path}"), &json!({ "params": params })).await
}

#[tokio::test]
async fn parameters_go_by_position_or_by_name() {
    let server = Server::start(Setup::production()).await;
    call(&server, Caller::RpcTenant, "db/upsert", json!(["notes", "one", { "n": 1 }]))
        .await
        .assert_result_type("object");
    let named = json!({ "ns": "notes", "id": "one" });
    assert_eq!(call(&server, Caller::RpcTenant, "db/get", named).await.at("/result/data"), &json!({ "n": 1 }));
    let none = server.client.post(Caller::RpcTenant, "/rpc/queue/getStats", &json!({})).await;
    assert_eq!(none.json, json!({ "success": true, "result": [] }));

    for (params, message) in [
        (json!(["notes"]), "id: is required"),
        (json!({ "ns": "notes", "id": "one", "nope": 1 }), "nope: unknown parameter; known: ns, id"),
        (json!(["notes", 1]), "id: invalid type: integer `1`, expected a string"),
        (json!("notes"), "params: must be an array or an object"),
    ] {
        let answer = call(&server, Caller::RpcTenant, "db/get", params).await;
        answer.assert_refused(400, "invalid_request");
        assert_eq!(answer.at("/error/message"), message);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_what_is_not_granted_forbidden() {
    let server = Server::start(Setup::production()).await;
    for path in ["db/nope", "nope/get", "db/constructor", "db/toString", "db/__proto__"] {
        let answer = call(&server, Caller::Admin, path, json!([])).await;
        answer.assert_refused(404, "not_found");
        assert_eq!(*answer.at("/error/message"), format!("Method {} not found", path.replace('/', ".")));
    }
    let denied = call(&server, Caller::RpcTenant, "auth/listApiKeys", json!([])).await;
    denied.assert_refused(403, "forbidden");
    let other = json!({ "ns": "notes", "id": "one", "namespace": "tenant:other-tenant" });
    call(&server, Caller::RpcTenant, "db/get", other.clone()).await.assert_refused(403, "forbidden");
    call(&server, Caller::Admin, "db/get", other).await.assert_result(Value::Null);
}

#[tokio::test]
async fn tiers_hold_without_credentials_too() {
    let server = Server::start(Setup::production()).await;
    call(&server, Caller::Anonymous, "db/query", json!(["SELECT 1 AS one"])).await.assert_result_type("object");
    call(&server, Caller::Anonymous, "queue/send", json!(["q", 1])).await.assert_refused(403, "forbidden");
    // What an anonymous caller writes is gone with the request.
    call(&server, Caller::Anonymous, "db/upsert", json!(["n", "one", 1])).await;
    call(&server, Caller::Anonymous, "db/get", json!(["n", "one"])).await.assert_result(Value::Null);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_each_call_for_itself() {
    let server = Server::start(Setup::production()).await;
    let calls = json!([
        { "id": "a", "service": "db", "method": "count", "params": ["none"] },
        { "id": 2, "service": "db", "method": "nope" },
        { "service": "schedule", "method": "listTasks" },
    ]);
    let answer = server.client.post(Caller::RpcTenant, "/rpc", &calls).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.at("/0"), &json!({ "id": "a", "success": true, "result": 0 }));
    assert_eq!((answer.at("/1/id"), answer.at("/1/error/code")), (&json!(2), &json!("not_found")));
    assert_eq!(answer.at("/2/error/code"), "forbidden");

    let many: Vec<Value> = (0..101).map(|_| json!({ "service": "db", "method": "count", "params": ["n"] })).collect();
    server.client.post(Caller::RpcTenant, "/rpc", &json!(many)).await.assert_refused(400, "invalid_request");
    let unknown = json!([{ "service": "db", "method": "count", "params": ["n"], "also": 1 }]);
    server.client.post(Caller::RpcTenant, "/rpc", &unknown).await.assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn rates_hold_and_say_when_to_come_back() {
    let config = "[limits.tenant]\ncalls_per_minute = 2\nexecutions_per_minute = 1\n\
                  [limits.public]\ncalls_per_minute = 1";
    let server = Server::start(Setup::production().config(config)).await;
    for _ in 0..2 {
        call(&server, Caller::RpcTenant, "db/count", json!(["n"])).await.assert_result(0);
    }
    let refused = call(&server, Caller::RpcTenant, "db/count", json!(["n"])).await;
    refused.assert_refused(429, "rate_limit");
    assert_eq!(refused.at("/error/message"), "Rate limit exceeded: 2 calls per minute");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    call(&server, Caller::OtherRpcTenant, "db/count", json!(["n"])).await.assert_result(0);

    let run = json!({ "code": "return 1" });
    server.client.post(Caller::RpcTenant, "/execute", &run).await.assert_result(1);
    let refused = server.client.post(Caller::RpcTenant, "/execute", &run).await;
    refused.assert_refused(429, "rate_limit");
    assert_eq!(refused.at("/error/message"), "Rate limit exceeded: 1 executions per minute");

    // Without credentials the namespace is new each time, and the address is not.
    call(&server, Caller::Anonymous, "db/count", json!(["n"])).await.assert_result(0);
    call(&server, Caller::Anonymous, "db/count", json!(["n"])).await.assert_refused(429, "rate_limit");
}

#[tokio::test]
async fn executions_of_one_namespace_wait_for_each_other_and_then_are_refused() {
    let config = "[limits.tenant]\nconcurrency = 1\nwaiting = 1";
    let server = Server::start(Setup::production().config(config)).await;
    let slow = json!({ "code": "await new Promise((done) => setTimeout(done, 400)); return 1" });
    let (a, b, c) = tokio::join!(
        server.client.post(Caller::RpcTenant, "/execute", &slow),
        server.client.post(Caller::RpcTenant, "/execute", &slow),
        server.client.post(Caller::RpcTenant, "/execute", &slow),
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429], "{} {} {}", a.text, b.text, c.text);
    server.client.post(Caller::OtherRpcTenant, "/execute", &slow).await.assert_result(1);
}

#[tokio::test]
async fn secrets_are_written_and_listed_and_never_shown() {
    let server = Server::start(Setup::production()).await;
    let put = |caller, name: &str| {
        let request = server.client.request(caller, Method::PUT, &format!("/secrets/{name}"));
        request.json(&json!({ "value": "hunter2-hunter2" })).send()
    };
    assert_eq!(put(Caller::Admin, "API_KEY").await.unwrap().status(), 204);
    let listed = server.client.get(Caller::Admin, "/secrets").await;
    assert_eq!(listed.at("/secrets/0/name"), "API_KEY");
    assert!(!listed.text.contains("hunter2"));
    assert_eq!(put(Caller::Admin, "not-a-name").await.unwrap().status(), 400);
    assert_eq!(put(Caller::RpcTenant, "API_KEY").await.unwrap().status(), 403, "the key lacks secrets:write");
    assert_eq!(server.client.delete(Caller::Admin, "/secrets/API_KEY").await.status, 204);
    assert_eq!(server.client.delete(Caller::Admin, "/secrets/API_KEY").await.status, 404);
    assert!(!server.log().contains("hunter2"));
}
