//! TLS to the outside: whoever speaks it trusts the authority that is configured, and nobody else. Servers have every
//! flaw that a certificate can have; each way out is tried against each of them.

use std::collections::BTreeMap;

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use crate::{
    fixtures::{mcp, upstream},
    https::{self, Authority, Certificate, Flaw},
    peer::Peer,
    rpc::{self, error},
    support::{Answer, Caller, Server, Setup},
};

/// Servers that nobody should speak to, by name.
const FLAWED: [&str; 8] = ["expired", "early", "misnamed", "strange", "forged", "selfsigned", "plain", "old"];
/// Services that are forwarded, each to a server of its own: what is called, and that server.
const FORWARDED: [(&str, &str); 7] = [
    ("db/count", "good"),
    ("queue/getStats", "expired"),
    ("schedule/listTasks", "early"),
    ("email/getTemplates", "misnamed"),
    ("auth/listApiKeys", "strange"),
    ("webhooks/listEndpoints", "plain"),
    ("gateway/listRoutes", "selfsigned"),
];

/// Servers by name.
struct Servers {
    authority: Authority,
    ports: BTreeMap<&'static str, u16>,
    hits: upstream::Hits,
    /// Speaks no TLS that is young enough. Not there without Node.js.
    old: Option<Peer>,
}

/// What the systems outside do, all of them in one.
fn systems(hits: &upstream::Hits) -> Router {
    let forwarded = Router::new()
        .route("/rpc/count", post(async || Json(json!(42))))
        .route("/rpc/{method}", post(async || Json(json!([]))))
        .route("/hooks", post(async || "taken"));
    upstream::router(hits.clone()).merge(mcp::router(Default::default())).merge(forwarded)
}

impl Servers {
    async fn start(test: &str) -> Self {
        let (authority, hits) = (Authority::new("ours"), upstream::Hits::default());
        let mut ports = BTreeMap::new();
        let certificates = [
            ("good", authority.certificate(Flaw::Nothing)),
            ("expired", authority.certificate(Flaw::Expired)),
            ("early", authority.certificate(Flaw::Early)),
            ("misnamed", authority.certificate(Flaw::Misnamed)),
            ("strange", Authority::new("theirs").certificate(Flaw::Nothing)),
            ("forged", Authority::new("ours").certificate(Flaw::Nothing)),
            ("selfsigned", Certificate::of_nobody()),
        ];
        for (name, certificate) in certificates {
            ports.insert(name, https::serve(&certificate, systems(&hits)).await);
        }
        ports.insert("plain", https::serve_plainly(systems(&hits)).await);
        let (cert, key) = authority.certificate(Flaw::Nothing).pem();
        let old = Peer::start(&format!("{test}, TLS 1.1"), "oldtls.mjs", json!({ "cert": cert, "key": key })).await;
        if let Some(old) = &old {
            ports.insert("old", old.port);
        }
        Self { authority, ports, hits, old }
    }

    /// A doer that has all of them configured; it trusts the authority, or only the public ones.
    async fn doer(&self, trusting: bool, forwarded: bool) -> Server {
        let mut config = String::new();
        if trusting {
            config += &format!("[tls]\nca_file = '{}'\n", self.authority.file().display());
        }
        let ports: Vec<u16> = self.ports.values().copied().collect();
        config += &format!(
            "[egress.internal]\nallow = [{{ host = 'localhost', ports = {ports:?} }}]\n\
             allow_private = [{{ net = '127.0.0.1/32' }}, {{ net = '::1/128' }}]\n"
        );
        if forwarded {
            for (path, name) in FORWARDED {
                let (service, _) = path.split_once('/').unwrap();
                let port = self.ports[name];
                config += &format!("[services.{service}]\nkind = 'http'\nurl = 'https://localhost:{port}'\n");
            }
        }
        for (name, port) in &self.ports {
            config += &format!(
                "[[services.gateway.routes]]\nprefix = '/{name}'\nupstream = 'https://localhost:{port}'\n\
                 [[services.mcp.servers]]\nname = '{name}'\nurl = 'https://localhost:{port}/mcp'\n"
            );
        }
        Server::start(Setup::production().config(&config)).await
    }

    fn url(&self, name: &str, path: &str) -> String {
        format!("https://localhost:{}{path}", self.ports[name])
    }
}

async fn fetch(server: &Server, url: &str) -> Answer {
    let code = "const answer = await fetch(input); return answer.status";
    server.client.post(Caller::Admin, "/execute", &json!({ "code": code, "input": url })).await
}

async fn through_gateway(server: &Server, name: &str) -> Answer {
    rpc::call(server, "gateway/route", json!({ "path": format!("/{name}/text") })).await
}

async fn tool(server: &Server, name: &str) -> Answer {
    let params = json!({ "toolName": format!("{name}.echo"), "args": { "text": "hello" } });
    rpc::call(server, "mcp/callTool", params).await
}

/// Where a webhook to a server ends.
async fn webhook(server: &Server, url: String) -> Value {
    let endpoint = json!({ "url": url, "events": ["*"] });
    let made = rpc::call(server, "webhooks/createEndpoint", json!({ "endpoint": endpoint })).await;
    let id = rpc::result(&made)["id"].clone();
    rpc::call(server, "webhooks/send", json!({ "event": "a", "payload": 1 })).await;
    let ours = json!({ "options": { "endpointId": id } });
    let settled = |page: &Value| page["data"][0]["status"] != "pending";
    let page = rpc::until(server, "webhooks/listDeliveries", ours, settled).await;
    rpc::call(server, "webhooks/deleteEndpoint", json!({ "id": id })).await;
    page["data"][0].clone()
}

