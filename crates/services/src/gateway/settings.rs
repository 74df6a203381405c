//! The settings of the gateway.

use std::{collections::BTreeMap, fmt, time::Duration};

use doer_core::tier::Tier;
use serde_json::{Map, Value};
use url::Url;

use crate::tls;

/// Settings of the gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The routes; none by default.
    pub routes: Vec<RouteSettings>,
    /// The largest body, of a request and of an answer. 10 MiB by default.
    pub max_body_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { routes: Vec::new(), max_body_bytes: 10 << 20 }
    }
}

/// A way to one upstream.
#[derive(Clone)]
pub struct RouteSettings {
    /// The paths that lead here: this one, and all below it. The longest prefix wins.
    pub prefix: String,
    /// What takes the prefix's place, `https://api.example.com/v1`. May be a private address.
    pub upstream: Url,
    /// Methods that are allowed, in upper case; `GET HEAD POST PUT PATCH DELETE OPTIONS` where empty.
    pub methods: Vec<String>,
    /// Headers that are added, secrets among them. They win over the caller's, who never sees them.
    pub headers: BTreeMap<String, String>,
    /// Members that bodies in JSON get where they lack them.
    pub defaults: Map<String, Value>,
    /// Tiers that may use it; all that have the gateway, where empty.
    pub tiers: Vec<Tier>,
    /// Namespaces that may use it; all, where empty.
    pub namespaces: Vec<String>,
    /// Requests per minute and namespace; without limit where absent.
    pub rate_per_minute: Option<u32>,
    /// For a request with all its attempts. 30 s by default.
    pub timeout: Duration,
    /// Attempts after the first, for requests that may be repeated. 0 by default.
    pub retries: u32,
}

impl RouteSettings {
    /// A route with the defaults.
    pub fn new(prefix: impl Into<String>, upstream: Url) -> Self {
        Self {
            prefix: prefix.into(),
            upstream,
            methods: Vec::new(),
            headers: BTreeMap::new(),
            defaults: Map::new(),
            tiers: Vec::new(),
            namespaces: Vec::new(),
            rate_per_minute: None,
            timeout: Duration::from_secs(30),
            retries: 0,
        }
    }
}

impl fmt::Debug for RouteSettings {
    /// Without the values of headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteSettings")
            .field("prefix", &self.prefix)
            .field("upstream", &self.upstream.as_str())
            .field("methods", &self.methods)
            .field("headers", &self.headers.keys())
            .field("defaults", &self.defaults.keys().collect::<Vec<_>>())
            .field("tiers", &self.tiers)
            .field("namespaces", &self.namespaces)
            .field("rate_per_minute", &self.rate_per_minute)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish()
    }
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of a route.
    #[error("routes[{number}].{setting}: {problem}")]
    Route {
        /// Its place in the list, from 0.
        number: usize,
        /// Which setting.
        setting: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// There is no HTTP client to be had.
    #[error("no HTTP client")]
    Client(#[from] tls::Error),
}
