//! What the scenarios need around a server: systems that services speak to, a configuration that names them, and
//! quotas whose end is near.

use axum::Router;
use doer_core::service::Service;

use super::{
    Fixtures,
    elsewhere::Elsewhere,
    fixtures::{github::GitHub, mcp, receiver::Receiver, serve::serve, smtp::Smtp, upstream},
};
use crate::support::{Server, Setup};

/// What scenarios write to GitHub with.
const TOKEN: &str = "ghp_scenarios";

/// A server, and what is around it.
pub struct Surroundings {
    pub server: Server,
    /// Another one, which forwards every call to it.
    pub ahead: Server,
    pub fixtures: Fixtures,
    _smtp: Smtp,
}

impl Surroundings {
    /// Starts all of it.
    pub async fn start(service: Service) -> Self {
        let smtp = Smtp::start().await;
        let receiver = serve(Receiver::default().router()).await;
        let setup = Setup::production();
        let own = format!("http://127.0.0.1:{}", setup.port);
        let config = [
            quotas(service),
            gateway(&serve(upstream::router(Default::default())).await),
            servers(&serve(mcp::router(Default::default())).await),
            github(&serve(GitHub::new(TOKEN).router() as Router).await),
            email(&smtp),
            egress(&[port_of(&receiver), setup.port]),
        ];
        let server = Server::start(setup.config(&config.join("\n"))).await;
        let (ahead, _) = Elsewhere::ahead_of(&server).await;
        let fixtures = [("receiver", receiver), ("inbound", own)];
        let fixtures = fixtures.into_iter().map(|(name, address)| (name.to_owned(), address)).collect();
        Self { server, ahead, fixtures, _smtp: smtp }
    }
}

/// Only of the service that is looked at: what one scenario fills must not stand in another's way.
fn quotas(service: Service) -> String {
    let keys = match service {
        Service::Db => "db_mib = 2",
        Service::Auth => "users = 5\napi_keys = 5",
        Service::Email => "mails_per_day = 5",
        Service::Webhooks => "endpoints = 4\nsources = 3\ndeliveries = 3",
        Service::Queue => "queue_messages = 20\nconsumers = 2",
        Service::Schedule => "tasks = 3",
        Service::Gateway | Service::Mcp => "",
    };
    format!("[limits.internal]\n{keys}\n[services.db]\nquery_timeout = \"1s\"")
}

fn gateway(upstream: &str) -> String {
    let route = |prefix: &str, to: &str, more: &str| {
        format!("[[services.gateway.routes]]\nprefix = \"{prefix}\"\nupstream = \"{to}\"\n{more}\n")
    };
    [
        route("/up", upstream, ""),
        route("/up/echo/read", &format!("{upstream}/echo"), "methods = [\"GET\"]"),
        route("/secret", &format!("{upstream}/echo"), "headers = { authorization = \"Bearer hidden\" }"),
        route("/limited", &format!("{upstream}/text"), "rate_per_minute = 2"),
        route("/others", &format!("{upstream}/echo"), "namespaces = [\"tenant:somebody-else\"]"),
        route("/down", "http://127.0.0.1:1", ""),
    ]
    .concat()
}

fn servers(fixture: &str) -> String {
    let server = |name: &str, address: &str, more: &str| {
        format!("[[services.mcp.servers]]\nname = \"{name}\"\nurl = \"{address}/mcp\"\n{more}\n")
    };
    [
        server("test", fixture, ""),
        server("impatient", fixture, "timeout = \"500ms\""),
        server("gone", "http://127.0.0.1:1", ""),
    ]
    .concat()
}

fn github(address: &str) -> String {
    format!(
        "[services.webhooks]\nhttp_hosts = [\"127.0.0.1\"]\n[services.webhooks.github]\nbase_url = \"{address}\"\n\
         token = \"{TOKEN}\"\ntimeout = \"500ms\"\n[[services.webhooks.github.repositories]]\n\
         repository = \"acme/*\"\nnamespaces = [\"tenant:*\"]"
    )
}

fn email(smtp: &Smtp) -> String {
    format!(
        "[[services.email.senders]]\nnamespace = \"tenant:*\"\naddresses = [\"@tenants.example\"]\n\
         [services.email.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"",
        smtp.address.port()
    )
}

fn egress(ports: &[u16]) -> String {
    format!(
        "[egress.internal]\nallow = [{{ host = \"*\", schemes = [\"https\", \"http\"], ports = {ports:?} }}]\n\
         allow_private = [{{ net = \"127.0.0.1/32\", ports = {ports:?} }}]"
    )
}

fn port_of(address: &str) -> u16 {
    address.rsplit(':').next().unwrap().parse().unwrap()
}