/// What is found wrong with a server.
fn reason(name: &str) -> &'static str {
    match name {
        "expired" => "invalid peer certificate: certificate expired",
        "early" => "invalid peer certificate: certificate not valid yet",
        "misnamed" => "invalid peer certificate: certificate not valid for name \"localhost\"",
        "forged" => "invalid peer certificate: BadSignature",
        "plain" => "received corrupt message",
        "old" => "received fatal alert: ProtocolVersion",
        // Of an authority that nobody trusts.
        _ => "invalid peer certificate: UnknownIssuer",
    }
}

/// Whether a message names what is wrong with a server. What follows it may name the second of the attempt.
fn tells(message: &str, name: &str) -> bool {
    message.strip_prefix("cannot connect to localhost: ").is_some_and(|found| found.starts_with(reason(name)))
}

/// Nothing gets through to a server, whichever way it is tried.
async fn assert_refused(servers: &Servers, server: &Server, name: &str) {
    let before = servers.hits.count();
    let fetched = fetch(server, &servers.url(name, "/text")).await;
    fetched.assert_threw("TypeError");
    let why = fetched.at("/error/message").as_str().unwrap().strip_prefix("fetch failed: ").unwrap();
    assert!(tells(why, name), "{name}: {why}");
    let routed = through_gateway(server, name).await;
    assert_eq!(error(&routed).0, "upstream_error", "{name}: {}", routed.text);
    let message = format!("{name}.echo: the MCP server cannot be reached");
    assert_eq!(error(&tool(server, name).await), ("upstream_error", &*message));
    let delivery = webhook(server, servers.url(name, "/hooks")).await;
    let why = delivery["lastError"].as_str().unwrap();
    assert!(tells(why, name), "{name}: {why}");
    assert_eq!(servers.hits.count(), before, "{name}");
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_configured() {
    let servers = Servers::start("a_private_authority_is_trusted_where_it_is_configured").await;
    let server = servers.doer(true, false).await;
    fetch(&server, &servers.url("good", "/text")).await.assert_result(200);
    assert_eq!(through_gateway(&server, "good").await.at("/result/body"), "text");
    assert_eq!(rpc::result(&tool(&server, "good").await), "hello");
    assert_eq!(webhook(&server, servers.url("good", "/hooks")).await["status"], "delivered");
}

#[tokio::test]
async fn a_private_authority_is_nobody_where_it_is_not_configured() {
    let servers = Servers::start("a_private_authority_is_nobody_where_it_is_not_configured").await;
    let server = servers.doer(false, false).await;
    assert_refused(&servers, &server, "good").await;
    assert_eq!(servers.hits.count(), 0);
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let servers = Servers::start("a_server_that_cannot_prove_who_it_is_gets_nothing").await;
    let server = servers.doer(true, false).await;
    for name in FLAWED.into_iter().filter(|name| servers.ports.contains_key(name)) {
        assert_refused(&servers, &server, name).await;
    }
    assert_eq!(servers.hits.count(), 0);
    if let Some(old) = &servers.old {
        assert_eq!(old.ask("hits", json!({})).await, 0);
    }
}

#[tokio::test]
async fn forwarded_calls_go_to_servers_that_prove_who_they_are_only() {
    let servers = Servers::start("forwarded_calls_go_to_servers_that_prove_who_they_are_only").await;
    let server = servers.doer(true, true).await;
    for (path, name) in FORWARDED {
        let params = if path == "db/count" { json!({ "ns": "notes" }) } else { json!({}) };
        let answer = rpc::call(&server, path, params).await;
        match name {
            "good" => assert_eq!(rpc::result(&answer), 42),
            _ => assert_eq!(error(&answer).0, "upstream_error", "{name}: {}", answer.text),
        }
    }
    drop(server);
    let server = servers.doer(false, true).await;
    let answer = rpc::call(&server, "db/count", json!({ "ns": "notes" })).await;
    assert_eq!(error(&answer).0, "upstream_error", "{}", answer.text);
}

#[tokio::test]
async fn a_redirect_does_not_lead_out_of_encryption_unless_the_rules_allow_it() {
    let servers = Servers::start("a_redirect_does_not_lead_out_of_encryption_unless_the_rules_allow_it").await;
    let server = servers.doer(true, false).await;
    let plain = servers.url("plain", "/text").replace("https:", "http:");
    let fetched = fetch(&server, &servers.url("good", &format!("/redirect?to={plain}"))).await;
    fetched.assert_threw("TypeError");
    let message = fetched.at("/error/message").as_str().unwrap();
    assert!(
        message.starts_with("fetch is not permitted: the egress policy `internal` does not allow GET http:"),
        "{message}"
    );
    assert_eq!(servers.hits.count(), 1, "the redirect itself");
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_ends_the_start() {
    let data = crate::support::DataDir::empty();
    let file = data.path().join("ca.pem");
    for (text, message) in [
        (None, "cannot be read as certificates in PEM"),
        (Some("nothing in it"), "cannot be read as certificates in PEM"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "cannot be used"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let mut command = crate::support::doer();
        command.arg("serve").current_dir(data.path()).env("DOER__TLS__CA_FILE", &file);
        command.env("DOER__SERVER__LISTEN", "127.0.0.1:0").env("DOER__ADMIN__LISTEN", "127.0.0.1:0");
        let ended = command.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains("ca.pem") && said.contains(message), "{said}");
    }
}
