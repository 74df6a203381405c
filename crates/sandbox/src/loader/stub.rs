//! A handle on a worker, loaded or not.

use std::sync::Arc;

use doer_core::{limits::Limits, outbound::HttpRequest};
use serde_json::value::RawValue;

use super::{
    registry::Inner,
    slot::{Factory, LoadError, Slot},
    worker::{Source, Worker},
};
use crate::{Answer, Console, Entrypoint, Event, Invocation, Outcome, Reply, Surface, outcome::Finished};

/// A handle on a worker. Cheap to clone; the first call does the work.
#[derive(Clone)]
pub struct Stub {
    pub(super) registry: Arc<Inner>,
    pub(super) slot: Arc<Slot>,
    pub(super) factory: Arc<dyn Factory>,
}

impl std::fmt::Debug for Stub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stub").field("loaded", &self.slot.ready().is_some()).finish_non_exhaustive()
    }
}

impl Stub {
    /// Has the worker answer a request. The invocation's event is replaced by it.
    ///
    /// # Errors
    /// [`LoadError`]: no code, or ours. What the code does wrong is in the outcome.
    pub async fn fetch(
        &self,
        entrypoint: Entrypoint,
        request: HttpRequest,
        invocation: Invocation,
    ) -> Result<Outcome<Reply>, LoadError> {
        self.run(Invocation { event: Event::Fetch(entrypoint, request), ..invocation }).await
    }

    /// Calls a method of the worker with a JSON array of arguments. The invocation's event is replaced by it.
    ///
    /// # Errors
    /// As [`Stub::fetch`].
    pub async fn call(
        &self,
        entrypoint: Entrypoint,
        method: String,
        arguments: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Outcome<Answer>, LoadError> {
        self.run(Invocation { event: Event::Call(entrypoint, method, arguments), ..invocation }).await
    }

    /// Loads the worker, where it is not, and says nothing of what it does.
    ///
    /// # Errors
    /// As [`Stub::fetch`].
    pub async fn loaded(&self) -> Result<(), LoadError> {
        self.worker().await.map(|_| ())
    }

    async fn run<A>(&self, invocation: Invocation) -> Result<Outcome<A>, LoadError>
    where
        A: TryFrom<Finished, Error = crate::Error>,
    {
        let worker = self.worker().await?;
        worker.touch(self.registry.now());
        let sandbox = &self.registry.sandbox;
        let outcome = match (&worker.source, worker.image()) {
            (Source::Wasm(wasm, _), _) => sandbox.run_wasm(wasm.clone(), invocation).await,
            (Source::Script(_), Some(image)) => sandbox.run_image(image.clone(), invocation).await,
            (Source::Script(source), None) => {
                let outcome = sandbox.run_source(Arc::clone(source), invocation).await;
                self.make_image(&worker, outcome.as_ref().is_ok_and(|outcome: &Outcome<A>| outcome.answer.is_ok()));
                outcome
            }
        };
        outcome.map_err(|error| LoadError::Host(Arc::new(error)))
    }

    async fn worker(&self) -> Result<Arc<Worker>, LoadError> {
        if let Some(worker) = self.slot.ready() {
            return Ok(worker);
        }
        let (registry, factory) = (Arc::clone(&self.registry), Arc::clone(&self.factory));
        let settled = {
            let registry = Arc::clone(&registry);
            move || registry.make_room()
        };
        self.slot.worker(move || registry.load(factory), settled).await
    }

    /// Makes the image behind a run that went well: a top level that fails gives none.
    fn make_image(&self, worker: &Arc<Worker>, went_well: bool) {
        if !went_well || !worker.claims_image() {
            return;
        }
        let Source::Script(source) = &worker.source else { return };
        let (registry, worker, source) = (Arc::clone(&self.registry), Arc::clone(worker), Arc::clone(source));
        tokio::spawn(async move {
            let invocation = at_rest(worker.limits);
            match registry.sandbox.image_of(source, invocation).await {
                Ok(Ok(image)) => {
                    worker.keep_image(image);
                    registry.make_room();
                }
                Ok(Err(error)) => tracing::debug!(hash = worker.hash, error = error.message, "no image of a worker"),
                Err(error) => {
                    tracing::debug!(hash = worker.hash, %error, "no image of a worker for now");
                    worker.give_image_up();
                }
            }
        });
    }
}

/// A run of the top level alone.
fn at_rest(limits: Limits) -> Invocation {
    Invocation {
        event: Event::Execute(None),
        context: RawValue::NULL.to_owned(),
        surface: Surface::Full,
        limits,
        started: std::time::Instant::now(),
        services: None,
        truncate: false,
        console: Console::Discard,
        cancel: Default::default(),
    }
}
