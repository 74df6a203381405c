//! What an operator may change about webhooks.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::waits::Waits;

const MIB: u64 = 1 << 20;
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Settings of the embedded webhooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Hosts that may be reached by plain `http`; every other URL must be `https`. None by default.
    pub http_hosts: Vec<String>,
    /// How long an endpoint may take to answer. 15 s by default.
    pub attempt_timeout: Duration,
    /// When a delivery is tried again: after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 14 h by default, which is the
    /// schedule of Standard Webhooks up to the attempt that is more than a day after the first.
    pub delivery_waits: Waits,
    /// How long what an event is handed to may take. 150 s by default.
    pub hand_on_timeout: Duration,
    /// When handing on an event is tried again: after 10 s, 1 min, 5 min, 30 min, 2 h and 6 h by default.
    pub event_waits: Waits,
    /// Attempts at once, of deliveries and of events each.
    pub concurrency: Concurrency,
    /// How far a provider's clock may be from ours, either way. 5 min by default.
    pub tolerance: Duration,
    /// Body of an event that comes in. 1 MiB by default.
    pub max_event_bytes: usize,
    /// Bodies of a namespace's deliveries that are not done, and of its events. 256 MiB each by default.
    pub max_open_bytes: u64,
    /// What is done is forgotten after this. 7 days by default.
    pub keep_finished: Duration,
    /// Deliveries and events of a namespace that are done: no more than so many of each are kept. 10 000 by default.
    pub keep_rows: u64,
    /// The same in bytes of their bodies. 64 MiB by default.
    pub keep_bytes: u64,
    /// Writing to GitHub.
    pub github: GitHubSettings,
}

/// Attempts at once, so that what is slow holds up only itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Of one endpoint or source. 4 by default.
    pub per_lane: usize,
    /// Of one namespace. 16 by default.
    pub per_namespace: usize,
    /// Of all. 128 by default.
    pub in_all: usize,
}

/// How files are written to GitHub.
#[derive(Clone, PartialEq, Eq)]
pub struct GitHubSettings {
    /// Where its REST interface is. `https://api.github.com` by default.
    pub base_url: String,
    /// The installation's token; nothing is written without one. None by default.
    pub token: Option<String>,
    /// How long one request may take. 10 s by default.
    pub timeout: Duration,
    /// Who may write where with that token: `owner/name` or `owner/*`, to namespaces, of which the last character may
    /// be `*` for all that begin so. The namespace `*`, the installation's own, may write everywhere. Empty by default.
    pub repositories: BTreeMap<String, Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        let delivery = [Duration::from_secs(5), 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR];
        let event = [Duration::from_secs(10), MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR];
        Self {
            http_hosts: Vec::new(),
            attempt_timeout: Duration::from_secs(15),
            delivery_waits: Waits { list: delivery.to_vec(), jitter_percent: 10 },
            hand_on_timeout: Duration::from_secs(150),
            event_waits: Waits { list: event.to_vec(), jitter_percent: 10 },
            concurrency: Concurrency::default(),
            tolerance: 5 * MINUTE,
            max_event_bytes: 1 << 20,
            max_open_bytes: 256 * MIB,
            keep_finished: 7 * 24 * HOUR,
            keep_rows: 10_000,
            keep_bytes: 64 * MIB,
            github: GitHubSettings::default(),
        }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { per_lane: 4, per_namespace: 16, in_all: 128 }
    }
}

impl Default for GitHubSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.github.com".to_owned(),
            token: None,
            timeout: Duration::from_secs(10),
            repositories: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for GitHubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubSettings")
            .field("base_url", &self.base_url)
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("timeout", &self.timeout)
            .field("repositories", &self.repositories)
            .finish()
    }
}
