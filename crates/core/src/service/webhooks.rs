//! `webhooks`: events out to others, and events in from providers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Page, Service};
use crate::run::Target;

contract! {
    /// Webhooks. Out: events are sent to the endpoints that a namespace has registered, signed as
    /// [Standard Webhooks](https://www.standardwebhooks.com) has it, retried over a day. In: `POST
    /// /webhooks/{provider}/{endpoint}` verifies and keeps what a provider sends, once per event.
    trait Webhooks for Service::Webhooks;

    /// Registers a URL that events are sent to. Its signing secret is in this answer and nowhere else, ever again.
    write create_endpoint = "createEndpoint"(CreateEndpoint {
        /// The endpoint.
        endpoint: NewEndpoint,
    }) -> CreatedEndpoint, fails with [Forbidden, Quota];

    /// The endpoints of the namespace, the oldest first.
    read list_endpoints = "listEndpoints"(ListEndpoints {}) -> Vec<Endpoint>;

    /// Removes an endpoint; what is still to be delivered to it is dead. Says whether there was one.
    write delete_endpoint = "deleteEndpoint"(DeleteEndpoint {
        /// Its id.
        id: String,
    }) -> bool;

    /// Sends an event to every endpoint that wants it; gives the ids of the deliveries.
    write send(Send {
        /// Name of the event, like `invoice.paid`.
        event: String,
        /// Any JSON, at most 256 KiB.
        payload: Value,
    }) -> Vec<String>, fails with [Quota];

    /// Deliveries, the newest first.
    read list_deliveries = "listDeliveries"(ListDeliveries {
        /// Which of them.
        options: Option<ListDeliveriesOptions>,
    }) -> Page<Delivery>;

    /// Tries a delivery that failed or is dead again, now.
    write retry_delivery = "retryDelivery"(RetryDelivery {
        /// Its id.
        id: String,
    }) -> Delivery, fails with [NotFound, Conflict];

    /// Accepts events of a provider at `POST /webhooks/{provider}/{endpoint}`. The answer names the path. A `secret` is
    /// kept sealed and never shown.
    write create_source = "createSource"(CreateSource {
        /// The source.
        source: NewSource,
    }) -> Source, fails with [Conflict, Forbidden, Quota];

    /// The sources of the namespace, the oldest first.
    read list_sources = "listSources"(ListSources {}) -> Vec<Source>;

    /// Accepts a source's events no longer; says whether there was one.
    write delete_source = "deleteSource"(DeleteSource {
        /// Its id.
        id: String,
    }) -> bool;

    /// Events that came in, the newest first. A page is shorter where its payloads are more than 8 MiB together.
    read list_events = "listEvents"(ListEvents {
        /// Which of them.
        options: Option<ListEventsOptions>,
    }) -> Page<Event>;

    /// Hands an event on once more, also one that was handed on already.
    write retry_event = "retryEvent"(RetryEvent {
        /// Our id of it.
        id: String,
    }) -> Event, fails with [NotFound, Conflict];

    /// Writes a file to a repository on GitHub, as a commit or as a pull request. The first write takes over a file that
    /// is there already. Where the file has changed since this
    /// namespace last wrote it, nothing is written, and the answer names a conflict.
    write sync_to_github = "syncToGitHub"(SyncToGitHub {
        /// What to write, and where.
        options: GitHubOptions,
    }) -> GitHubSync, fails with [Forbidden, NotFound, UpstreamError, Timeout];

    /// Settles a conflict: `ours` writes our content over theirs, `theirs` keeps theirs, `merge` writes a three-way merge
    /// where it has no overlap, `manual` only marks it as settled. Either way what stands there then is what later writes
    /// are held against.
    write resolve_conflict = "resolveConflict"(ResolveConflict {
        /// Its id.
        conflict_id: String,
        /// How.
        strategy: Strategy,
    }) -> GitHubSync, fails with [NotFound, Conflict, UpstreamError, Timeout];
}

/// A URL to register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEndpoint {
    /// `https`, or `http` to hosts for which the installation allows it; the egress rules hold for it too.
    pub url: String,
    /// 1 to 100 names of events; `*` alone is all of them, `invoice.*` all that begin with `invoice.`.
    pub events: Vec<String>,
}

