//! What a sandbox is set up with.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Executions that run at the same time, suspended ones included: slots of the instance pool.
    pub concurrency: u32,
    /// Executions that may wait for a slot; one more is refused.
    pub queue: usize,
    /// The most linear memory that any execution may be given.
    pub max_memory_bytes: u64,
    /// Memory that an idle slot keeps, so that the next execution takes no page faults there. All of it is wiped
    /// after every execution, so it should not be much more than the base image: 1.5 MiB.
    pub keep_resident_bytes: usize,
    /// Where compiled artifacts are kept; made with mode 0700 where it does not exist.
    pub cache_dir: PathBuf,
    /// Authenticates artifacts on disk; a secret of the installation.
    pub installation_key: [u8; 32],
    /// Threads for executions that used up their first slice.
    pub background_threads: usize,
    /// The process that compiles TypeScript and Wasm.
    pub compiler: CompilerConfig,
}

/// The child process that compiles what must not be compiled in this one.
#[derive(Debug, Clone)]
pub struct CompilerConfig {
    /// Program to start; it must call [`crate::compiler::serve`].
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Processes at the same time.
    pub processes: usize,
    /// Compilations that may wait for one.
    pub queue: usize,
    /// Wall-clock time of one compilation; the CPU time is limited to the same.
    pub timeout: Duration,
    /// Address space of the process.
    pub memory_bytes: u64,
}
