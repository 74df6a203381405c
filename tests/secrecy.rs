//! No secret in any log. Every test looks for it when its server ends; this one brings every kind of secret along, to
//! every place that is given one, rightly and wrongly, while everybody logs all there is to say.

use std::io::Write;

use doer_core::service::Service;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    services::fixtures::{github::GitHub, mcp, receiver::Receiver, serve::serve, smtp::Smtp, upstream},
    support::{Answer, Caller, DataDir, Server, Setup, doer, eventually, secret},
};

const PASSWORD: &str = "correct horse battery staple";

async fn rpc(server: &Server, service: Service, method: &str, params: Value) -> Answer {
    server.client.post(Caller::Admin, &format!("/rpc/{service}/{method}"), &json!({ "params": params })).await
}

/// A server with a secret wherever the configuration takes one.
async fn start(smtp: &Smtp, smtp_password: &str) -> (Server, String) {
    let upstream = serve(upstream::router(Default::default())).await;
    let receiver = serve(Receiver::default().router()).await;
    let servers = serve(mcp::router(Default::default())).await;
    let token = secret("ghp_a_token_of_the_installation");
    let github = serve(GitHub::new("ghp_a_token_of_the_installation").router()).await;
    let (mail, port) = (smtp.address.port(), receiver.rsplit(':').next().unwrap());
    let setup = Setup::production().talkative().config(&format!(
        "[auth]\ninsecure_cookies = true\n\
         [services.email.smtp]\nhost = '127.0.0.1'\nport = {mail}\ntls = 'none'\nusername = 'mailer'\n\
         password = '{smtp_password}'\n\
         [[services.gateway.routes]]\nprefix = '/echo'\nupstream = '{upstream}/echo'\n\
         headers = {{ x-upstream-key = 'the-key-of-the-upstream' }}\n\
         [[services.gateway.routes]]\nprefix = '/down'\nupstream = 'http://127.0.0.1:1'\n\
         headers = {{ authorization = 'Bearer of-the-upstream-that-is-down' }}\n\
         [[services.mcp.servers]]\nname = 'test'\nurl = '{servers}/mcp'\n\
         headers = {{ authorization = 'Bearer of-the-server-of-tools' }}\n\
         [[services.mcp.servers]]\nname = 'gone'\nurl = 'http://127.0.0.1:1'\n\
         headers = {{ authorization = 'Bearer of-the-server-that-is-gone' }}\n\
         [[services.mcp.servers]]\nname = 'child'\ncommand = '/bin/sh'\n\
         args = ['-c', 'echo \"began with $API_TOKEN\" >&2']\nenv = {{ API_TOKEN = 'of-the-child-alone' }}\n\
         [services.webhooks]\nhttp_hosts = ['127.0.0.1']\n\
         [services.webhooks.github]\nbase_url = '{github}'\ntoken = '{token}'\n\
         [[services.webhooks.github.repositories]]\nrepository = 'acme/*'\nnamespaces = ['*']\n\
         [services.schedule]\nkind = 'http'\nurl = '{receiver}'\nsigning_key = 'what-calls-are-signed-with'\n\
         [egress.internal]\nallow = [{{ host = '*', schemes = ['https', 'http'], ports = [{port}] }}]\n\
         allow_private = [{{ net = '127.0.0.1/32', ports = [{port}] }}]"
    ));
    (Server::start(setup).await, receiver)
}