/// A URL that events are sent to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// What it wants.
    pub events: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
}

/// An endpoint that was just registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedEndpoint {
    /// What its owner verifies signatures with: `whsec_` and base64.
    pub secret: String,
    /// The rest.
    #[serde(flatten)]
    pub endpoint: Endpoint,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It will be tried.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// The last attempt failed; it will be tried again.
    Failed,
    /// It was given up.
    Dead,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id, which the endpoint sees as `webhook-id`.
    pub id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// Name of the event.
    pub event: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// Status of the last answer.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it is tried next, in milliseconds since the Unix epoch.
    pub next_attempt_at: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch.
    pub delivered_at: Option<u64>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListDeliveriesOptions {
    /// To this endpoint only.
    pub endpoint_id: Option<String>,
    /// In this state only.
    pub status: Option<DeliveryStatus>,
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
}

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// `Stripe-Signature`.
    Stripe,
    /// `X-Hub-Signature-256`.
    Github,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// `WorkOS-Signature`.
    Workos,
    /// `X-Signature: sha256=<hex of HMAC-SHA256 over "{timestamp}.{body}">`, with `X-Timestamp`.
    Hmac,
}

/// A source to accept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSource {
    /// How it signs.
    pub provider: Provider,
    /// The last part of its path: 8 to 128 letters, digits, `_` and `-`; made up where absent. No two sources of a
    /// provider have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What it signs with: text, or for Svix and Standard Webhooks base64, after `whsec_` or without.
    pub secret: String,
    /// Where its events go; they are only kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Its id.
    pub id: String,
    /// How it signs.
    pub provider: Provider,
    /// The last part of its path.
    pub endpoint: String,
    /// The whole path.
    pub path: String,
    /// Where its events go.
    pub target: Option<Target>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
}

/// Where an event that came in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// It will be handed on.
    Pending,
    /// It was handed on, or its source has no target.
    Processed,
    /// Handing it on failed; it will be tried again.
    Failed,
    /// It was given up.
    Dead,
}

/// An event that came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Our id of it.
    pub id: String,
    /// Where it came from.
    pub source_id: String,
    /// How that signs.
    pub provider: Provider,
    /// The provider's id of it.
    pub event_id: String,
    /// What the provider calls it, where it says.
    pub event: Option<String>,
    /// What came: parsed where it is JSON, else a string.
    pub payload: Value,
    /// Where it stands.
    pub status: EventStatus,
    /// Attempts to hand it on.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub received_at: u64,
}

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListEventsOptions {
    /// From this source only.
    pub source_id: Option<String>,
    /// In this state only.
    pub status: Option<EventStatus>,
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
}

/// What to write to a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitHubOptions {
    /// `owner/name`.
    pub repository: String,
    /// Path of the file in it.
    pub path: String,
    /// Its content.
    pub content: String,
    /// The commit's message.
    pub message: String,
    /// `main` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Open a pull request rather than commit to the branch.
    #[serde(default, rename = "createPR", skip_serializing_if = "Option::is_none")]
    pub create_pr: Option<bool>,
    /// Its title; the message where absent.
    #[serde(default, rename = "prTitle", skip_serializing_if = "Option::is_none")]
    pub pr_title: Option<String>,
    /// Its text.
    #[serde(default, rename = "prBody", skip_serializing_if = "Option::is_none")]
    pub pr_body: Option<String>,
}

/// What came of writing to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitHubSync {
    /// `committed`, `pull_request`, `unchanged`, `conflict` or `resolved`.
    pub status: SyncStatus,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<String>,
    /// The file's blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// The pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// The conflict, to be settled with `resolveConflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<String>,
}

/// What came of it, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// The branch has a new commit.
    Committed,
    /// A pull request is open.
    PullRequest,
    /// The file has this content already.
    Unchanged,
    /// Somebody else changed the file; nothing was written.
    Conflict,
    /// The conflict is settled, and nothing had to be written.
    Resolved,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Where it is read.
    pub url: String,
}

/// How a conflict is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Our content wins.
    Ours,
    /// Theirs stays.
    Theirs,
    /// Both, where they do not overlap.
    Merge,
    /// Settled elsewhere.
    Manual,
}
