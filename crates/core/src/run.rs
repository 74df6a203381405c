//! Work that services keep for later: what it is, and who runs code for them.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::scope::Scope;

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
    fn check(&self, scope: &Scope, snippet: &Snippet) -> Result<(), crate::service::ServiceError>;

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
}

/// Why code did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// Name and message of the error, or which limit was reached.
    pub message: String,
    /// Was it the code? Otherwise the server was full or is stopping: the attempt does not count.
    pub counts: bool,
}
