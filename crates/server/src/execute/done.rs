//! What came of a run, taken apart into what can be kept for others and what is this run's own.

use std::sync::Arc;

use doer_core::{id::ExecutionId, ledger::FetchRecord};
use doer_sandbox::{GuestError, Outcome, ResponseHead, Usage};
use serde_json::value::RawValue;

/// What of a success can be kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Valid JSON.
    pub result: Box<RawValue>,
    /// Where the result was a `Response`.
    pub response: Option<ResponseHead>,
    /// Console output.
    pub logs: Vec<String>,
    /// Something was cut.
    pub truncated: bool,
}

impl Kept {
    /// Roughly what it takes.
    pub fn size_bytes(&self) -> usize {
        let logs: usize = self.logs.iter().map(|line| line.len() + size_of::<String>()).sum();
        let head = self.response.as_ref().map_or(0, |head| {
            head.headers.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum()
        });
        self.result.get().len() + logs + head
    }
}

/// What came of a run, ready to be told.
#[derive(Debug)]
pub struct Done {
    /// The success, or the guest's error with its logs.
    pub outcome: Result<Arc<Kept>, Failed>,
    /// What it used.
    pub usage: Usage,
    /// Its id.
    pub id: ExecutionId,
    /// From the cache?
    pub cache_hit: bool,
    /// Requests that the code made, where they were asked for.
    pub requests: Option<Vec<FetchRecord>>,
}

/// A run that did not succeed.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: GuestError,
    /// Written until then.
    pub logs: Vec<String>,
    /// Something was cut.
    pub truncated: bool,
}

impl Done {
    /// Takes an outcome apart.
    pub fn new(outcome: Outcome, id: ExecutionId, capture_fetch: bool) -> Self {
        let Outcome { answer, logs, truncated, requests, usage } = outcome;
        let outcome = match answer {
            Ok(answer) => Ok(Arc::new(Kept { result: answer.result, response: answer.response, logs, truncated })),
            Err(error) => Err(Failed { error, logs, truncated }),
        };
        Self { outcome, usage, id, cache_hit: false, requests: capture_fetch.then_some(requests) }
    }
}
