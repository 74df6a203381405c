//! Code that services run: they are made before whoever runs it, who needs them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    run::{CodeRunner, Happening, RunError, Snippet, WorkerTarget},
    scope::Scope,
    service::{Code, ServiceError},
};
use serde_json::{Value, value::RawValue};

/// A runner that is named later. Until then there is none.
#[derive(Default)]
pub struct LateRunner(OnceLock<Arc<dyn CodeRunner>>);

impl LateRunner {
    /// Names it. Whoever was named first stays: there is one in an installation.
    pub fn connect(&self, runner: Arc<dyn CodeRunner>) {
        let _ = self.0.set(runner);
    }
}

#[async_trait]
impl CodeRunner for LateRunner {
    fn check(&self, scope: &Scope, snippet: &Snippet) -> Result<(), ServiceError> {
        match self.0.get() {
            Some(runner) => runner.check(scope, snippet),
            None => Err(ServiceError::new(Code::ServiceUnavailable, "The server is starting")),
        }
    }

    async fn run(
        &self,
        scope: &Scope,
        snippet: &Snippet,
        input: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        match self.0.get() {
            Some(runner) => runner.run(scope, snippet, input, timeout).await,
            None => Err(RunError { message: "The server is starting".to_owned(), counts: false }),
        }
    }

    async fn tell(
        &self,
        scope: &Scope,
        target: &WorkerTarget,
        what: Happening,
        event: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        match self.0.get() {
            Some(runner) => runner.tell(scope, target, what, event, timeout).await,
            None => Err(RunError { message: "The server is starting".to_owned(), counts: false }),
        }
    }
}
