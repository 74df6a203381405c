//! Calls between workers: what one run reaches of the others, on whose behalf, and for how long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use doer_core::{limits::Limits, outbound::HttpRequest, scoped::ScopedServices, tier::Namespace};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    bindings::{self, Links, Props, Whom, WorkerBinding, number},
    code,
    registry::{Inner, Key},
    slot::LoadError,
    stub::{Origin, Stub, with_props},
    worker::{Code, Worker},
};
use crate::{
    Answered, Entrypoint, Error, Event, Invocation, Reply,
    account::Account,
    links::{Outbound, Refusal, Target, Workers},
    outcome::{Cloned, Finished},
    worker::WorkerLimits,
};

/// Runs within each other: a worker that calls itself is stopped long before there are no slots left.
const MAX_DEPTH: u32 = 16;
/// Workers that one run loads.
const MAX_LOADED: usize = 1000;

/// The longest id of a worker that code loads.
const MAX_ID_BYTES: usize = 1024;

/// The other workers as one run reaches them.
#[derive(Debug)]
pub(super) struct Neighbours {
    registry: Arc<Inner>,
    namespace: Option<Namespace>,
    /// Tells code apart that loads other code: the same id is another worker for each.
    name: String,
    /// The run's own worker; a program that runs once is none.
    own: Option<(Stub, Arc<Worker>)>,
    links: Arc<Links>,
    context: Box<RawValue>,
    pub(super) services: Option<ScopedServices>,
    limits: Limits,
    cancel: CancellationToken,
    /// Has its caller the loader?
    loader: bool,
    depth: u32,
    /// Is somebody told of another run here? Nobody is told of what is called meanwhile: that would go in circles.
    is_tail: bool,
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
    /// Limits of a stub that was passed on.
    limits: WorkerLimits,
}

impl Neighbours {
    pub(super) fn of(stub: &Stub, worker: &Arc<Worker>, invocation: &Invocation, depth: u32, is_tail: bool) -> Self {
        let (registry, namespace) = (Arc::clone(&stub.registry), stub.handle.namespace.clone());
        let name = format!("{}\0{}", stub.handle.id.as_deref().unwrap_or_default(), worker.hash);
        let own = Some((stub.clone(), Arc::clone(worker)));
        Self { own, depth, is_tail, ..Self::new(registry, namespace, name, Arc::clone(&worker.links), invocation) }
    }

    /// Those of a program that runs once.
    pub(super) fn of_program(
        registry: Arc<Inner>,
        namespace: Namespace,
        name: String,
        links: Arc<Links>,
        invocation: &Invocation,
    ) -> Self {
        Self::new(registry, Some(namespace), name, links, invocation)
    }

    fn new(
        registry: Arc<Inner>,
        namespace: Option<Namespace>,
        name: String,
        links: Arc<Links>,
        invocation: &Invocation,
    ) -> Self {
        Self {
            registry,
            namespace,
            name,
            own: None,
            links,
            context: invocation.context.clone(),
            services: invocation.services.clone(),
            limits: invocation.limits,
            cancel: invocation.cancel.clone(),
            loader: invocation.loader,
            depth: 0,
            is_tail: false,
            runtime: Handle::current(),
            loaded: Mutex::default(),
        }
    }

    pub(super) fn tails(&self) -> &[WorkerBinding] {
        &self.links.tails
    }

    /// The worker that a binding names, of the same namespace.
    pub(super) fn bound(&self, binding: &WorkerBinding) -> Result<Stub, Refusal> {
        let id = match &binding.worker {
            Whom::Stub(handle) => return Ok(self.registry.attach(handle.as_ref().clone())),
            Whom::Id(id) => id.clone(),
        };
        let namespace = self.namespace.clone();
        let namespace = namespace.ok_or_else(|| not_called("a worker outside of all namespaces is bound to none"))?;
        let key = Key { namespace, id };
        let factory = self.registry.host.factory(&key);
        Ok(self.registry.stub(key, factory))
    }

