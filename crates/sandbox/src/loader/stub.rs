//! A handle on a worker, loaded or not.

use std::sync::Arc;

use doer_core::{limits::Limits, tier::Namespace};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::{
    bindings::Props,
    neighbours::Neighbours,
    registry::Inner,
    slot::{Factory, LoadError, Slot},
    tails::Tails,
    worker::{Source, Worker},
};
use crate::{
    Answer, Answered, Console, Entrypoint, Event, Invocation, Outcome, Reply, Request, WholeReply, account::Account,
    links::Links, outcome::Finished, sandbox::Loaded,
};

/// A handle on a worker. Cheap to clone; the first call does the work.
#[derive(Debug, Clone)]
pub struct Stub {
    pub(super) registry: Arc<Inner>,
    pub(super) handle: Handle,
}

/// What a stub is a handle on: what code keeps of one that was passed on to it. Code is kept by the registry, so it does
/// not keep that.
#[derive(Clone)]
pub struct Handle {
    pub(super) slot: Arc<Slot>,
    pub(super) factory: Arc<dyn Factory>,
    /// Whose other workers and secrets it is bound to.
    pub(super) namespace: Option<Namespace>,
    /// Its name there; it is found by nobody where it has none.
    pub(super) id: Option<String>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let loaded = self.slot.ready().is_some();
        f.debug_struct("Handle").field("id", &self.id).field("loaded", &loaded).finish_non_exhaustive()
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot)
    }
}

impl Eq for Handle {}

/// How a run came about.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// Runs that wait for it, one within the other.
    pub(super) depth: u32,
    pub(super) caller: Option<Arc<Account>>,
    /// Instead of what the context says.
    pub(super) props: Option<Props>,
    /// It is told of another run itself, or was called by one that is, and nobody is told of it.
    pub(super) is_tail: bool,
    /// It has the services that its own code is bound to, not those of who calls.
    pub(super) own_grants: bool,
}

impl Stub {
    /// Has the worker answer a request. The invocation's event is replaced by it. The reply comes as soon as there is one:
    /// its body may come piece by piece, no faster than it is read, and the run may go on. Dropping the future ends the
    /// run; dropping what it gives does not, but who drops a body that has not ended breaks it off.
    ///
    /// # Errors
    /// [`LoadError`]: no code, or ours. What the code does wrong is in the answer.
    pub async fn fetch(
        &self,
        entrypoint: Entrypoint,
        request: impl Into<Request>,
        invocation: Invocation,
    ) -> Result<Answered<Reply>, LoadError> {
        let event = Event::Fetch(entrypoint, request.into());
        self.run(Invocation { event, ..invocation }, Origin::default()).await
    }

    /// As [`Stub::fetch`], for who wants all of it: waits for the whole body, which the output limit bounds, and for the end
    /// of the run.
    ///
    /// # Errors
    /// As [`Stub::fetch`].
    pub async fn fetch_whole(
        &self,
        entrypoint: Entrypoint,
        request: impl Into<Request>,
        invocation: Invocation,
    ) -> Result<Outcome<WholeReply>, LoadError> {
        let most = invocation.limits.output_bytes;
        self.fetch(entrypoint, request, invocation).await?.whole_reply(most).await.map_err(host)
    }

