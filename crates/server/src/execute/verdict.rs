//! How an execution ended, in one word: for logs, metrics and receipts.

use doer_core::fault::Termination;
use doer_sandbox::Outcome;

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It returned.
    Ok,
    /// It threw, or could not be evaluated.
    GuestError,
    /// A limit or a cancellation ended it.
    Terminated(Termination),
    /// We failed.
    HostError,
}

impl Verdict {
    /// The verdict on an outcome.
    pub fn of<A>(outcome: &Outcome<A>) -> Self {
        match &outcome.answer {
            Ok(_) => Self::Ok,
            Err(error) => error.code.map_or(Self::GuestError, Self::Terminated),
        }
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::GuestError => "guest_error",
            Self::Terminated(termination) => termination.code(),
            Self::HostError => "host_error",
        }
    }
}
