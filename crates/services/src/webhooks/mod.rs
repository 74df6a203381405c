//! `webhooks`, embedded: endpoints and sources, deliveries and events, and writing to GitHub, in one SQLite file.

mod deliver;
mod deliveries;
mod endpoints;
mod events;
mod github;
mod hand_on;
mod inbound;
mod lanes;
mod schema;
mod settings;
mod signature;
mod sources;
mod trim;
mod waits;
mod worker;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use doer_core::{
    outbound::Egress,
    quota::{Quota, Quotas},
    run::{RunError, Target},
    scope::{Scope, Standing},
    service::{
        Health, Page, Pagination, ServiceError,
        webhooks::{
            CreateEndpoint, CreateSource, CreatedEndpoint, DeleteEndpoint, DeleteSource, Delivery, Endpoint, Event,
            GitHubSync, ListDeliveries, ListEndpoints, ListEvents, ListSources, ResolveConflict, RetryDelivery,
            RetryEvent, Send, Source, SyncToGitHub, Webhooks,
        },
    },
    tier::Namespace,
    time::Clock,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

pub use inbound::{Received, Refused};
pub use settings::{Concurrency, GitHubSettings, Settings};
pub use waits::Waits;

use crate::{Database, Error, Holder, Sealer, tasks::Tasks};
use lanes::Kind;

/// Runs what events are handed to.
#[async_trait]
pub trait Dispatch: std::marker::Send + Sync + 'static {
    /// Checks that a target could be run on behalf of `scope`.
    ///
    /// # Errors
    /// What is wrong with it, for whoever registers it.
    async fn check(&self, scope: &Scope, target: &Target) -> Result<(), ServiceError>;

    /// Runs it once, on behalf of `scope`; `event` says what happened.
    ///
    /// # Errors
    /// Why it did not succeed.
    async fn run(&self, scope: &Scope, target: &Target, event: Value) -> Result<(), RunError>;
}

/// What webhooks need of the rest.
#[derive(Clone)]
pub struct Dependencies {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What namespaces may have.
    pub quotas: Arc<dyn Quotas>,
    /// Seals the secrets of endpoints and sources.
    pub sealer: Sealer,
    /// Where owners stand when something is sent or handed on.
    pub standing: Arc<dyn Standing>,
    /// Sends deliveries.
    pub egress: Arc<dyn Egress>,
    /// Runs what events are handed to.
    pub dispatch: Arc<dyn Dispatch>,
    /// Speaks to GitHub. One that follows no redirects ([`crate::tls::http_client`] makes it): a repository that moved is
    /// no longer the one that a namespace may write to.
    pub client: reqwest::Client,
}

/// Webhooks in one SQLite file. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct EmbeddedWebhooks(Arc<State>);

struct State {
    database: Database,
    settings: Settings,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
    sealer: Sealer,
    standing: Arc<dyn Standing>,
    egress: Arc<dyn Egress>,
    dispatch: Arc<dyn Dispatch>,
    github: github::Api,
    /// Something was written that is due.
    deliveries: Notify,
    events: Notify,
    /// The database failed lately.
    failing: AtomicBool,
}

impl EmbeddedWebhooks {
    /// Opens `webhooks.db` in `directory`, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Newer`]; [`Error::Refused`] where the settings name no usable GitHub.
    pub fn open(directory: &Path, dependencies: Dependencies, settings: Settings) -> Result<Self, Error> {
        let Dependencies { clock, quotas, sealer, standing, egress, dispatch, client } = dependencies;
        Ok(Self(Arc::new(State {
            database: Database::open(&directory.join("webhooks.db"), schema::MIGRATIONS)?,
            github: github::Api::new(client, &settings.github)?,
            settings,
            clock,
            quotas,
            sealer,
            standing,
            egress,
            dispatch,
            deliveries: Notify::new(),
            events: Notify::new(),
            failing: AtomicBool::new(false),
        })))
    }

    /// Starts what moves by itself: deliveries, the handing on of events, and the forgetting of what is long done.
    pub fn start(&self, tasks: &Tasks) {
        for (name, kind) in [("webhook deliveries", Kind::Delivery), ("webhook events", Kind::Event)] {
            let state = self.0.clone();
            tasks.supervise(name, move |stopping| state.clone().work(kind, stopping));
        }
        let state = self.0.clone();
        tasks.supervise("webhook trimming", move |stopping| state.clone().trim(stopping));
    }
}

impl State {
    fn quota(&self, scope: &Scope) -> Quota {
        self.quotas.of(scope.tier, &scope.namespace)
    }

    fn wake(&self, kind: Kind) -> &Notify {
        match kind {
            Kind::Delivery => &self.deliveries,
            Kind::Event => &self.events,
        }
    }

