//! `POST /eval`: pure evaluation, and nothing else that `/execute` can do.

use serde_json::json;

use crate::support::{Caller, Server};

#[tokio::test]
async fn sees_its_input_and_nothing_else_of_the_request() {
    let server = Server::dev().await;
    let code = "return [input.n + 1, typeof env, typeof ctx, typeof request, typeof $]";
    let answer = server.client.post(Caller::Tenant, "/eval", &json!({ "code": code, "input": { "n": 41 } })).await;
    answer.assert_result(json!([42, "undefined", "undefined", "undefined", "undefined"]));
}

#[tokio::test]
async fn arrow_functions_and_modules_get_no_bindings_either() {
    let server = Server::dev().await;
    for code in ["(...all) => all", "export default (...all) => all"] {
        let answer = server.client.post(Caller::Tenant, "/eval", &json!({ "code": code, "input": 7 })).await;
        answer.assert_result(json!([7]));
    }
}

#[tokio::test]
async fn has_the_tier_check_of_execute() {
    let server = Server::dev().await;
    let answer = server.client.post(Caller::User, "/eval", &json!({ "code": "return 1" })).await;
    answer.assert_refused(403, "forbidden");
    let message = "Code execution not available on your plan. Upgrade to execute custom code.";
    assert_eq!(answer.at("/error/message"), message);
}

#[tokio::test]
async fn has_the_limits_of_execute() {
    let server = Server::dev().await;
    let body = json!({ "code": "console.log('before'); for (;;) {}", "timeout": 150 });
    let answer = server.client.post(Caller::Tenant, "/eval", &body).await;
    answer.assert_ended_by("timeout");
    assert_eq!(answer.json["logs"], json!(["before"]));
}

#[tokio::test]
async fn refuses_bindings() {
    let server = Server::dev().await;
    let body = json!({ "code": "return 1", "bindings": ["db"] });
    server.client.post(Caller::Admin, "/eval", &body).await.assert_refused(400, "invalid_request");
}
