//! Calls between workers: what one run reaches of the others, on whose behalf, and for how long.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use doer_core::{limits::Limits, outbound::HttpRequest, scoped::ScopedServices};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    bindings::{Props, WorkerBinding, number},
    registry::Key,
    slot::LoadError,
    stub::{Origin, Stub, with_props},
    worker::Worker,
};
use crate::{
    Answered, Console, Entrypoint, Error, Event, Invocation, Reply, Surface,
    account::Account,
    links::{Refusal, Target, Workers},
    outcome::{Cloned, Finished},
};

/// Runs within each other: a worker that calls itself is stopped long before there are no slots left.
const MAX_DEPTH: u32 = 16;
/// Workers that one run loads.
const MAX_LOADED: usize = 1000;

/// The other workers as one run reaches them.
#[derive(Debug)]
pub(super) struct Neighbours {
    stub: Stub,
    worker: Arc<Worker>,
    context: Box<RawValue>,
    pub(super) services: Option<ScopedServices>,
    limits: Limits,
    cancel: CancellationToken,
    depth: u32,
    /// Calls are runs of their own, on the runtime that serves requests: not where the caller happens to be polled.
    pub(super) runtime: Handle,
    loaded: Mutex<Vec<Stub>>,
}

/// Whom a target stands for.
struct Found {
    stub: Stub,
    /// The code that has to be run, where it must not be any other: a run's own.
    worker: Option<Arc<Worker>>,
    entrypoint: Entrypoint,
    props: Option<Props>,
}

impl Neighbours {
    pub(super) fn of(stub: &Stub, worker: &Arc<Worker>, invocation: &Invocation, depth: u32) -> Self {
        Self {
            stub: stub.clone(),
            worker: Arc::clone(worker),
            context: invocation.context.clone(),
            services: invocation.services.clone(),
            limits: invocation.limits,
            cancel: invocation.cancel.clone(),
            depth,
            runtime: Handle::current(),
            loaded: Mutex::default(),
        }
    }

    pub(super) fn tails(&self) -> &[WorkerBinding] {
        &self.worker.links.tails
    }

    /// The worker that a binding names, of the same namespace.
    pub(super) fn bound(&self, binding: &WorkerBinding) -> Result<Stub, Refusal> {
        let namespace = self.stub.namespace.clone();
        let namespace = namespace.ok_or_else(|| not_called("a worker outside of all namespaces is bound to none"))?;
        let key = Key { namespace, id: binding.id.clone() };
        let factory = self.stub.registry.host.factory(&key);
        Ok(self.stub.registry.stub(key, factory))
    }

    fn find(&self, target: &Target) -> Result<Found, Refusal> {
        let entrypoint = Entrypoint(target.entrypoint.clone());
        let props = target.props.clone().map(Props::Cloned);
        let Some(number) = target.worker else {
            let worker = Some(Arc::clone(&self.worker));
            return Ok(Found { stub: self.stub.clone(), worker, entrypoint, props });
        };
        let number = number as usize;
        let bindings = &self.worker.links.workers;
        if let Some(binding) = bindings.get(number) {
            let entrypoint = Entrypoint(target.entrypoint.clone().or_else(|| binding.entrypoint.clone()));
            let props = props.or_else(|| binding.props.clone());
            return Ok(Found { stub: self.bound(binding)?, worker: None, entrypoint, props });
        }
        let stub = self.loaded().get(number - bindings.len()).cloned();
        let stub = stub.ok_or_else(|| not_called("there is no such worker"))?;
        Ok(Found { stub, worker: None, entrypoint, props })
    }

    /// What another worker is given: what is left of this run's time, and of its budget.
    pub(super) fn invocation(&self, event: Event, limits: Limits, services: Option<ScopedServices>) -> Invocation {
        Invocation {
            event,
            context: with_props(&self.context, "{}"),
            surface: Surface::Full,
            limits,
            started: Instant::now(),
            services,
            truncate: false,
            console: Console::Capture,
            cancel: self.cancel.clone(),
        }
    }

