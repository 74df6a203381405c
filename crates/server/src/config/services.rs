//! `[services.*]` and `[egress]`: how each service is provided, and where requests may go.

use std::collections::BTreeMap;

use doer_core::{service::Service, tier::Tier};
use doer_services::{
    auth, db, egress, email, forward, gateway, mcp, queue, schedule,
    webhooks::{self, GitHubSettings},
};
use serde::Deserialize;
use url::Url;

use super::{
    reader::Reader,
    section::{Period, given},
};

const KIB: u64 = 1 << 10;

/// The services as they are configured.
#[derive(Debug, Clone)]
pub struct Services {
    /// How each is provided, in the order of [`Service::ALL`].
    pub kinds: [Kind; 8],
    /// `[services.db]`
    pub db: db::Settings,
    /// `[services.auth]`
    pub auth: auth::Settings,
    /// `[services.gateway]`
    pub gateway: gateway::Settings,
    /// `[services.schedule]`
    pub schedule: schedule::Settings,
    /// `[services.webhooks]`
    pub webhooks: webhooks::Settings,
    /// `[services.email]`
    pub email: email::Settings,
    /// `[services.mcp]`
    pub mcp: mcp::Settings,
    /// `[services.queue]`
    pub queue: queue::Settings,
    /// `[egress]`
    pub egress: egress::Settings,
}

/// How a service is provided.
#[derive(Debug, Clone)]
pub enum Kind {
    /// By doer itself.
    Embedded,
    /// By somebody else.
    Http(forward::Settings),
    /// By nobody.
    Off,
}

/// Reads all of it.
pub fn read(reader: &mut Reader<'_>) -> Services {
    let mut kinds = [const { Kind::Off }; 8];
    for service in Service::ALL {
        kinds[service as usize] = kind(reader, service);
    }
    Services {
        kinds,
        db: db::Settings {
            open_databases: reader.integer("services.db.open_databases", 1..=100_000),
            query_timeout: reader.positive_duration("services.db.query_timeout"),
            concurrent_queries: reader.integer("services.db.concurrent_queries", 1..=1000),
            result_bytes: usize::try_from(reader.bytes("services.db.result_kib", KIB)).unwrap_or(usize::MAX),
            ..db::Settings::default()
        },
        auth: auth::Settings {
            access_token: reader.positive_duration("services.auth.access_lifetime"),
            session: reader.positive_duration("services.auth.session_lifetime"),
            refresh_token: reader.positive_duration("services.auth.refresh_lifetime"),
            audit_records: reader.integer("services.auth.audit_records", 0..=i64::MAX),
            audit_age: reader.positive_duration("services.auth.audit_age"),
            issuers: reader.section("services.auth.issuers").unwrap_or_default(),
            ..auth::Settings::default()
        },
        gateway: gateway::Settings {
            routes: reader
                .section::<Vec<Route>>("services.gateway.routes")
                .unwrap_or_default()
                .into_iter()
                .map(Route::settings)
                .collect(),
            max_body_bytes: reader.bytes("services.gateway.body_kib", KIB),
        },
        schedule: schedule::Settings::default(),
        webhooks: webhooks::Settings {
            attempt_timeout: reader.positive_duration("services.webhooks.attempt_timeout"),
            http_hosts: reader.section("services.webhooks.http_hosts").unwrap_or_default(),
            github: github(reader),
            ..webhooks::Settings::default()
        },
        email: email(reader),
        mcp: mcp::Settings {
            servers: reader
                .section::<Vec<Server>>("services.mcp.servers")
                .unwrap_or_default()
                .into_iter()
                .filter_map(|server| server.settings(reader))
                .collect(),
            ..mcp::Settings::default()
        },
        queue: queue::Settings {
            max_running: reader.integer("services.queue.concurrency", 1..=10_000),
            keep_finished: reader.positive_duration("services.queue.keep_finished"),
            ..queue::Settings::default()
        },
        egress: egress(reader),
    }
}

