//! The workers' own listener: by host and path, with the request as it came, and with nothing of doer's.

use std::{fs, net::TcpListener};

use reqwest::Method;
use serde_json::{Value, json};

use super::{code, register, says};
use crate::support::{Answer, Caller, Client, Server, Setup};

const SEEN: &str = "
    export default { async fetch(request, env, ctx) {
        const headers = Object.fromEntries(request.headers);
        const stored = (await env.db.query('SELECT 1 AS one')).rows;
        return Response.json({ url: request.url, headers, ctx, stored }, { headers: { 'set-cookie': 'session=mine' } });
    } }";

struct Ingress {
    server: Server,
    client: Client,
    port: u16,
}

async fn start() -> Ingress {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[ingress]\nlisten = \"127.0.0.1:{port}\"\nbody_limit_mib = 1\n
         [[ingress.routes]]\nhost = \"shop.test\"\nnamespace = \"tenant:test-tenant\"\nworker = \"seen\"\n
         [[ingress.routes]]\nhost = \"shop.test\"\npath = \"/other\"\nnamespace = \"tenant:other-tenant\"\nworker = \"own\"\n
         [[ingress.routes]]\nhost = \"*.acme.test\"\nnamespace = \"tenant:test-tenant\"\n"
    );
    let server = Server::start(Setup::production().config(&config)).await;
    register(&server, Caller::Tenant, "seen", &code(SEEN)).await;
    register(&server, Caller::OtherTenant, "own", &says("other's")).await;
    Ingress { server, client: Client::new(format!("http://127.0.0.1:{port}")), port }
}

impl Ingress {
    async fn get(&self, host: &str, path: &str) -> Answer {
        let request = self.client.request(Caller::Anonymous, Method::GET, path).header("host", host);
        Answer::read(request.send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_request_is_the_workers_as_it_came() {
    let ingress = start().await;
    let request = ingress
        .client
        .request(Caller::Anonymous, Method::GET, "/a/../b%2Fc?d")
        .header("host", format!("Shop.test:{}", ingress.port))
        .header("authorization", "Bearer of-the-worker")
        .header("cookie", "session=of-the-worker")
        .header("x-user-id", "7");
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let seen = &answer.json;
    assert_eq!(seen["url"], format!("http://shop.test:{}/b%2Fc?d", ingress.port));
    for (name, value) in
        [("authorization", "Bearer of-the-worker"), ("cookie", "session=of-the-worker"), ("x-user-id", "7")]
    {
        assert_eq!(seen["headers"][name], value);
    }
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    let ctx = &seen["ctx"];
    assert_eq!((&ctx["user"], &ctx["authenticated"]), (&Value::Null, &json!(false)), "nobody that doer knows");
    assert_eq!(ctx["namespace"], "tenant:test-tenant");
    assert_eq!(seen["stored"], json!([{"one": 1}]), "and it runs for its namespace");
    assert_eq!(answer.header("set-cookie"), "session=mine");
    assert_eq!(answer.header("content-security-policy"), "");
    assert!(answer.header("x-execution-id").starts_with("exec_"));
}

#[tokio::test]
async fn hosts_and_paths_lead_to_workers() {
    let ingress = start().await;
    assert_eq!(ingress.get("shop.test", "/other/x").await.text, "other's");
    register(&ingress.server, Caller::Tenant, "blog", &says("blog")).await;
    assert_eq!(ingress.get("blog.acme.test", "/").await.text, "blog");
    for (host, path) in
        [("none.acme.test", "/"), ("acme.test", "/"), ("elsewhere.test", "/"), ("127.0.0.1", "/execute")]
    {
        ingress.get(host, path).await.assert_refused(404, "not_found");
    }
    assert_eq!(ingress.get("shop.test", "/execute").await.at("/ctx/namespace"), "tenant:test-tenant");
}

#[tokio::test]
async fn no_key_of_doer_counts_there_and_failures_tell_nothing() {
    let ingress = start().await;
    let source = "export default { fetch() { throw new Error('inner workings') } }";
    register(&ingress.server, Caller::Tenant, "fails", &code(source)).await;
    let answer = ingress.get("fails.acme.test", "/").await;
    answer.assert_refused(502, "guest_error");
    assert!(!answer.text.contains("inner workings"), "{}", answer.text);
    let with_key = ingress.client.request(Caller::Admin, Method::GET, "/workers").header("host", "elsewhere.test");
    Answer::read(with_key.send().await.unwrap()).await.assert_refused(404, "not_found");
    let large = ingress.client.request(Caller::Anonymous, Method::POST, "/").header("host", "shop.test");
    let large = large.body(vec![0; (1 << 20) + 1]).send().await.unwrap();
    Answer::read(large).await.assert_refused(413, "body_too_large");
}

#[tokio::test]
async fn a_suspended_tenants_workers_do_not_run() {
    let ingress = start().await;
    assert_eq!(ingress.get("shop.test", "/other").await.text, "other's");
    let mut suspend = crate::support::doer();
    suspend.args(["tenant", "suspend", "other-tenant"]).env("DOER__DATA__DIR", ingress.server.data.path());
    let output = suspend.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ingress.get("shop.test", "/other").await.assert_refused(503, "service_unavailable");
}

#[test]
fn a_wrong_route_is_told_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.toml");
    fs::write(&file, "[[ingress.routes]]\nhost = \"a b\"\nnamespace = \"*\"\nworker = \"x\"\n").unwrap();
    let output = crate::support::doer().arg("config").arg("--config").arg(&file).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("ingress.routes[0].host"), "{told}");
}