    async fn run<A>(
        &self,
        caller: &Arc<Account>,
        target: Target,
        event: impl FnOnce(Entrypoint) -> Event,
    ) -> Result<A, Refusal>
    where
        A: TryFrom<Finished, Error = Error> + Send + 'static,
    {
        if self.depth + 1 > MAX_DEPTH {
            return Err(not_called(&format!("workers call each other more than {MAX_DEPTH} deep")));
        }
        let Found { stub, worker, entrypoint, props } = self.find(&target)?;
        let limits = lowered(caller, target.limits.as_deref())?;
        let invocation = self.invocation(event(entrypoint), limits, self.services.clone());
        let origin = Origin {
            depth: self.depth + 1,
            caller: Some(Arc::clone(caller)),
            props,
            is_tail: false,
            own_grants: worker.is_none(),
        };
        let run = async move {
            match worker {
                Some(worker) => stub.run_on(worker, invocation, origin).await,
                None => stub.run(invocation, origin).await,
            }
        };
        let answered: Result<Answered<A>, LoadError> =
            AbortOnDropHandle::new(self.runtime.spawn(run)).await.map_err(|_| Refusal::Host(Error::Panicked))?;
        match answered {
            Ok(answered) => answered.answer.map_err(Refusal::Thrown),
            Err(LoadError::Host(error)) => {
                tracing::warn!(%error, "a worker could not be run for another");
                Err(not_called("the worker cannot be run now"))
            }
            Err(error) => Err(not_called(&error.to_string())),
        }
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<Stub>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker that was loaded by code is another one for each code that loads it.
    fn key(&self, id: &str) -> Result<Key, Refusal> {
        let namespace = self.stub.namespace.clone();
        let namespace = namespace.ok_or_else(|| not_called("a worker outside of all namespaces loads none by id"))?;
        let parent = blake3::hash(self.worker.hash.as_bytes()).to_hex();
        Ok(Key { namespace, id: format!("{parent}/{id}") })
    }
}

#[async_trait]
impl Workers for Neighbours {
    async fn call(
        &self,
        caller: &Arc<Account>,
        target: Target,
        method: String,
        arguments: String,
    ) -> Result<String, Refusal> {
        let event = |entrypoint| Event::CallCloned(entrypoint, method, arguments);
        self.run(caller, target, event).await.map(|Cloned(text)| text)
    }

    async fn fetch(&self, caller: &Arc<Account>, target: Target, request: HttpRequest) -> Result<Reply, Refusal> {
        self.run(caller, target, |entrypoint| Event::Fetch(entrypoint, request.into())).await
    }

    async fn load(&self, id: Option<String>, code: Option<String>) -> Result<Option<u32>, Refusal> {
        if !self.worker.links.loads {
            return Err(not_called("the loader is not granted"));
        }
        let code =
            code.map(|code| super::code::parse(&code, self.limits)).transpose().map_err(|error| not_called(&error))?;
        let registry = &self.stub.registry;
        let stub = match (id, code) {
            (Some(id), Some(code)) => registry.stub(self.key(&id)?, super::code::factory(code)),
            (None, Some(code)) => registry.anonymous(self.stub.namespace.clone(), super::code::factory(code)),
            (Some(id), None) => match registry.find_ready(&self.key(&id)?) {
                Some(stub) => stub,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let mut loaded = self.loaded();
        if loaded.len() >= MAX_LOADED {
            return Err(not_called(&format!("more than {MAX_LOADED} workers loaded by one run")));
        }
        loaded.push(stub);
        Ok(Some(number(self.worker.links.workers.len() + loaded.len() - 1)))
    }
}

fn not_called(message: &str) -> Refusal {
    Refusal::NotCalled(message.to_owned())
}

/// Limits that a caller sets for what it calls.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Lower {
    cpu_ms: Option<u64>,
    sub_requests: Option<u32>,
    memory_mb: Option<u64>,
    timeout_ms: Option<u64>,
    fuel: Option<u64>,
}

/// What is left to the caller, and no more than it says itself.
fn lowered(caller: &Account, limits: Option<&str>) -> Result<Limits, Refusal> {
    let own = Limits { wall: caller.wall_left(), fuel: caller.fuel_left(), ..caller.limits };
    let Some(text) = limits else { return Ok(own) };
    let lower: Lower = serde_json::from_str(text).map_err(|error| not_called(&format!("limits: {error}")))?;
    let milliseconds = |given: Option<u64>, own: Duration| given.map_or(own, |ms| own.min(Duration::from_millis(ms)));
    Ok(Limits {
        cpu: milliseconds(lower.cpu_ms, own.cpu),
        wall: milliseconds(lower.timeout_ms, own.wall),
        memory_bytes: lower.memory_mb.map_or(own.memory_bytes, |mb| own.memory_bytes.min(mb.saturating_mul(1 << 20))),
        calls: lower.sub_requests.map_or(own.calls, |calls| own.calls.min(calls)),
        fuel: lower.fuel.map_or(own.fuel, |fuel| own.fuel.min(fuel)),
        ..own
    })
}
