//! `queue`: messages, at least once, per namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{Page, Service};
use crate::run::{Snippet, WorkerTarget};

contract! {
    /// Messages, delivered at least once. A queue exists as soon as something is sent to it, and belongs to its
    /// namespace. What was accepted is never lost: it is delivered and acknowledged, cancelled, or ends in `<queue>-dlq`.
    /// A message of a dead-letter queue that has no attempt left either is `dead`, and goes nowhere else.
    trait Queue for Service::Queue;

    /// Sends one message. With a `key` that a message of this queue has which is not done yet, nothing is sent: the
    /// answer is that message's id.
    write send(Send {
        /// Name of the queue: 1 to 128 letters, digits or any of `- _ . :`; `-dlq` may follow.
        queue: String,
        /// Any JSON, at most 256 KiB.
        message: Value,
        /// When and how it is delivered.
        options: Option<SendOptions>,
    }) -> Sent, fails with [Quota];

    /// Sends many messages, all or none.
    write batch(Batch {
        /// Name of the queue.
        queue: String,
        /// At most 1000.
        messages: Vec<Value>,
    }) -> SentBatch, fails with [Quota];

    /// Takes messages to work on. Each is invisible to others until it is acknowledged, retried, or its visibility
    /// has passed; then it is delivered again, at most `maxAttempts` times in all.
    write receive(Receive {
        /// Name of the queue.
        queue: String,
        /// How many, and for how long.
        options: Option<ReceiveOptions>,
    }) -> Vec<Delivery>, fails with [Conflict];

    /// Says that messages are done. Those that are not the caller's to acknowledge any more are left out: their
    /// visibility has passed, or they were cancelled.
    write ack(Ack {
        /// Receipts of deliveries, or ids of messages that are being delivered; 1000 at most.
        ids: Vec<String>,
    }) -> Count;

    /// Gives messages back, to be delivered again after a while: where the options do not say, a minute after the first
    /// attempt, and twice as long after each further one, an hour at most. Those that had their last attempt go to
    /// `<queue>-dlq`.
    write retry(Retry {
        /// Receipts of deliveries, or ids of messages that are being delivered; 1000 at most.
        ids: Vec<String>,
        /// After how long.
        options: Option<RetryOptions>,
    }) -> Count;

    /// A message and where it stands, or null.
    read get_job = "getJob"(GetJob {
        /// Its id.
        id: String,
    }) -> Option<Job>;

    /// Messages, the newest first. A page ends early where its messages have 16 MiB.
    read list_jobs = "listJobs"(ListJobs {
        /// Which of them.
        options: Option<ListJobsOptions>,
    }) -> Page<Job>;

    /// Takes a message back that is not done; says whether there was one.
    write cancel_job = "cancelJob"(CancelJob {
        /// Its id.
        id: String,
    }) -> bool;

    /// How many messages there are, by state.
    read get_stats = "getStats"(GetStats {
        /// Of one queue; of each where absent, and then of the first 1000 by name.
        queue: Option<String>,
    }) -> Vec<Stats>;

    /// Names the code that is called with a queue's messages, or replaces it. While a queue has a consumer, `receive`
    /// on it is a `conflict`.
    write set_consumer = "setConsumer"(SetConsumer {
        /// Name of the queue.
        queue: String,
        /// A snippet; its `input` is `{queue, messages: [{id, body, attempts, timestamp}]}`. All are acknowledged when it
        /// returns and retried when it throws; where it returns `{retry: [ids]}`, those are. Or `{worker: {id}}`: its
        /// `queue(batch, env, ctx)`, with `retry()` on messages and batch.
        target: ConsumerTarget,
        /// How it is called.
        options: Option<ConsumerOptions>,
    }) -> Consumer, fails with [Quota];

    /// The code that a queue's messages go to, or null.
    read get_consumer = "getConsumer"(GetConsumer {
        /// Name of the queue.
        queue: String,
    }) -> Option<Consumer>;

    /// Leaves a queue without consumer; says whether it had one.
    write remove_consumer = "removeConsumer"(RemoveConsumer {
        /// Name of the queue.
        queue: String,
    }) -> bool;
}

