//! doer as an MCP server: code and services as tools, the declarations of what code sees as a resource.
//!
//! No session is kept. Every request brings its credentials, and is all that its answer depends on; a request that
//! loses its client ends. Only what runs now is known, by caller, session and id, so that `notifications/cancelled`
//! finds it.

mod calls;
mod code;
mod server;
mod tools;

use tokio_util::sync::CancellationToken;

use crate::{auth::Caller, budget::Held};

pub use calls::{Calls, Key, Running};
pub use server::{Server, types};

/// What a message came with, for whoever answers it.
#[derive(Debug)]
pub struct Call {
    /// Who sent it.
    pub caller: Caller,
    /// Cancelled where the client says that it does not wait any more.
    pub cancelled: CancellationToken,
    /// Known by its id as long as it runs.
    pub running: Option<Running>,
    /// Its body's part of the budget.
    pub held: Held,
}
