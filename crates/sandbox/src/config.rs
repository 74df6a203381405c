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
    /// Memory that an idle slot keeps, so that the next execution takes no page faults there: what executions have
    /// written. A slot with more of it starts anew.
    pub keep_resident_bytes: usize,
    /// Where compiled artifacts are kept; made with mode 0700 where it does not exist.
    pub cache_dir: PathBuf,
    /// What workers have become (images of their heaps, native code) is kept there too, so many bytes of it; the least
    /// recently used goes first. 0 keeps nothing.
    pub disk_bytes: u64,
    /// Authenticates what is on disk; a secret of the installation.
    pub installation_key: [u8; 32],
    /// Threads for executions that used up their first slice.
    pub background_threads: usize,
    /// The process that compiles TypeScript and Wasm.
    pub compiler: CompilerConfig,
}

impl SandboxConfig {
    /// A sandbox of ordinary size: 64 executions at once, 256 MiB for each at most.
    pub fn new(cache_dir: PathBuf, installation_key: [u8; 32], compiler: CompilerConfig) -> Self {
        Self {
            concurrency: 64,
            queue: 1000,
            max_memory_bytes: 256 << 20,
            keep_resident_bytes: 1600 << 10,
            cache_dir,
            disk_bytes: 1 << 30,
            installation_key,
            background_threads: std::thread::available_parallelism().map_or(1, usize::from),
            compiler,
        }
    }
}

impl CompilerConfig {
    /// One process at a time, which this program starts with these arguments.
    pub fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program, args, processes: 1, queue: 100, timeout: Duration::from_secs(10), memory_bytes: 2 << 30 }
    }
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
    /// Wall-clock time of one compilation; the CPU time is limited to the same. Wasm has it once more for every 2 MiB.
    pub timeout: Duration,
    /// Address space of the process.
    pub memory_bytes: u64,
}
