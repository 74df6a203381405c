//! Sessions over HTTP, and credentials that only another `auth` knows.

use std::{
    io::Write,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    services::fixtures::serve::serve,
    support::{Answer, Caller, DataDir, Server, Setup, doer, secret, token},
};

const PASSWORD: &str = "correct horse battery staple";

/// A browser that keeps a session.
struct Browser<'a> {
    server: &'a Server,
    session: String,
    refresh: String,
}

impl<'a> Browser<'a> {
    fn of(server: &'a Server, answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let lines = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let cookies: Vec<&str> = lines.filter_map(|line| line.split(';').next()).collect();
        let named = |name: &str| cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap();
        Self { server, session: named("session=").to_string(), refresh: named("session_refresh=").to_string() }
    }

    async fn ask(&self, method: Method, path: &str, cookie: &str, body: &Value) -> Answer {
        let origin = format!("http://127.0.0.1:{}", self.server.port);
        let request = self.server.client.request(Caller::Anonymous, method, path).json(body);
        Answer::read(request.header("cookie", cookie).header("origin", origin).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, &self.session, &body).await
    }
}

async fn exchange(server: &Server, key: &str) -> Answer {
    let request = server.client.request(Caller::Anonymous, Method::POST, "/session").bearer_auth(key).json(&json!({}));
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_session_that_holds_as_much_and_as_long() {
    let server = Server::start(Setup::production()).await;
    let arguments = ["--role", "tenant", "--tenant", "acme", "--permission", "rpc:db"];
    let key = token(server.data.path(), &arguments);
    let browser = Browser::of(&server, &exchange(&server, &key).await);

    let answer = browser.post("/rpc/db/query", json!({ "params": ["SELECT 1 AS one"] })).await;
    assert_eq!(answer.at("/result/rows/0/one"), 1, "{}", answer.text);
    let denied = browser.post("/execute", json!({ "code": "return 1" })).await;
    denied.assert_refused(403, "forbidden");
    assert_eq!(denied.at("/error/message"), "Permission required: execute");
    // Neither a session for the session nor a new token for it is a way to more.
    let again = Browser::of(&server, &browser.post("/session", json!({})).await);
    let cookie = browser.refresh.clone();
    let renewed = Browser::of(&server, &browser.ask(Method::POST, "/session", &cookie, &json!({})).await);
    for browser in [&again, &renewed] {
        browser.post("/execute", json!({ "code": "return 1" })).await.assert_refused(403, "forbidden");
    }

    let id = &key["sk_live_".len()..][..12];
    let revoked = doer().args(["token", "revoke", id]).env("DOER__DATA__DIR", server.data.path()).output().unwrap();
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    for browser in [&browser, &again, &renewed] {
        let answer = browser.post("/rpc/db/query", json!({ "params": ["SELECT 1"] })).await;
        answer.assert_refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_of_a_plain_user_too() {
    let server = Server::start(Setup::production()).await;
    create_user(&server.data, "ada@example.com");
    let body = json!({ "email": "ada@example.com", "password": secret(PASSWORD) });
    let browser = Browser::of(&server, &server.client.post(Caller::Anonymous, "/session", &body).await);
    let own = browser.ask(Method::GET, "/auth", &browser.session, &json!({})).await;
    assert!(own.at("/namespace").as_str().unwrap().starts_with("user:usr_"), "{}", own.text);

    let ended = browser.ask(Method::DELETE, "/session", &browser.session, &json!({})).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    // The cookies were taken from the browser; whoever has copied them has nothing either.
    let answer = browser.ask(Method::GET, "/auth", &browser.session, &json!({})).await;
    answer.assert_refused(401, "unauthenticated");
    let answer = browser.ask(Method::POST, "/session", &browser.refresh, &json!({})).await;
    answer.assert_refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_that_only_another_auth_knows_is_asked_for_there() {
    let down = Arc::new(AtomicBool::new(false));
    let router = Router::new().route("/rpc/validateToken", post(validate)).with_state(down.clone());
    let url = serve(router).await;
    let config = format!("[services.auth]\nkind = 'http'\nurl = '{url}'\nsigning_key = 'what calls are signed with'");
    let server = Server::start(Setup::production().config(&config)).await;
    let ask = async |token: &str| {
        let request = server.client.request(Caller::Anonymous, Method::POST, "/execute").bearer_auth(secret(token));
        Answer::read(request.json(&json!({ "code": "return ctx.namespace" })).send().await.unwrap()).await
    };
    ask("a token of theirs").await.assert_result("tenant:acme");
    ask("a token of nobody").await.assert_refused(401, "unauthenticated");
    exchange(&server, "a token of theirs").await.assert_refused(403, "forbidden");

    down.store(true, SeqCst);
    let refused = ask("another token of theirs").await;
    refused.assert_refused(503, "service_unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    // Our own keys need nobody else.
    server.client.run("return ctx.namespace").await.assert_result("*");
}

async fn validate(State(down): State<Arc<AtomicBool>>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    if down.load(SeqCst) {
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "broken" })));
    }
    assert_eq!(body.pointer("/context/auth/user/role"), Some(&json!("service")), "{body}");
    let user = json!({ "id": "ada", "email": "ada@example.com", "role": "tenant", "permissions": ["execute"],
                       "metadata": { "tenantId": "acme" } });
    let answer = match body["token"].as_str() {
        Some("a token of theirs") => json!({ "valid": true, "user": user }),
        _ => json!({ "valid": false, "error": "unknown" }),
    };
    (StatusCode::OK, Json(answer))
}

fn create_user(data: &DataDir, email: &str) {
    let mut child = doer()
        .args(["user", "create", "--email", email, "--permission", "execute", "--password-stdin"])
        .env("DOER__DATA__DIR", data.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
