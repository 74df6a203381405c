//! The sandbox itself: admission to the pool, and one execution at a time from there.

use std::sync::Arc;

use crate::{Error, Invocation, Outcome, Program, SandboxConfig};

/// Runs programs. Cheap to clone; all clones share one pool.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {}

/// What the sandbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Slots there are.
    pub slots: usize,
    /// Executions that hold a slot.
    pub running: usize,
    /// Executions that wait for one.
    pub waiting: usize,
}

impl Sandbox {
    /// Compiles the engine, or loads it from the cache, and brings up everything else.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::Io`] where the host cannot give what is needed.
    pub async fn start(config: SandboxConfig) -> Result<Self, Error> {
        let _ = config;
        Ok(Self { inner: Arc::new(Inner {}) })
    }

    /// Runs `program` once in a pristine heap. Dropping the future ends the run and frees its slot.
    ///
    /// # Errors
    /// Only what is the host's doing: [`Error::Full`] and worse. A guest that fails has an [`Outcome`].
    pub async fn execute(&self, program: Program, invocation: Invocation) -> Result<Outcome, Error> {
        let _ = (program, invocation, &self.inner);
        Err(Error::Full { running: 0, waiting: 0 })
    }

    /// What the sandbox is doing now.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}
