//! What one run is given beside its code.

use std::time::Instant;

use doer_core::{limits::Limits, scoped::ScopedServices};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use doer_guest_protocol::Surface;

/// One run of a program.
#[derive(Debug)]
pub struct Invocation {
    /// What the code sees as `input`; `undefined` where absent.
    pub input: Option<Box<RawValue>>,
    /// What the code sees as its read-only `ctx`: a JSON object.
    pub context: Box<RawValue>,
    /// `Full`, or `Pure` for evaluation without bindings, context and network.
    pub surface: Surface,
    /// What it may use.
    pub limits: Limits,
    /// When its time on the clock began: whoever let it wait before that has used some of it up.
    pub started: Instant,
    /// The services it is granted, and the way to the network; without them there is neither. Their ledger is the
    /// budget for calls. Code that runs `Pure` gets none.
    pub services: Option<ScopedServices>,
    /// Cut result and logs at the output limit, rather than end the run.
    pub truncate: bool,
    /// What becomes of console output.
    pub console: Console,
    /// Ends the run from outside; its answer then has the code `cancelled`.
    pub cancel: CancellationToken,
}

/// What becomes of console output.
#[derive(Debug, Default)]
pub enum Console {
    /// Collected in the outcome.
    #[default]
    Capture,
    /// Collected, and each line sent as it is written. Bounded by the output limit.
    Stream(mpsc::UnboundedSender<String>),
    /// Thrown away; counts towards no limit.
    Discard,
}
