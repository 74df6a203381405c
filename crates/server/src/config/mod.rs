//! The configuration as the rest of the server sees it: read once, checked, and never changed.

mod ingress;
mod layers;
mod limits;
mod load;
mod problem;
mod reader;
mod render;
mod section;
mod services;
pub mod units;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use doer_sandbox::{loader::Bounds, worker::CompatibilityDate};

pub use ingress::Ingress;
pub use limits::LimitTable;
pub use load::Sources;
pub use problem::{ConfigError, Origin, Problem};
pub use services::{Kind, Services};

/// Everything that can be configured; `config/default.toml` explains each key.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[data]`
    pub data: Data,
    /// `[auth]`
    pub auth: Auth,
    /// `[execution]`
    pub execution: Execution,
    /// `[workers]`
    pub workers: Workers,
    /// `[ingress]`
    pub ingress: Ingress,
    /// `[compiler]`
    pub compiler: Compiler,
    /// `[limits.*]` and `[tenants.*]`
    pub limits: LimitTable,
    /// `[services.*]` and `[egress]`
    pub services: Services,
    /// `[tls]`
    pub tls: Tls,
    /// `[log]`
    pub log: Log,
    /// All of it as a table, for `doer config`.
    effective: toml::Table,
}

/// The API listener.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its address.
    pub listen: SocketAddr,
    /// The largest request body of anyone.
    pub body_limit_bytes: usize,
    /// For one whole request body.
    pub body_read_timeout: Duration,
    /// For all request bodies together.
    pub body_budget_bytes: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// For one request head, and between requests.
    pub header_read_timeout: Duration,
    /// From the signal to the cancellation of what still runs.
    pub shutdown_deadline: Duration,
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Its address.
    pub listen: SocketAddr,
}

/// What is durable.
#[derive(Debug, Clone)]
pub struct Data {
    /// The directory that holds all of it.
    pub dir: PathBuf,
}

/// Who may do what.
#[derive(Debug, Clone)]
pub struct Auth {
    /// May callers of the public tier run code?
    pub anonymous_execution: bool,
    /// Do session cookies go over plain http?
    pub insecure_cookies: bool,
}

/// Running code.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Is there any?
    pub enabled: bool,
    /// Executions at the same time.
    pub concurrency: u32,
    /// Executions that may wait.
    pub queue: usize,
    /// Memory that an idle slot keeps.
    pub keep_resident_bytes: usize,
    /// Threads for long executions; 0 is one per processor.
    pub background_threads: usize,
    /// Memory for kept results.
    pub result_cache_bytes: usize,
    /// Finished executions that are remembered.
    pub recent: usize,
}

/// Code that is registered under an id.
#[derive(Debug, Clone)]
pub struct Workers {
    /// The compatibility date of one that names none.
    pub compatibility_date: CompatibilityDate,
    /// How much is kept loaded.
    pub bounds: Bounds,
    /// How much is kept on disk of what they have become.
    pub disk_bytes: u64,
    /// Workers with series of their own in `/metrics`.
    pub series: usize,
}

/// Compiler processes.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// At the same time.
    pub processes: usize,
    /// Compilations that may wait.
    pub queue: usize,
    /// For one compilation.
    pub timeout: Duration,
    /// Address space of one process.
    pub memory_bytes: u64,
}

/// TLS, wherever doer speaks it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificates that are trusted beside the operating system's.
    pub ca_file: Option<PathBuf>,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct Log {
    /// Their form.
    pub format: LogFormat,
    /// What is written: a level, or directives of `tracing-subscriber`.
    pub level: String,
}

/// The form of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For machines: one object a line.
    Json,
}
