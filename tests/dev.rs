//! Development mode: convenient on this machine, and out of reach for every web page.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Caller, DataDir, Server, doer};

fn execute(server: &Server) -> RequestBuilder {
    server.client.request(Caller::Anonymous, Method::POST, "/execute").json(&json!({ "code": "return ctx.namespace" }))
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn callers_without_credentials_are_admins() {
    let server = Server::dev().await;
    send(execute(&server)).await.assert_result("*");
}

#[tokio::test]
async fn credentials_still_count() {
    let server = Server::dev().await;
    let body = json!({ "code": "return ctx.namespace" });
    server.client.post(Caller::Tenant, "/execute", &body).await.assert_result("tenant:test-tenant");
}

#[tokio::test]
async fn foreign_hosts_are_refused() {
    let server = Server::dev().await;
    let port = server.port;
    for host in
        ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0"]
    {
        send(execute(&server).header("host", host)).await.assert_refused(403, "forbidden");
    }
    for host in ["localhost", "127.0.0.1", "[::1]", &format!("localhost:{port}"), &format!("[::1]:{port}")] {
        send(execute(&server).header("host", host)).await.assert_result("*");
    }
}

#[tokio::test]
async fn foreign_origins_are_refused() {
    let server = Server::dev().await;
    for origin in
        ["https://evil.example", "http://localhost.evil.example", "null", "file://", "http://127.0.0.1.evil.example"]
    {
        let answer = send(execute(&server).header("origin", origin)).await;
        answer.assert_refused(403, "forbidden");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    let own = format!("http://127.0.0.1:{}", server.port);
    send(execute(&server).header("origin", own)).await.assert_result("*");
}

#[tokio::test]
async fn cross_site_requests_are_refused() {
    let server = Server::dev().await;
    for site in ["cross-site", "same-site"] {
        send(execute(&server).header("sec-fetch-site", site)).await.assert_refused(403, "forbidden");
    }
    for site in ["same-origin", "none"] {
        send(execute(&server).header("sec-fetch-site", site)).await.assert_result("*");
    }
}

#[tokio::test]
async fn forms_of_a_web_page_are_refused() {
    let server = Server::dev().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = server.client.request(Caller::Anonymous, Method::POST, "/execute");
        let request = request.header("content-type", content_type).body(r#"{"code":"return 1"}"#);
        assert_eq!(send(request).await.status, 415, "{content_type}");
    }
}

#[tokio::test]
async fn preflights_are_not_granted() {
    let server = Server::dev().await;
    let request = server.client.request(Caller::Anonymous, Method::OPTIONS, "/execute");
    let request = request.header("origin", "https://evil.example").header("access-control-request-method", "POST");
    let answer = send(request).await;
    assert!(!answer.status.is_success(), "{}", answer.status);
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
}

#[tokio::test]
async fn the_admin_listener_is_out_of_reach_too() {
    let server = Server::dev().await;
    let url = format!("http://127.0.0.1:{}/metrics", server.admin_port);
    let client = doer_services::tls::http_client().unwrap().build().unwrap();
    for (name, value) in
        [("host", "evil.example"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
    {
        assert_eq!(client.get(&url).header(name, value).send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_start_warns() {
    let server = Server::dev().await;
    let warned = server.log().lines().any(|line| line.to_lowercase().contains("warn") && line.contains("dev"));
    assert!(warned, "{}", server.log());
}

#[test]
fn other_addresses_are_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let data = DataDir::warm();
        let out = doer()
            .args(["serve", "--dev"])
            .env("DOER__SERVER__LISTEN", address)
            .env("DOER__DATA__DIR", data.path())
            .output()
            .unwrap();
        assert!(!out.status.success(), "{address}");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("loopback") && said.contains("server.listen"), "{address}: {said}");
    }
}

#[tokio::test]
async fn nothing_of_it_holds_without_the_flag() {
    let server = Server::start(crate::support::Setup::production()).await;
    let answer: Value = send(execute(&server)).await.json;
    assert_eq!(answer["error"]["code"], "forbidden");
}
