//! Limits of the embedded `db`, beside the quotas of namespaces.

use std::time::Duration;

/// Limits of the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Files that are open at once, about. Each has some file descriptors.
    pub open_databases: usize,
    /// Databases of anonymous callers that are kept at once, about.
    pub open_sessions: usize,
    /// What such a database may hold.
    pub session_bytes: u64,
    /// A database that nobody uses is closed after so long.
    pub idle: Duration,
    /// An SQL statement, and any other call, may run for so long, and wait for its turn for as long again.
    pub query_timeout: Duration,
    /// SQL statements of one namespace, or of all anonymous callers, that run at once.
    pub concurrent_queries: usize,
    /// SQL statements of all namespaces that run at once.
    pub total_queries: usize,
    /// The most rows that a statement gives.
    pub result_rows: usize,
    /// The most bytes that a statement gives, about; a page of things ends before it has more.
    pub result_bytes: usize,
    /// What SQLite may take of memory in this process, whichever service uses it. It can only be lowered: of several
    /// settings the lowest holds.
    pub heap_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            open_databases: 256,
            open_sessions: 64,
            session_bytes: 2 << 20,
            idle: Duration::from_secs(300),
            query_timeout: Duration::from_secs(5),
            concurrent_queries: 4,
            total_queries: 16,
            result_rows: 50_000,
            result_bytes: 8 << 20,
            heap_bytes: 1 << 30,
        }
    }
}