    /// May plain `http` be spoken to that host?
    ///
    /// # Errors
    /// `invalid_request` and `forbidden`, naming `field`.
    fn check_url(&self, field: &str, text: &str) -> Result<(), ServiceError> {
        let url = url::Url::parse(text).ok().filter(|_| text.len() <= 2048);
        let usable = url.filter(|url| {
            matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none()
        });
        let Some(url) = usable else {
            let message = format!("{field}: must be an https URL of at most 2048 bytes, without user and password");
            return Err(ServiceError::invalid(message));
        };
        let host = url.host_str().unwrap_or_default();
        if url.scheme() == "http" && !self.settings.http_hosts.iter().any(|known| known == host) {
            return Err(ServiceError::forbidden(format!(
                "{field}: must be https; plain http to {host} is not allowed"
            )));
        }
        Ok(())
    }
}

/// Refuses callers without durable storage.
fn durable(scope: &Scope) -> Result<(), ServiceError> {
    if scope.is_durable() {
        return Ok(());
    }
    Err(ServiceError::forbidden("Anonymous callers have no durable storage"))
}

/// A new id, greater than all before it.
fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// SQLite's integers are signed.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn to_json(value: &impl Serialize, column: &'static str) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { column, source })
}

fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { column, source })
}

/// A status is stored as the word it has in JSON.
fn word_of<T: Serialize>(status: T) -> String {
    match serde_json::to_value(status) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn from_word<T: DeserializeOwned>(word: String, column: &'static str) -> Result<T, Error> {
    serde_json::from_value(Value::String(word)).map_err(|source| Error::Damaged { column, source })
}

/// Limit and offset of a page.
fn page(limit: Option<u32>, offset: Option<u64>) -> Result<(u32, u64), ServiceError> {
    match limit.unwrap_or(100) {
        limit @ 1..=1000 => Ok((limit, offset.unwrap_or_default())),
        _ => Err(ServiceError::invalid("options.limit: must be 1 to 1000")),
    }
}

fn paged<T>(data: Vec<T>, limit: u32, offset: u64, total: i64) -> Page<T> {
    Page { data, pagination: Pagination { limit, offset, total: total.unsigned_abs() } }
}

#[async_trait]
impl Webhooks for EmbeddedWebhooks {
    async fn create_endpoint(&self, scope: &Scope, params: CreateEndpoint) -> Result<CreatedEndpoint, ServiceError> {
        self.0.create_endpoint(scope, params.endpoint).await
    }

    async fn list_endpoints(&self, scope: &Scope, _: ListEndpoints) -> Result<Vec<Endpoint>, ServiceError> {
        self.0.list_endpoints(scope).await
    }

    async fn delete_endpoint(&self, scope: &Scope, params: DeleteEndpoint) -> Result<bool, ServiceError> {
        self.0.delete_lane(scope, Kind::Delivery, params.id).await
    }

    async fn send(&self, scope: &Scope, params: Send) -> Result<Vec<String>, ServiceError> {
        self.0.send(scope, params).await
    }

    async fn list_deliveries(&self, scope: &Scope, params: ListDeliveries) -> Result<Page<Delivery>, ServiceError> {
        self.0.list_deliveries(scope, params.options.unwrap_or_default()).await
    }

    async fn retry_delivery(&self, scope: &Scope, params: RetryDelivery) -> Result<Delivery, ServiceError> {
        self.0.retry_delivery(scope, params.id).await
    }

    async fn create_source(&self, scope: &Scope, params: CreateSource) -> Result<Source, ServiceError> {
        self.0.create_source(scope, params.source).await
    }

    async fn list_sources(&self, scope: &Scope, _: ListSources) -> Result<Vec<Source>, ServiceError> {
        self.0.list_sources(scope).await
    }

    async fn delete_source(&self, scope: &Scope, params: DeleteSource) -> Result<bool, ServiceError> {
        self.0.delete_lane(scope, Kind::Event, params.id).await
    }

    async fn list_events(&self, scope: &Scope, params: ListEvents) -> Result<Page<Event>, ServiceError> {
        self.0.list_events(scope, params.options.unwrap_or_default()).await
    }

    async fn retry_event(&self, scope: &Scope, params: RetryEvent) -> Result<Event, ServiceError> {
        self.0.retry_event(scope, params.id).await
    }

    async fn sync_to_github(&self, scope: &Scope, params: SyncToGitHub) -> Result<GitHubSync, ServiceError> {
        self.0.sync_to_github(scope, params.options).await
    }

    async fn resolve_conflict(&self, scope: &Scope, params: ResolveConflict) -> Result<GitHubSync, ServiceError> {
        self.0.resolve_conflict(scope, params.conflict_id, params.strategy).await
    }

    fn health(&self) -> Health {
        if self.0.failing.load(Relaxed) { Health::Degraded } else { Health::Ok }
    }
}

#[async_trait]
impl Holder for EmbeddedWebhooks {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        self.0.forget(namespace).await
    }
}
