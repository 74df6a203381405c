//! Compiler processes, bounded in number, and the queue in front of them.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    answer::{Compiled, CompiledModule, Job, Refusal, Reply, TypeScript},
    error::{CompileError, cut},
    process::Process,
};
use crate::CompilerConfig;

/// A process is replaced after this many jobs, so that nothing it leaks or fragments adds up.
const JOBS_PER_PROCESS: u32 = 1000;

/// Bytes of Wasm for which the configured time is given once more. A JavaScript engine made into a component has
/// 13 MB and takes 24 s, where small modules take none: the time that is enough for one is too much for the other, as
/// those who write code to keep a compiler busy need very little of it.
const BYTES_PER_TIMEOUT: u64 = 2 << 20;

/// Compiles in child processes. They are started when they are needed; cheap to clone, all clones share them.
///
/// Dropping one of its futures kills the process that was working on it: none is left busy, and no answer
/// can reach a later request.
#[derive(Debug, Clone)]
pub struct Compiler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: CompilerConfig,
    /// One permit per compilation that runs or waits.
    admitted: Semaphore,
    /// One permit per process that works.
    running: Semaphore,
    /// One permit less: Wasm can take seconds where TypeScript takes milliseconds, and must not hold up all of it.
    wasm: Semaphore,
    /// Processes that wait, all of them for TypeScript. With those that work, never more than the configuration says.
    idle: Mutex<Vec<Process>>,
}

impl Compiler {
    /// Prepares the pool; starts no process yet. With none configured, it has one.
    pub fn new(mut config: CompilerConfig) -> Self {
        config.processes = config.processes.max(1);
        let processes = config.processes;
        Self {
            inner: Arc::new(Inner {
                admitted: Semaphore::new(processes.saturating_add(config.queue).min(Semaphore::MAX_PERMITS)),
                running: Semaphore::new(processes),
                wasm: Semaphore::new((processes - 1).max(1)),
                idle: Mutex::default(),
                config,
            }),
        }
    }

    /// TypeScript, with or without JSX, to JavaScript.
    ///
    /// # Errors
    /// `SyntaxError` with the position in the user's text; a limit; or the pool is full or broken.
    pub async fn typescript(&self, request: TypeScript) -> Result<Compiled, CompileError> {
        let inner = &*self.inner;
        let _place = inner.admit()?;
        let _turn = acquire(&inner.running).await?;
        let mut process = match inner.take_idle() {
            Some(process) => process,
            None => Process::start(&inner.config, inner.config.timeout).await?,
        };
        let job = Job::TypeScript { jsx: request.jsx, kind: request.kind };
        let (reply, body) = process.run(job, request.code.as_bytes(), inner.config.timeout).await?;
        inner.keep(process);
        match reply {
            Reply::Script { mappings } => Ok(Compiled { code: text(body)?, mappings }),
            Reply::Refused(refusal) => Err(refused(refusal)),
            Reply::Ready | Reply::Module { .. } => Err(nonsense()),
        }
    }

    /// A Wasm module or component, as a binary or as text, to a serialized one for an engine of this crate's
    /// configuration.
    ///
    /// # Errors
    /// `SyntaxError` in text and `CompileError` in binaries; a limit; or the pool is full or broken.
    pub async fn wasm(&self, bytes: Vec<u8>, text: bool) -> Result<CompiledModule, CompileError> {
        let inner = &*self.inner;
        let _place = inner.admit()?;
        let _share = acquire(&inner.wasm).await?;
        let _turn = acquire(&inner.running).await?;
        inner.make_room();
        // Its answer is native code: no other guest's code was ever in this process, nor will be.
        let limit = inner.time_for_wasm(bytes.len() as u64);
        let mut process = Process::start(&inner.config, limit).await?;
        let (reply, body) = process.run(Job::Wasm { text }, &bytes, limit).await?;
        match reply {
            Reply::Module { memory_bytes } => Ok(CompiledModule { artifact: body, memory_bytes }),
            Reply::Refused(refusal) => Err(refused(refusal)),
            Reply::Ready | Reply::Script { .. } => Err(nonsense()),
        }
    }
}

impl Inner {
    fn admit(&self) -> Result<SemaphorePermit<'_>, CompileError> {
        let full = |_| CompileError::Full { running: self.config.processes, waiting: self.config.queue };
        self.admitted.try_acquire().map_err(full)
    }

    /// In proportion to its size, which somebody had to send.
    fn time_for_wasm(&self, bytes: u64) -> Duration {
        let times = 1 + bytes / BYTES_PER_TIMEOUT;
        self.config.timeout.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
    }

    fn take_idle(&self) -> Option<Process> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // One that died while it waited is nobody's fault and no answer.
        idle.retain_mut(Process::is_alive);
        idle.pop()
    }

    fn keep(&self, process: Process) {
        if process.jobs < JOBS_PER_PROCESS {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        }
    }

    /// Ends as many waiting processes as are too many beside those that work.
    fn make_room(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.running.available_permits();
        let kept = idle.len().min(room);
        let surplus = idle.split_off(kept);
        mem::drop(idle);
        mem::drop(surplus);
    }
}

async fn acquire(semaphore: &Semaphore) -> Result<SemaphorePermit<'_>, CompileError> {
    semaphore.acquire().await.map_err(|_| CompileError::Unavailable("it is shut down".to_owned()))
}

fn refused(Refusal { name, message, position }: Refusal) -> CompileError {
    let (line, column) = position.unzip();
    CompileError::Refused { name: name.as_str(), message: cut(message), line, column }
}

fn text(body: Vec<u8>) -> Result<String, CompileError> {
    String::from_utf8(body).map_err(|_| nonsense())
}

fn nonsense() -> CompileError {
    CompileError::Unavailable("its answer makes no sense".to_owned())
}
