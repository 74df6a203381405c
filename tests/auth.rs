//! Who may do what: keys, tiers, permissions, and the first start.

use std::{fs, os::unix::fs::PermissionsExt};

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Caller, Client, DataDir, Server, Setup, secret, token};

fn snippet() -> serde_json::Value {
    json!({ "code": "return ctx.namespace" })
}

async fn execute_with(client: &Client, name: &str, value: &str) -> Answer {
    if value.len() > 8 {
        secret(value);
    }
    let request = client.request(Caller::Anonymous, Method::POST, "/execute").header(name, value).json(&snippet());
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn each_caller_has_a_namespace() {
    let server = Server::start(Setup::production()).await;
    server.client.post(Caller::Admin, "/execute", &snippet()).await.assert_result("*");
    server.client.post(Caller::Tenant, "/execute", &snippet()).await.assert_result("tenant:test-tenant");
    server.client.post(Caller::OtherTenant, "/execute", &snippet()).await.assert_result("tenant:other-tenant");
    server.client.post(Caller::User, "/execute", &snippet()).await.assert_refused(403, "forbidden");
    server.client.post(Caller::Anonymous, "/execute", &snippet()).await.assert_refused(403, "forbidden");
}

#[tokio::test]
async fn credentials_that_do_not_verify_are_refused_everywhere() {
    let server = Server::start(Setup::dev()).await;
    for (name, value) in [
        ("authorization", "Bearer wrong"),
        ("authorization", "Bearer sk_live_0000000000000000000000000000000000000000000"),
        ("authorization", "Bearer "),
        ("authorization", "Basic YTpi"),
        ("x-api-key", "wrong"),
        ("x-api-key", ""),
    ] {
        let answer = execute_with(&server.client, name, value).await;
        answer.assert_refused(401, "unauthenticated");
        let root = server.client.request(Caller::Anonymous, Method::GET, "/").header(name, value).send().await.unwrap();
        assert_eq!(root.status(), 401, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_key_is_taken_from_either_header() {
    let server = Server::start(Setup::production()).await;
    let key = create_token(&server.data, &["--role", "tenant", "--tenant", "acme", "--permission", "execute"]);
    execute_with(&server.client, "authorization", &format!("Bearer {key}")).await.assert_result("tenant:acme");
    execute_with(&server.client, "x-api-key", &key).await.assert_result("tenant:acme");
}

#[tokio::test]
async fn a_changed_key_is_another_key() {
    let server = Server::start(Setup::production()).await;
    let key = create_token(&server.data, &["--role", "admin", "--permission", "*"]);
    let last = if key.ends_with('a') { 'b' } else { 'a' };
    let changed = format!("{}{last}", &key[..key.len() - 1]);
    execute_with(&server.client, "x-api-key", &changed).await.assert_refused(401, "unauthenticated");
    execute_with(&server.client, "x-api-key", &format!("{key}a")).await.assert_refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_without_the_permission_executes_nothing() {
    let server = Server::start(Setup::production()).await;
    let key = create_token(&server.data, &["--role", "tenant", "--tenant", "acme", "--permission", "workers:read"]);
    execute_with(&server.client, "x-api-key", &key).await.assert_refused(403, "forbidden");
}

#[tokio::test]
async fn anonymous_callers_run_code_where_the_configuration_says_so() {
    let server = Server::start(Setup::production().config("[auth]\nanonymous_execution = true\n")).await;
    let answer = server.client.post(Caller::Anonymous, "/execute", &snippet()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer.json["result"].as_str().is_some_and(|namespace| namespace.starts_with("session:req_")),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn tiers_bound_timeout_and_bindings() {
    let server = Server::start(Setup::production()).await;
    for (caller, body, message) in [
        (
            Caller::Tenant,
            json!({ "code": "return 1", "timeout": 30_001 }),
            "Timeout 30001ms exceeds maximum 30000ms for your tier",
        ),
        (
            Caller::Admin,
            json!({ "code": "return 1", "timeout": 120_001 }),
            "Timeout 120001ms exceeds maximum 120000ms for your tier",
        ),
        (
            Caller::Tenant,
            json!({ "code": "return 1", "bindings": ["auth", "db"] }),
            "Access denied to bindings: auth. Available: db, email, queue",
        ),
    ] {
        let answer = server.client.post(caller, "/execute", &body).await;
        answer.assert_refused(403, "forbidden");
        assert_eq!(answer.at("/error/message"), message);
    }
    let body = json!({ "code": "return 1", "timeout": 30_000 });
    server.client.post(Caller::Tenant, "/execute", &body).await.assert_result(1);
}

#[tokio::test]
async fn the_first_start_leaves_an_admin_key_in_a_file() {
    let server = Server::start(Setup { data: DataDir::empty(), ..Setup::production() }).await;
    let file = server.data.path().join("admin.key");
    let key = fs::read_to_string(&file).unwrap();
    let key = key.trim();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.log().contains("admin.key"), "the log does not say where the key is");
    assert!(!server.log().contains(key), "the log has the key itself");
    execute_with(&server.client, "x-api-key", key).await.assert_result("*");
}

#[test]
fn keys_are_not_stored() {
    let data = DataDir::warm();
    let key = create_token(&data, &["--role", "admin", "--permission", "*"]);
    let mut directories = vec![data.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "{} holds the key", entry.path().display());
        }
    }
}

fn create_token(data: &DataDir, arguments: &[&str]) -> String {
    let key = token(data.path(), arguments);
    assert!(key.starts_with("sk_live_") && !key.contains(char::is_whitespace), "{key}");
    key
}
