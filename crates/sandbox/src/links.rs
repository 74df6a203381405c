//! What a worker's run is connected with, beside what its invocation says: other workers, secrets, the way out.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use doer_core::outbound::HttpRequest;

use crate::{Error, GuestError, Reply, account::Account};

/// The connections of one run. Code that no loader has loaded has none.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) workers: Option<Arc<dyn Workers>>,
    /// Values of the members of `env` that are secret.
    pub(crate) secrets: Vec<String>,
    /// `ctx.props`, as guests write values; absent where those of the context hold.
    pub(crate) props: Option<String>,
    pub(crate) outbound: Outbound,
    /// The run that called this one, and pays for it.
    pub(crate) caller: Option<Arc<Account>>,
}

/// What answers `fetch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Outbound {
    /// The network, under its policy.
    #[default]
    Policy,
    /// Nothing.
    Nothing,
    /// A worker, by the number of its binding.
    Worker(u32),
}

/// Whom a guest calls.
#[derive(Debug)]
pub(crate) struct Target {
    /// The number of a binding, or of a worker that was loaded; the caller's own worker where there is none.
    pub(crate) worker: Option<u32>,
    pub(crate) entrypoint: Option<String>,
    /// As guests write values.
    pub(crate) props: Option<String>,
    /// JSON text.
    pub(crate) limits: Option<String>,
}

/// The other workers, as one run reaches them.
#[async_trait]
pub(crate) trait Workers: fmt::Debug + Send + Sync {
    /// Calls a method, with arguments as guests write values; so is what comes back.
    async fn call(
        &self,
        caller: &Arc<Account>,
        target: Target,
        method: String,
        arguments: String,
    ) -> Result<String, Refusal>;

    /// Has a worker answer a request.
    async fn fetch(&self, caller: &Arc<Account>, target: Target, request: HttpRequest) -> Result<Reply, Refusal>;

    /// May the run load workers?
    fn loads(&self) -> bool;

    /// Loads a worker, by its id where it has one: its number. `None`: it is not loaded, and there is no code.
    async fn load(&self, id: Option<String>, code: Option<String>) -> Result<Option<u32>, Refusal>;
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thrown(error) => f.write_str(&error.message),
            Self::NotCalled(message) => f.write_str(message),
            Self::Host(error) => error.fmt(f),
        }
    }
}

/// Why a call of a worker gave nothing.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The worker failed; whoever called may go on.
    Thrown(GuestError),
    /// It was not called at all.
    NotCalled(String),
    /// We failed.
    Host(Error),
}