    fn find(&self, target: &Target) -> Result<Found, Refusal> {
        let entrypoint = Entrypoint(target.entrypoint.clone());
        let props = target.props.clone().map(Props::Cloned);
        let limits = WorkerLimits::default();
        let missing = || not_called("there is no such worker");
        let Some(number) = target.worker else {
            let (stub, worker) = self.own.clone().ok_or_else(missing)?;
            return Ok(Found { stub, worker: Some(worker), entrypoint, props, limits });
        };
        let number = number as usize;
        let bindings = &self.links.workers;
        if let Some(binding) = bindings.get(number) {
            let entrypoint = Entrypoint(target.entrypoint.clone().or_else(|| binding.entrypoint.clone()));
            let props = props.or_else(|| binding.props.clone());
            return Ok(Found { stub: self.bound(binding)?, worker: None, entrypoint, props, limits: binding.limits });
        }
        let stub = self.loaded().get(number - bindings.len()).cloned().ok_or_else(missing)?;
        Ok(Found { stub, worker: None, entrypoint, props, limits })
    }

    /// The binding of code that a stub is passed on to.
    fn passed(&self, target: &Target) -> Result<WorkerBinding, Refusal> {
        let Found { stub, entrypoint, props, limits, .. } = self.find(target)?;
        let limits = limits.and(limits_of(target)?);
        Ok(WorkerBinding { worker: Whom::Stub(Box::new(stub.handle)), entrypoint: entrypoint.0, props, limits })
    }

    /// What holds for code that the run loads.
    fn parse(&self, code: &str) -> Result<Code, Refusal> {
        let outbound = match self.links.outbound {
            Outbound::Policy => bindings::Outbound::Policy,
            Outbound::Nothing => bindings::Outbound::Nothing,
            Outbound::Worker(number) => {
                let binding = self.links.workers.get(number as usize);
                bindings::Outbound::Worker(binding.ok_or_else(|| not_called("there is no such worker"))?.clone())
            }
        };
        let find = |target: &Target| self.passed(target).map_err(|refusal| refusal.to_string());
        let grants = self.services.as_ref().map(ScopedServices::grants).unwrap_or_default();
        let parent = code::Parent { limits: self.limits, grants, outbound, find: &find };
        code::parse(code, &parent).map_err(Refusal::NotCalled)
    }

    /// What another worker is given: what is left of this run's time, and of its budget.
    pub(super) fn invocation(&self, event: Event, limits: Limits, services: Option<ScopedServices>) -> Invocation {
        Invocation {
            context: with_props(&self.context, "{}"),
            services,
            loader: self.loader,
            cancel: self.cancel.clone(),
            ..Invocation::new(event, limits)
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
        let Found { stub, worker, entrypoint, props, limits } = self.find(&target)?;
        let limits = limits.and(limits_of(&target)?).lowered(left_to(caller));
        let invocation = self.invocation(event(entrypoint), limits, self.services.clone());
        let origin = Origin {
            depth: self.depth + 1,
            caller: Some(Arc::clone(caller)),
            props,
            is_tail: self.is_tail,
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
        if id.len() > MAX_ID_BYTES {
            return Err(not_called(&format!(
                "LOADER.get: an id has {MAX_ID_BYTES} bytes at most, and not {}",
                id.len()
            )));
        }
        let namespace = self.namespace.clone();
        let namespace = namespace.ok_or_else(|| not_called("a worker outside of all namespaces loads none by id"))?;
        let parent = blake3::hash(self.name.as_bytes()).to_hex();
        // No worker that is registered has such an id.
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

    fn loads(&self) -> bool {
        self.loader && self.links.loads
    }

    async fn load(&self, id: Option<String>, code: Option<String>) -> Result<Option<u32>, Refusal> {
        if !self.loads() {
            return Err(not_called("the loader is not granted"));
        }
        let code = code.map(|code| self.parse(&code)).transpose()?;
        let registry = &self.registry;
        let stub = match (id, code) {
            (Some(id), Some(code)) => registry.stub(self.key(&id)?, code::factory(code)),
            (None, Some(code)) => registry.anonymous(self.namespace.clone(), code),
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
        Ok(Some(number(self.links.workers.len() + loaded.len() - 1)))
    }
}

fn not_called(message: &str) -> Refusal {
    Refusal::NotCalled(message.to_owned())
}

/// Limits that a stub was given by whoever calls it.
fn limits_of(target: &Target) -> Result<WorkerLimits, Refusal> {
    let Some(text) = target.limits.as_deref() else { return Ok(WorkerLimits::default()) };
    let limits = serde_json::from_str(text).map_err(|error| not_called(&format!("limits: {error}")))?;
    WorkerLimits::decode("limits", limits).map_err(|wrong| not_called(&wrong.to_string()))
}

/// What is left to a run.
fn left_to(caller: &Account) -> Limits {
    Limits { wall: caller.wall_left(), fuel: caller.fuel_left(), ..caller.limits }
}
