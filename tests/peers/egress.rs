//! The way out of a whole doer, by every service that has one: whatever stands in a URL, nothing that is not public is
//! connected to, and no redirect leads there. Names that change their minds are in the services' own tests, where a
//! resolver can be made up.

use std::net::Ipv6Addr;

use serde_json::{Value, json};

use crate::{
    fixtures::{mcp, serve::serve, upstream},
    rpc::{self, error},
    support::{Caller, Client, Server, Setup, eventually},
};

/// Hosts that are this machine, its network or a cloud's secrets, in every way in which they can be written.
const CLOSED: [&str; 38] = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "%31%32%37.0.0.1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "0",
    "0.0.0.0",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[ff02::1]",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "metadata.google.internal.",
    "224.0.0.1",
    "255.255.255.255",
];

/// A server on every address of this machine, and a doer whose callers may ask for everything at its port.
struct World {
    server: Server,
    hits: upstream::Hits,
    port: u16,
}

impl World {
    async fn start() -> Self {
        let hits = upstream::Hits::default();
        // Both protocols: where there is only IPv4, nothing of the other can be reached anyhow.
        let listener = match tokio::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await {
            Ok(listener) => listener,
            Err(_) => tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let router = upstream::router(hits.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let hosts: Vec<String> = CLOSED.iter().map(|host| host_of(host)).collect();
        let config = format!(
            "[egress.internal]\nallow = [{{ host = '*', schemes = ['http', 'https'], ports = [{port}] }}]\n\
             [services.webhooks]\nhttp_hosts = {hosts:?}"
        );
        let server = Server::start(Setup::production().config(&config)).await;
        let direct = Client::new(format!("http://127.0.0.1:{port}")).get(Caller::Anonymous, "/text").await;
        assert_eq!((direct.status.as_u16(), hits.count()), (200, 1), "it is there for whoever may reach it");
        Self { server, hits, port }
    }

    fn urls(&self) -> Vec<String> {
        CLOSED.iter().map(|host| format!("http://{host}:{}/text", self.port)).collect()
    }
}

/// A host as it stands in a URL once that was read.
fn host_of(host: &str) -> String {
    let url = url::Url::parse(&format!("http://{host}/")).unwrap_or_else(|error| panic!("{host}: {error}"));
    url.host_str().unwrap().to_owned()
}

/// Was every delivery of a page tried?
fn all_tried(page: &Value) -> bool {
    page["data"].as_array().unwrap().iter().all(|delivery| delivery["status"] != "pending")
}

/// The rules have said no. Not every system knows where `localhost.` is.
fn is_refusal(message: &Value) -> bool {
    let refusals = ["fetch is not permitted: ", "cannot resolve localhost."];
    message.as_str().is_some_and(|message| refusals.iter().any(|refusal| message.contains(refusal)))
}

#[tokio::test]
async fn no_notation_of_what_is_not_public_can_be_fetched() {
    let world = World::start().await;
    let code = "return await Promise.all(input.map(url => fetch(url).then(answer => answer.status, String)))";
    let body = json!({ "code": code, "input": world.urls() });
    let answer = world.server.client.post(Caller::Admin, "/execute", &body).await;
    let outcomes = answer.at("/result").as_array().unwrap_or_else(|| panic!("{}", answer.text));
    for (host, outcome) in CLOSED.iter().zip(outcomes) {
        assert!(is_refusal(outcome), "{host}: {outcome}");
    }
    assert_eq!(world.hits.count(), 1, "nothing came");
}

#[tokio::test]
async fn no_webhook_is_delivered_to_what_is_not_public() {
    let world = World::start().await;
    for url in world.urls() {
        let endpoint = json!({ "url": url, "events": ["*"] });
        rpc::result(&rpc::call(&world.server, "webhooks/createEndpoint", json!({ "endpoint": endpoint })).await);
    }
    rpc::call(&world.server, "webhooks/send", json!({ "event": "a", "payload": 1 })).await;
    let page = rpc::until(&world.server, "webhooks/listDeliveries", json!({}), all_tried).await;
    assert_eq!(page["data"].as_array().unwrap().len(), CLOSED.len());
    for delivery in page["data"].as_array().unwrap() {
        assert!(is_refusal(&delivery["lastError"]), "{delivery}");
        assert_eq!((&delivery["status"], &delivery["lastStatus"]), (&json!("failed"), &Value::Null));
    }
    assert_eq!(world.hits.count(), 1, "nothing came");
}

#[tokio::test]
async fn no_task_and_no_event_is_handed_to_what_is_not_public() {
    let world = World::start().await;
    let hosts = ["127.0.0.1", "[::ffff:127.0.0.1]", "0x7f.1", "localhost", "169.254.169.254", "[64:ff9b::7f00:1]"];
    for (number, host) in hosts.into_iter().enumerate() {
        let url = format!("http://{host}:{}/text", world.port);
        let task =
            json!({ "name": format!("task-{number}"), "schedule": "@yearly", "target": { "url": { "url": url } } });
        let registered = rpc::call(&world.server, "schedule/registerTask", json!({ "task": task })).await;
        rpc::result(&registered);
        rpc::call(&world.server, "schedule/execute", json!({ "taskName": format!("task-{number}") })).await;
        eventually("the run", async || {
            let history =
                rpc::call(&world.server, "schedule/getHistory", json!({ "taskName": format!("task-{number}") })).await;
            history.text.contains("fetch is not permitted: ").then_some(())
        })
        .await;
    }
    assert_eq!(world.hits.count(), 1, "nothing came");
}

/// What an administrator configures may be at a private address; where that server redirects to, nobody has configured.
#[tokio::test]
async fn services_that_are_configured_follow_no_redirect() {
    let hits = upstream::Hits::default();
    let inner = serve(upstream::router(hits.clone()).merge(mcp::router(Default::default()))).await;
    let outer = serve(axum::Router::new().fallback(move |uri: axum::http::Uri| {
        let to = format!("{inner}{}", uri.path());
        async move { axum::response::Redirect::temporary(&to) }
    }))
    .await;
    let config = format!(
        "[[services.gateway.routes]]\nprefix = '/up'\nupstream = '{outer}'\n\
         [[services.mcp.servers]]\nname = 'moved'\nurl = '{outer}/mcp'\n\
         [services.queue]\nkind = 'http'\nurl = '{outer}'"
    );
    let server = Server::start(Setup::production().config(&config)).await;
    let routed = rpc::call(&server, "gateway/route", json!({ "path": "/up/text" })).await;
    assert_eq!(rpc::result(&routed)["status"], 307, "the caller may see where it leads, and ask for it");
    let called = rpc::call(&server, "mcp/callTool", json!({ "toolName": "moved.echo", "args": { "text": "x" } })).await;
    assert_eq!(error(&called), ("upstream_error", "moved.echo: the MCP server cannot be reached"));
    let forwarded = rpc::call(&server, "queue/getStats", json!({})).await;
    assert_eq!(error(&forwarded).0, "upstream_error", "{}", forwarded.text);
    assert_eq!(hits.count(), 0);
}

#[tokio::test]
async fn a_redirect_to_what_is_not_public_is_not_followed() {
    let hits = upstream::Hits::default();
    let open = serve(upstream::router(upstream::Hits::default())).await;
    let closed = serve(upstream::router(hits.clone())).await;
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let (open_port, closed_port) = (port(&open), port(&closed));
    let config = format!(
        "[egress.internal]\nallow = [{{ host = '*', schemes = ['http'], ports = [{open_port}, {closed_port}] }}]\n\
         allow_private = [{{ net = '127.0.0.1/32', ports = [{open_port}] }}]\n\
         [services.webhooks]\nhttp_hosts = ['127.0.0.1']"
    );
    let server = Server::start(Setup::production().config(&config)).await;
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "[::1]", "169.254.169.254"];
    let urls: Vec<String> =
        hosts.iter().map(|host| format!("{open}/redirect?to=http://{host}:{closed_port}/text")).collect();
    let code = "return await Promise.all(input.map(url => fetch(url).then(answer => answer.status, String)))";
    let answer = server.client.post(Caller::Admin, "/execute", &json!({ "code": code, "input": urls.clone() })).await;
    for outcome in answer.at("/result").as_array().unwrap_or_else(|| panic!("{}", answer.text)) {
        assert!(is_refusal(outcome), "{outcome}");
    }
    for url in urls {
        let endpoint = json!({ "url": url, "events": ["*"] });
        rpc::result(&rpc::call(&server, "webhooks/createEndpoint", json!({ "endpoint": endpoint })).await);
    }
    rpc::call(&server, "webhooks/send", json!({ "event": "a", "payload": 1 })).await;
    let page = rpc::until(&server, "webhooks/listDeliveries", json!({}), all_tried).await;
    for delivery in page["data"].as_array().unwrap() {
        assert_eq!(delivery["lastError"], "the endpoint answered 302", "{delivery}");
    }
    assert_eq!(hits.count(), 0);
}
