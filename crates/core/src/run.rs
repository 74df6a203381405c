//! Work that services keep for later: what it is, and who runs code for them.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{id::WorkerId, scope::Scope, service::ServiceError};

/// Code that a service calls later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snippet {
    /// As `code` of `POST /execute`.
    pub code: String,
    /// `javascript` or `typescript`; found out where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Services that the code gets; all that the tier allows where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindings: Option<Vec<String>>,
}

/// What work that runs later consists of: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Target {
    /// Code, whose `input` says what happened.
    Snippet(Snippet),
    /// A message to a queue of the namespace.
    Queue(QueueTarget),
    /// A request, under the egress rules of the namespace.
    Url(UrlTarget),
    /// A worker of the namespace: its handler for what happened.
    Worker(WorkerTarget),
}

/// A worker. Tasks call its `scheduled(event, env, ctx)`, queues its `queue(batch, env, ctx)`, and events of providers
/// are a `POST` to its `fetch`, with the event as its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerTarget {
    /// Its id.
    pub id: String,
    /// Which of its exports; the default one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
}

/// What happened, as a worker is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A task is due: `{task, scheduledAt, attempt}`.
    Scheduled,
    /// Messages of a queue: `{queue, messages}`; what is returned is `{retry: [ids]}`.
    Queue,
    /// An event of a provider.
    Webhook,
}

impl Happening {
    /// The word for it: where there is a handler of its own, that one's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queue => "queue",
            Self::Webhook => "webhook",
        }
    }
}

/// A message to a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueTarget {
    /// Name of the queue.
    pub queue: String,
    /// The message; what happened, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
}

/// A request. It succeeded where the status is 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UrlTarget {
    /// Where to.
    pub url: String,
    /// `POST` where absent; what happened is its body, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// Runs code on behalf of a scope, with the limits of its tier.
#[async_trait]
pub trait CodeRunner: Send + Sync + 'static {
    /// Checks that code could be run: known language, known bindings that the scope has, not too large.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wants to register it.
    fn check(&self, scope: &Scope, snippet: &Snippet) -> Result<(), ServiceError>;

    /// Runs it once.
    ///
    /// # Errors
    /// Why it did not succeed.
    async fn run(
        &self,
        scope: &Scope,
        snippet: &Snippet,
        input: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError>;

    /// Tells a worker of the scope's namespace what happened, once.
    ///
    /// # Errors
    /// Why it did not succeed; that there is no such worker is one of the reasons.
    async fn tell(
        &self,
        scope: &Scope,
        target: &WorkerTarget,
        what: Happening,
        event: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError>;
}

/// Checks what a target says of a worker. Whether there is one is found out when it is told something: it may come later,
/// and go.
///
/// # Errors
/// `invalid_request`, naming the field below `path`.
pub fn check_worker(path: &str, target: &WorkerTarget) -> Result<(), ServiceError> {
    WorkerId::parse(&target.id).map_err(|error| ServiceError::invalid(format!("{path}.id: {error}")))?;
    let is_name = |name: &String| (1..=MAX_ENTRYPOINT_BYTES).contains(&name.len()) && !name.contains('\0');
    if target.entrypoint.as_ref().is_some_and(|name| !is_name(name)) {
        let message = format!("{path}.entrypoint: must have 1 to {MAX_ENTRYPOINT_BYTES} bytes, and no NUL");
        return Err(ServiceError::invalid(message));
    }
    Ok(())
}

const MAX_ENTRYPOINT_BYTES: usize = 256;

/// Why code did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// Name and message of the error, or which limit was reached.
    pub message: String,
    /// Was it the code? Otherwise the server was full or is stopping: the attempt does not count.
    pub counts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_target_is_checked_by_its_form() {
        let check = |id: &str, entrypoint: Option<&str>| {
            let target = WorkerTarget { id: id.to_owned(), entrypoint: entrypoint.map(str::to_owned) };
            check_worker("target.worker", &target).map_err(|error| error.message.into_owned())
        };
        assert_eq!(check("shop", Some("Orders")), Ok(()));
        assert!(check("a/b", None).unwrap_err().starts_with("target.worker.id: "));
        assert!(check("shop", Some("")).unwrap_err().starts_with("target.worker.entrypoint: "));
    }
}