/// When and how a message is delivered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SendOptions {
    /// Not before so many seconds have passed; at most 30 days.
    pub delay_seconds: Option<u64>,
    /// While a message with this key is not done, no second one is sent. 1 to 256 bytes.
    pub key: Option<String>,
    /// Deliveries before it goes to the dead-letter queue; 3 where absent, 100 at most.
    pub max_attempts: Option<u32>,
    /// The higher, the sooner among those that are due; 0 where absent.
    pub priority: Option<i32>,
}

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// Its id.
    pub id: String,
}

/// Messages that were accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentBatch {
    /// Their ids, in order.
    pub ids: Vec<String>,
}

/// How many messages to take, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReceiveOptions {
    /// At most so many; 1 where absent, 100 at most. Fewer come where they have more than 8 MiB.
    pub max: Option<u32>,
    /// For so many seconds; 30 where absent, 12 hours at most.
    pub visibility_seconds: Option<u64>,
}

/// After how long a message comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryOptions {
    /// So many seconds; at most 30 days.
    pub delay_seconds: Option<u64>,
}

/// A message in somebody's hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The message's id.
    pub id: String,
    /// Proves that it is this delivery which is acknowledged, and not a later one.
    pub receipt: String,
    /// What was sent.
    pub body: Value,
    /// How many deliveries there were, this one included.
    pub attempts: u32,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub timestamp: u64,
}

/// How many were meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// So many.
    pub count: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// It is due.
    Pending,
    /// It will be due.
    Delayed,
    /// Somebody works on it.
    Active,
    /// It was acknowledged.
    Completed,
    /// It had its last attempt; a copy is in the dead-letter queue.
    Dead,
    /// It was taken back.
    Cancelled,
}

/// A message and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// What was sent.
    pub body: Value,
    /// Where it stands.
    pub status: JobStatus,
    /// Deliveries so far.
    pub attempts: u32,
    /// Deliveries at most.
    pub max_attempts: u32,
    /// The higher, the sooner.
    pub priority: i32,
    /// The sender's key.
    pub key: Option<String>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it is due, or its visibility ends.
    pub due_at: u64,
    /// When it was done, one way or the other.
    pub finished_at: Option<u64>,
}

/// Which messages to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListJobsOptions {
    /// Of this queue only.
    pub queue: Option<String>,
    /// In this state only.
    pub status: Option<JobStatus>,
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
}

/// How many messages a queue has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Its name.
    pub queue: String,
    /// Due.
    pub pending: u64,
    /// Due later.
    pub delayed: u64,
    /// In somebody's hands.
    pub active: u64,
    /// Acknowledged, as far as they are remembered.
    pub completed: u64,
    /// Given up, as far as they are remembered.
    pub dead: u64,
}

/// How a consumer is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsumerOptions {
    /// Messages in one call; 10 where absent, 100 at most.
    pub max_batch: Option<u32>,
    /// Calls at the same time; 1 where absent, 10 at most.
    pub max_concurrency: Option<u32>,
}

/// What a queue's messages go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ConsumerTarget {
    /// Code.
    Snippet(Snippet),
    /// A worker of the namespace.
    Worker(WorkerConsumer),
}

/// A worker as a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct WorkerConsumer {
    /// Which worker.
    pub worker: WorkerTarget,
}

impl From<Snippet> for ConsumerTarget {
    fn from(snippet: Snippet) -> Self {
        Self::Snippet(snippet)
    }
}

/// Read as one object, so that whatever is wrong is told with its path.
impl<'de> Deserialize<'de> for ConsumerTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Fields {
            code: Option<String>,
            language: Option<String>,
            bindings: Option<Vec<String>>,
            worker: Option<WorkerTarget>,
        }
        let Fields { code, language, bindings, worker } = Fields::deserialize(deserializer)?;
        match (code, worker) {
            (Some(code), None) => Ok(Self::Snippet(Snippet { code, language, bindings })),
            (None, Some(worker)) if language.is_none() && bindings.is_none() => {
                Ok(Self::Worker(WorkerConsumer { worker }))
            }
            (None, Some(_)) => Err(D::Error::custom("`language` and `bindings` belong to `code`")),
            (Some(_), Some(_)) => Err(D::Error::custom("has `code` and `worker`; there can be one of them")),
            (None, None) => Err(D::Error::missing_field("code")),
        }
    }
}

/// Code that a queue's messages go to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// Name of the queue.
    pub queue: String,
    /// The code, or the worker.
    pub target: ConsumerTarget,
    /// Messages in one call.
    pub max_batch: u32,
    /// Calls at the same time.
    pub max_concurrency: u32,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
}