    /// Calls a method of the worker with a JSON array of arguments, and waits for the end of the run. The invocation's
    /// event is replaced by it.
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
        let event = Event::Call(entrypoint, method, arguments);
        self.run(Invocation { event, ..invocation }, Origin::default()).await?.whole().await.map_err(host)
    }

    /// Has a handler of the worker (`scheduled`, `queue`, `tail`) take an event, and waits for the end of the run. The
    /// invocation's event is replaced by it.
    ///
    /// # Errors
    /// As [`Stub::fetch`].
    pub async fn handle(
        &self,
        entrypoint: Entrypoint,
        handler: String,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Outcome<Answer>, LoadError> {
        let event = Event::Handle(entrypoint, handler, event);
        self.run(Invocation { event, ..invocation }, Origin::default()).await?.whole().await.map_err(host)
    }

    /// Loads the worker, where it is not, and says nothing of what it does.
    ///
    /// # Errors
    /// As [`Stub::fetch`].
    pub async fn loaded(&self) -> Result<(), LoadError> {
        self.worker().await.map(|_| ())
    }

    pub(super) async fn run<A>(&self, invocation: Invocation, origin: Origin) -> Result<Answered<A>, LoadError>
    where
        A: TryFrom<Finished, Error = crate::Error>,
    {
        let worker = self.worker().await?;
        self.run_on(worker, invocation, origin).await
    }

    /// Runs code that is loaded, whatever has become of the stub since.
    pub(super) async fn run_on<A>(
        &self,
        worker: Arc<Worker>,
        mut invocation: Invocation,
        origin: Origin,
    ) -> Result<Answered<A>, LoadError>
    where
        A: TryFrom<Finished, Error = crate::Error>,
    {
        worker.touch(self.registry.now());
        let Origin { depth, caller, props, is_tail, own_grants } = origin;
        invocation.limits = worker.own_limits.lowered(invocation.limits);
        if own_grants {
            invocation.services = invocation.services.map(|services| services.granting(worker.links.grants));
        }
        let (json, props) = match props {
            Some(Props::Json(json)) => (Some(json), None),
            Some(Props::Cloned(text)) => (None, Some(text)),
            None => (None, None),
        };
        if let Some(json) = json {
            invocation.context = with_props(&invocation.context, &json);
        }
        let neighbours = Arc::new(Neighbours::of(self, &worker, &invocation, depth, is_tail));
        let links = Links {
            secrets: self.registry.secrets(self.handle.namespace.as_ref(), &worker).await?,
            props,
            outbound: worker.links.outbound,
            caller,
            workers: Some(Arc::<Neighbours>::clone(&neighbours)),
        };
        let event = (!is_tail && !worker.links.tails.is_empty()).then(|| Tails::event(&invocation.event));
        let (responder, response) = oneshot::channel();
        let account = Arc::new(Account::linked(&mut invocation, links, Some(responder)));
        let tails = event.map(|event| Tails::new(neighbours, Arc::clone(&account), event));
        let watch = move |outcome: &Outcome<()>| {
            if let Some(tails) = tails {
                tails.ended(outcome);
            }
        };
        let code = match (&worker.source, worker.image()) {
            (Source::Wasm(wasm, _), _) => Loaded::Wasm(wasm.clone()),
            (Source::Image(image), _) | (Source::Script(_), Some(image)) => Loaded::Image(image.clone()),
            (Source::Script(source), None) => Loaded::Source(Arc::clone(source)),
        };
        let is_cold = matches!(code, Loaded::Source(_));
        let answered = self.registry.sandbox.answer(code, invocation, account, response, watch).await;
        if is_cold {
            self.make_image(&worker, answered.as_ref().is_ok_and(|answered: &Answered<A>| answered.answer.is_ok()));
        }
        answered.map_err(host)
    }

    async fn worker(&self) -> Result<Arc<Worker>, LoadError> {
        let Handle { slot, factory, .. } = &self.handle;
        if let Some(worker) = slot.ready() {
            return Ok(worker);
        }
        let (registry, factory, held) = (Arc::clone(&self.registry), Arc::clone(factory), Arc::clone(slot));
        let settled = {
            let registry = Arc::clone(&registry);
            move || registry.make_room()
        };
        slot.worker(move || registry.load(held, factory), settled).await
    }

    /// Makes the image behind a run that went well, and keeps it: a top level that fails gives none.
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
                    worker.keep_image(image.clone());
                    registry.make_room();
                    if let Some(spot) = &worker.spot {
                        registry.sandbox.keep_image(spot, image).await;
                    }
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

fn host(error: crate::Error) -> LoadError {
    LoadError::Host(Arc::new(error))
}

/// A context with other props.
pub(super) fn with_props(context: &RawValue, props: &str) -> Box<RawValue> {
    let mut members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(context.get()).unwrap_or_default();
    members.insert("props".to_owned(), serde_json::from_str(props).unwrap_or_default());
    serde_json::value::to_raw_value(&members).unwrap_or_else(|_| context.to_owned())
}

/// A run of the top level alone.
fn at_rest(limits: Limits) -> Invocation {
    Invocation { console: Console::Discard, ..Invocation::new(Event::Execute(None), limits) }
}