fn user(data: &DataDir, email: &str) {
    let mut child = doer()
        .args(["user", "create", "--email", email, "--permission", "execute", "--password-stdin"])
        .env("DOER__DATA__DIR", data.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A request whose headers are the test's own.
async fn with(server: &Server, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = server.client.request(Caller::Anonymous, method, path).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

fn cookie(answer: &Answer, name: &str) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('=')).find(|(own, _)| *own == name);
    cookie.unwrap_or_else(|| panic!("no cookie {name}: {:?}", answer.headers)).1.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_reaches_the_log() {
    let smtp = Smtp::with_user("mailer", "the-password-of-the-mailer", "PLAIN").await;
    let (server, receiver) = start(&smtp, "the-password-of-the-mailer").await;
    sessions(&server).await;
    credentials(&server).await;
    services(&server, &receiver).await;
    rpc(&server, Service::Email, "send", json!({ "to": "ada@example.com", "subject": "Hi", "body": "Hi" })).await;
    smtp.wait_for(1).await;
    for told in ["\"TRACE\"", "began with ***"] {
        eventually(told, async || server.log().contains(told).then_some(())).await;
    }
}

#[tokio::test]
async fn a_password_that_a_mail_server_refuses_is_not_told() {
    let smtp = Smtp::with_user("mailer", "the-right-password", "LOGIN").await;
    let (server, _) = start(&smtp, "the-password-that-is-wrong").await;
    rpc(&server, Service::Email, "send", json!({ "to": "ada@example.com", "subject": "Hi", "body": "Hi" })).await;
    eventually("the refusal", async || server.log().contains("the SMTP server cannot be used").then_some(())).await;
}

async fn sessions(server: &Server) {
    secret(PASSWORD);
    user(&server.data, "ada@example.com");
    let origin = format!("http://127.0.0.1:{}", server.port);
    let sign_in = |password: &str| json!({ "email": "ada@example.com", "password": password });
    let answer = with(server, Method::POST, "/session", &[], &sign_in(PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let wrong = secret("correct horse battery stable");
    with(server, Method::POST, "/session", &[], &sign_in(&wrong)).await.assert_refused(401, "unauthenticated");
    with(server, Method::POST, "/session", &[], &json!({ "email": wrong, "password": wrong, "x": 1 })).await;

    let session = format!("session={}", cookie(&answer, "session"));
    let own = with(server, Method::GET, "/auth", &[("cookie", &session)], &json!({})).await;
    assert_eq!(own.at("/user/email"), "ada@example.com");
    let refresh = format!("session_refresh={}", cookie(&answer, "session_refresh"));
    let headers = [("cookie", refresh.as_str()), ("origin", &origin)];
    let renewed = with(server, Method::POST, "/session", &headers, &json!({})).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    with(server, Method::POST, "/session", &headers, &json!({})).await.assert_refused(401, "unauthenticated");
    let ended =
        with(server, Method::DELETE, "/session", &[("cookie", &session), ("origin", &origin)], &json!({})).await;
    assert_eq!(ended.status, 401, "the refresh token came twice: {}", ended.text);
}

async fn credentials(server: &Server) {
    let jwt = secret(format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", "e".repeat(40), "s".repeat(43)));
    let wrong = [
        format!("Bearer {jwt}"),
        format!("Bearer sk_live_{}", "w".repeat(43)),
        "Basic d3Jvbmc6Y3JlZGVudGlhbHM=".to_owned(),
        "Bearer not-a-token-of-any-kind".to_owned(),
    ];
    for value in wrong.map(secret) {
        for name in ["authorization", "x-api-key"] {
            with(server, Method::GET, "/auth", &[(name, &value)], &json!({})).await;
        }
        let (_, token) = value.split_once(' ').unwrap();
        with(server, Method::GET, "/auth", &[("cookie", &format!("session={}", secret(token)))], &json!({})).await;
        rpc(server, Service::Auth, "validateToken", json!({ "token": token })).await;
        rpc(server, Service::Auth, "refreshSession", json!({ "refreshToken": token })).await;
        let code = "return env.auth.validateToken(input)";
        server.client.execute(&json!({ "code": code, "input": token })).await;
    }
    let made = rpc(server, Service::Auth, "createApiKey", json!({ "name": "ci", "permissions": ["execute"] })).await;
    let key = made.at("/result/key").as_str().unwrap().to_owned();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                       "params": { "name": "auth_validateToken", "arguments": { "token": key } } });
    let request = server.client.request(Caller::Admin, Method::POST, "/mcp");
    let request = request.header("accept", "application/json, text/event-stream").json(&body);
    assert!(request.send().await.unwrap().text().await.unwrap().contains("\"valid\":true"));
}

async fn services(server: &Server, receiver: &str) {
    let value = secret("a value that code may use");
    let put = server.client.request(Caller::Admin, Method::PUT, "/secrets/API_KEY").json(&json!({ "value": value }));
    assert_eq!(put.send().await.unwrap().status(), 204);
    let long = secret("v".repeat(70_000));
    let put = server.client.request(Caller::Admin, Method::PUT, "/secrets/API_KEY").json(&json!({ "value": long }));
    assert_eq!(put.send().await.unwrap().status(), 400);

    // What callers and code give to be sent on.
    let bearer = secret("Bearer of-the-caller-itself");
    for path in ["/echo/a", "/down"] {
        let options = json!({ "headers": { "authorization": bearer, "cookie": format!("id={bearer}") } });
        rpc(server, Service::Gateway, "route", json!({ "path": path, "options": options })).await;
    }
    for url in [format!("{receiver}/ok"), "http://127.0.0.1:1/".to_owned(), "https://nowhere.invalid/".to_owned()] {
        let url = format!("{url}?token={}", secret("a-token-in-the-query"));
        let code = "try { return (await fetch(input.url, { headers: { authorization: input.bearer } })).status }
                    catch (error) { return error.message }";
        server.client.execute(&json!({ "code": code, "input": { "url": url, "bearer": bearer } })).await;
    }
    rpc(server, Service::Mcp, "listTools", json!({})).await;
    let github = json!({ "repository": "acme/site", "path": "a.md", "content": "a", "message": "a" });
    rpc(server, Service::Webhooks, "syncToGitHub", json!({ "options": github })).await;
    rpc(server, Service::Schedule, "listTasks", json!({})).await;

    let endpoint = json!({ "url": format!("{receiver}/ok?token=a-token-in-the-query"), "events": ["*"] });
    let made = rpc(server, Service::Webhooks, "createEndpoint", json!({ "endpoint": endpoint })).await;
    assert!(made.at("/result/secret").as_str().unwrap().starts_with("whsec_"), "{}", made.text);
    rpc(server, Service::Webhooks, "send", json!({ "event": "a", "payload": 1 })).await;
    let source = json!({ "provider": "stripe", "secret": secret("what the provider signs with") });
    let made = rpc(server, Service::Webhooks, "createSource", json!({ "source": source })).await;
    let path = made.at("/result/path").as_str().unwrap().to_owned();
    let signature = secret("t=1,v1=00112233445566778899aabbccddeeff");
    with(server, Method::POST, &path, &[("stripe-signature", &signature)], &json!({})).await;
}