fn kind(reader: &mut Reader<'_>, service: Service) -> Kind {
    #[derive(Clone, Copy)]
    enum Word {
        Embedded,
        Http,
        Off,
    }
    let key = |name: &str| format!("services.{service}.{name}");
    let words = [("embedded", Word::Embedded), ("http", Word::Http), ("off", Word::Off)];
    match reader.choice(&key("kind"), &words, Word::Embedded) {
        Word::Embedded => Kind::Embedded,
        Word::Off => Kind::Off,
        Word::Http => {
            let url = reader.string(&key("url"));
            match Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
                Some(url) => Kind::Http(forward::Settings {
                    timeout: reader.positive_duration(&key("timeout")),
                    key: given(reader.string(&key("signing_key"))).map(String::into_bytes),
                    ..forward::Settings::new(url)
                }),
                None => {
                    let message = format!("`{url}` is no URL; write where calls go, like \"https://db.example.com\"");
                    reader.wrong::<()>(&key("url"), message);
                    Kind::Off
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    prefix: String,
    upstream: Url,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    defaults: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    rate_per_minute: Option<u32>,
    #[serde(default)]
    timeout: Option<Period>,
    #[serde(default)]
    retries: u32,
}

impl Route {
    fn settings(self) -> gateway::RouteSettings {
        let defaults = gateway::RouteSettings::new(self.prefix, self.upstream);
        gateway::RouteSettings {
            methods: self.methods,
            headers: self.headers,
            defaults: self.defaults,
            tiers: self.tiers,
            namespaces: self.namespaces,
            rate_per_minute: self.rate_per_minute,
            timeout: self.timeout.map_or(defaults.timeout, |timeout| timeout.0),
            retries: self.retries,
            ..defaults
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    repository: String,
    namespaces: Vec<String>,
}

fn github(reader: &mut Reader<'_>) -> GitHubSettings {
    let repositories: Vec<Repository> = reader.section("services.webhooks.github.repositories").unwrap_or_default();
    GitHubSettings {
        base_url: reader.string("services.webhooks.github.base_url"),
        token: given(reader.string("services.webhooks.github.token")),
        timeout: reader.positive_duration("services.webhooks.github.timeout"),
        repositories: repositories.into_iter().map(|entry| (entry.repository, entry.namespaces)).collect(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sender {
    namespace: String,
    addresses: Vec<String>,
}

fn email(reader: &mut Reader<'_>) -> email::Settings {
    let host = reader.string("services.email.smtp.host");
    let tls = [("none", email::Tls::None), ("starttls", email::Tls::StartTls), ("implicit", email::Tls::Implicit)];
    let smtp = email::Smtp {
        host,
        port: reader.integer("services.email.smtp.port", 1..=65_535),
        tls: reader.choice("services.email.smtp.tls", &tls, email::Tls::StartTls),
        username: given(reader.string("services.email.smtp.username")),
        password: given(reader.string("services.email.smtp.password")),
        timeout: reader.positive_duration("services.email.smtp.timeout"),
    };
    let senders: Vec<Sender> = reader.section("services.email.senders").unwrap_or_default();
    let sender = |entry: Sender| email::Sender { namespace: entry.namespace, addresses: entry.addresses };
    email::Settings {
        from: reader.string("services.email.from"),
        senders: senders.into_iter().map(sender).collect(),
        smtp: (!smtp.host.is_empty()).then_some(smtp),
        templates_dir: given(reader.string("services.email.templates_dir")).map(Into::into),
        keep_sent: reader.duration("services.email.keep_sent"),
        ..email::Settings::default()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    name: String,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    url: Option<Url>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    timeout: Option<Period>,
    #[serde(default)]
    tiers: Vec<Tier>,
}

impl Server {
    fn settings(self, reader: &mut Reader<'_>) -> Option<(String, mcp::ServerSettings)> {
        let transport = match (self.command, self.url) {
            (Some(command), None) => mcp::Transport::Stdio { command, args: self.args, env: self.env },
            (None, Some(url)) => mcp::Transport::Http { url, headers: self.headers },
            (Some(_), Some(_)) | (None, None) => {
                let message = format!("server `{}` must have either `command` or `url`", self.name);
                reader.wrong::<()>("services.mcp.servers", message);
                return None;
            }
        };
        let defaults = mcp::ServerSettings::new(transport);
        let timeout = self.timeout.map_or(defaults.timeout, |timeout| timeout.0);
        Some((self.name, mcp::ServerSettings { timeout, tiers: self.tiers, ..defaults }))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    host: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default = "https")]
    schemes: Vec<SchemeWord>,
    #[serde(default)]
    ports: Vec<u16>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SchemeWord {
    Https,
    Http,
}

fn https() -> Vec<SchemeWord> {
    vec![SchemeWord::Https]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateRange {
    net: String,
    #[serde(default)]
    ports: Vec<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespacePolicy {
    namespace: String,
    #[serde(default)]
    allow: Vec<Rule>,
    #[serde(default)]
    allow_private: Vec<PrivateRange>,
}

fn egress(reader: &mut Reader<'_>) -> egress::Settings {
    let mut tier = |name: &str| {
        let (rules, ranges) = (format!("egress.{name}.allow"), format!("egress.{name}.allow_private"));
        let allow = reader.section(&rules).unwrap_or_default();
        let allow_private = reader.section(&ranges).unwrap_or_default();
        policy(reader, &rules, allow, allow_private)
    };
    let (internal, tenant, public) = (tier("internal"), tier("tenant"), tier("public"));
    let single: Vec<NamespacePolicy> = reader.section("egress.namespaces").unwrap_or_default();
    let single = single.into_iter();
    let namespaces = single
        .map(|entry| {
            let policy = policy(reader, "egress.namespaces", entry.allow, entry.allow_private);
            (entry.namespace, policy)
        })
        .collect();
    egress::Settings {
        internal,
        tenant,
        public,
        namespaces,
        timeout: reader.positive_duration("egress.timeout"),
        ..egress::Settings::default()
    }
}

fn policy(reader: &mut Reader<'_>, key: &str, allow: Vec<Rule>, private: Vec<PrivateRange>) -> egress::Policy {
    let mut rules = Vec::with_capacity(allow.len());
    for rule in allow {
        match rule.host.parse() {
            Ok(host) => rules.push(egress::Rule {
                host,
                path: rule.path,
                methods: rule.methods.iter().map(|method| method.to_ascii_uppercase()).collect(),
                schemes: rule.schemes.into_iter().map(SchemeWord::scheme).collect(),
                ports: rule.ports,
            }),
            Err(error) => reader.wrong(key, format!("host `{}`: {error}", rule.host)),
        }
    }
    let mut ranges = Vec::with_capacity(private.len());
    for range in private {
        match range.net.parse() {
            Ok(net) => ranges.push(egress::PrivateRange { net, ports: range.ports }),
            Err(_) => reader.wrong(key, format!("`{}` is no range; write one like \"10.1.0.0/16\"", range.net)),
        }
    }
    egress::Policy { allow: rules, allow_private: ranges }
}

impl SchemeWord {
    const fn scheme(self) -> egress::Scheme {
        match self {
            Self::Https => egress::Scheme::Https,
            Self::Http => egress::Scheme::Http,
        }
    }
}
