//! What can go wrong on our side; what the guest does wrong is an outcome and not an error.

use thiserror::Error;

/// A failure of the host, not of the guest.
#[derive(Debug, Error)]
pub enum Error {
    /// As many executions run and wait as the configuration allows.
    #[error("the sandbox is full: {running} executions run and {waiting} wait")]
    Full {
        /// Slots in use.
        running: usize,
        /// Executions in the queue.
        waiting: usize,
    },
    /// The engine refused something that it should not have.
    #[error("the engine failed while {during}")]
    Engine {
        /// What was being done.
        during: &'static str,
        /// wasmtime's own account.
        #[source]
        source: wasmtime::Error,
    },
    /// The guest's answer made no sense.
    #[error("the guest broke the protocol: {0}")]
    Protocol(String),
    /// The compiler process could not be used.
    #[error("the compiler process failed: {0}")]
    Compiler(String),
    /// Our own code panicked while it ran a guest; the panic has been reported where it happened.
    #[error("an execution ended by a panic of the host")]
    Panicked,
    /// The file system refused something.
    #[error("{path}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
