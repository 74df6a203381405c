//! What came of a run.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use doer_core::{fault::Termination, ledger::FetchRecord};
use serde_json::value::RawValue;

use crate::{Body, Error};

/// What came of a run: an answer or the guest's error, and everything it used and wrote either way.
#[derive(Debug)]
pub struct Outcome<A = Answer> {
    /// What it returned, or why it did not.
    pub answer: Result<A, GuestError>,
    /// One string per console call, in order; `[warn] ` or `[error] ` before those levels.
    pub logs: Vec<String>,
    /// Result or logs were cut at the output limit.
    pub truncated: bool,
    /// Requests that it sent, where the ledger of its services notes them.
    pub requests: Vec<FetchRecord>,
    /// What it used.
    pub usage: Usage,
}

/// What a run returned.
#[derive(Debug)]
pub struct Answer {
    /// Valid JSON.
    pub result: Box<RawValue>,
    /// Where the result was the body of a `Response`.
    pub response: Option<ResponseHead>,
}

/// A worker's answer to a request.
#[derive(Debug)]
pub struct Reply {
    /// Status and headers.
    pub head: ResponseHead,
    /// The body.
    pub body: Body,
}

/// A worker's answer to a request, with all of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeReply {
    /// Status and headers.
    pub head: ResponseHead,
    /// The whole body.
    pub body: Bytes,
}

impl<A> Outcome<A> {
    /// The same with another answer.
    pub(crate) fn with<B>(self, answer: Result<B, GuestError>) -> Outcome<B> {
        let Self { answer: _, logs, truncated, requests, usage } = self;
        Outcome { answer, logs, truncated, requests, usage }
    }
}

/// The error of a run that a limit ended.
pub(crate) fn limit_error(code: Termination, message: String) -> GuestError {
    GuestError { name: "LimitError".to_owned(), message, code: Some(code), ..GuestError::default() }
}

/// What came of a run that ended well.
#[derive(Debug)]
pub(crate) enum Finished {
    Result(Answer),
    Response(Reply),
    /// What a method returned that another worker called, as guests write values.
    Cloned(Cloned),
    /// Nothing more: the answer was given before.
    Over,
}

/// A value as guests write it for each other.
#[derive(Debug)]
pub(crate) struct Cloned(pub(crate) String);

fn another() -> Error {
    Error::Protocol("an answer to another question".to_owned())
}

impl TryFrom<Finished> for Cloned {
    type Error = Error;

    fn try_from(finished: Finished) -> Result<Self, Error> {
        match finished {
            Finished::Cloned(text) => Ok(text),
            Finished::Result(_) | Finished::Response(_) | Finished::Over => Err(another()),
        }
    }
}

impl TryFrom<Finished> for Answer {
    type Error = Error;

    fn try_from(finished: Finished) -> Result<Self, Error> {
        match finished {
            Finished::Result(answer) => Ok(answer),
            Finished::Response(_) | Finished::Cloned(_) | Finished::Over => Err(another()),
        }
    }
}

impl TryFrom<Finished> for Reply {
    type Error = Error;

    fn try_from(finished: Finished) -> Result<Self, Error> {
        match finished {
            Finished::Response(reply) => Ok(reply),
            Finished::Result(_) | Finished::Cloned(_) | Finished::Over => Err(another()),
        }
    }
}

/// Status and headers of a `Response` that became a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, in order; a name may come more than once.
    pub headers: Vec<(String, String)>,
}

impl ResponseHead {
    /// What it counts towards the limit on output.
    pub(crate) fn bytes(&self) -> u64 {
        self.headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}

/// How a run failed by its own doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuestError {
    /// `TypeError`, `SyntaxError`, ...
    pub name: String,
    /// The message.
    pub message: String,
    /// Frames in the user's own lines and columns.
    pub stack: Option<String>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// Set where a limit or a cancellation ended it.
    pub code: Option<Termination>,
}

/// What a run used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// From being accepted by the sandbox to its end, the wait for a free slot included.
    pub wall: Duration,
    /// CPU time on our threads.
    pub cpu: Duration,
    /// Fuel.
    pub fuel: u64,
    /// The most linear memory it held.
    pub peak_memory_bytes: u64,
    /// Result and logs.
    pub output_bytes: u64,
    /// Service calls, by service; requests under `fetch`.
    pub calls: BTreeMap<String, u32>,
    /// Had to be evaluated or compiled first.
    pub cold_start: bool,
}
