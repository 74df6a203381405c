//! All workers that are known to this process, by namespace and id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashmap::{DashMap, Entry};
use doer_core::tier::Namespace;
use tokio::time::Instant;

use super::{
    digest,
    host::{Host, NoHost},
    slot::{Factory, LoadError, Slot},
    stub::Stub,
    worker::{Code, Source, Worker},
};
use crate::{GuestError, Sandbox, cache::Place, sandbox::Prepared};

/// A worker's name. The same id in two namespaces is two workers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose it is.
    pub namespace: Namespace,
    /// Its id.
    pub id: String,
}

impl Key {
    fn place(&self) -> Place {
        Place::of(self.namespace.as_str(), &self.id)
    }
}

/// How much is kept loaded.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Workers.
    pub workers: usize,
    /// Bytes of their code and images.
    pub bytes: u64,
    /// Time since the last call.
    pub idle: Duration,
}

/// What is loaded now, and what has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegistryStats {
    /// Names that are kept: those that are loaded, and those that somebody holds a stub of or lately asked for.
    pub names: usize,
    /// Workers that are loaded.
    pub loaded: usize,
    /// Bytes of their code and images.
    pub bytes: u64,
    /// Loads that went well, so far.
    pub loads: u64,
    /// Those of them that found on disk what the worker had become before.
    pub from_disk: u64,
    /// Loads that failed, so far.
    pub failures: u64,
    /// Workers let go for want of room, or of use, so far.
    pub evictions: u64,
    /// Workers that something is kept of on disk.
    pub kept: usize,
    /// Bytes of that.
    pub kept_bytes: u64,
}

/// All workers. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) sandbox: Sandbox,
    pub(super) host: Arc<dyn Host>,
    slots: DashMap<Key, Arc<Slot>>,
    bounds: Bounds,
    began: Instant,
    loads: AtomicU64,
    from_disk: AtomicU64,
    failures: AtomicU64,
    evictions: AtomicU64,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry of workers that run in `sandbox`, and have no bindings to other workers, and no secrets.
    pub fn new(sandbox: Sandbox, bounds: Bounds) -> Self {
        Self::with_host(sandbox, bounds, Arc::new(NoHost))
    }

    /// An empty registry of workers whose bindings `host` knows.
    pub fn with_host(sandbox: Sandbox, bounds: Bounds, host: Arc<dyn Host>) -> Self {
        let counter = || AtomicU64::new(0);
        let inner = Inner {
            sandbox,
            host,
            slots: DashMap::new(),
            bounds,
            began: Instant::now(),
            loads: counter(),
            from_disk: counter(),
            failures: counter(),
            evictions: counter(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The worker of that name. Does nothing yet: `factory` is asked for the code by the first call of the stub, and again
    /// by the first after the worker was let go.
    pub fn get(&self, key: Key, factory: impl Factory) -> Stub {
        self.inner.stub(key, Arc::new(factory))
    }

    /// A worker without a name, which is never found again. It is bound to no other workers and secrets: those are of a
    /// namespace.
    pub fn load(&self, code: Code) -> Stub {
        self.inner.anonymous(None, super::code::factory(code))
    }

    /// The same, bound to what there is in a namespace.
    pub fn load_in(&self, namespace: Namespace, code: Code) -> Stub {
        self.inner.anonymous(Some(namespace), super::code::factory(code))
    }

    /// Forgets a worker, on disk too. Runs that have begun end on the code they began with.
    pub fn remove(&self, key: &Key) {
        if let Some((_, slot)) = self.inner.slots.remove(key) {
            slot.forget();
        }
        if let Some(shelf) = self.inner.sandbox.shelf() {
            shelf.remove(key.place());
        }
    }

    /// Forgets a worker's code unless it is this: to be called when it was replaced. What is on disk of the old code is of
    /// no use for the new one, which takes its place.
    pub fn replaced(&self, key: &Key, hash: &str) {
        if let Some(slot) = self.inner.slots.get(key) {
            slot.empty_unless(hash);
        }
    }

    /// Forgets whatever belongs to a namespace, on disk too.
    pub fn remove_namespace(&self, namespace: &Namespace) {
        self.inner.slots.retain(|key, slot| {
            let stays = key.namespace != *namespace;
            if !stays {
                slot.forget();
            }
            stays
        });
        if let Some(shelf) = self.inner.sandbox.shelf() {
            shelf.remove_namespace(namespace.as_str());
        }
    }

    /// Lets go of what has not been called for long, and of names that nothing came of. To be called now and then.
    pub fn let_go_of_idle(&self) {
        let inner = &self.inner;
        let oldest = inner.now().saturating_sub(u64::try_from(inner.bounds.idle.as_millis()).unwrap_or(u64::MAX));
        inner.let_go(|worker| worker.last_used() < oldest);
        inner.slots.retain(|_, slot| is_used(slot) || !slot.is_empty());
    }

    /// Numbers for whoever watches.
    pub fn stats(&self) -> RegistryStats {
        let inner = &self.inner;
        let workers = inner.loaded();
        let (kept, kept_bytes) = inner.sandbox.shelf().map(|shelf| shelf.stats()).unwrap_or_default();
        RegistryStats {
            names: inner.slots.len(),
            loaded: workers.len(),
            bytes: workers.iter().map(|(_, worker)| worker.bytes()).sum(),
            loads: inner.loads.load(Relaxed),
            from_disk: inner.from_disk.load(Relaxed),
            failures: inner.failures.load(Relaxed),
            evictions: inner.evictions.load(Relaxed),
            kept,
            kept_bytes,
        }
    }
}

/// Does anybody hold a slot, or write down what its worker has become? Whoever removes the worker then must find it.
fn is_used(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 1 || slot.is_watched()
}

impl Inner {
    pub(super) fn stub(self: &Arc<Self>, key: Key, factory: Arc<dyn Factory>) -> Stub {
        let namespace = Some(key.namespace.clone());
        let slot = match self.slots.entry(key) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let slot = Arc::new(Slot::named(entry.key().place()));
                Arc::clone(entry.insert(slot).value())
            }
        };
        Stub { registry: Arc::clone(self), slot, factory, namespace }
    }

    pub(super) fn anonymous(self: &Arc<Self>, namespace: Option<Namespace>, factory: Arc<dyn Factory>) -> Stub {
        Stub { registry: Arc::clone(self), slot: Arc::default(), factory, namespace }
    }

    /// A worker that is loaded, for who has no code of it at hand.
    pub(super) fn find_ready(self: &Arc<Self>, key: &Key) -> Option<Stub> {
        let slot = self.slots.get(key).filter(|slot| slot.ready().is_some()).map(|slot| Arc::clone(&slot))?;
        let namespace = Some(key.namespace.clone());
        Some(Stub { registry: Arc::clone(self), slot, factory: NoHost.factory(key), namespace })
    }

    /// The values of a worker's secrets, in the order of their numbers.
    pub(super) async fn secrets(
        &self,
        namespace: Option<&Namespace>,
        worker: &Worker,
    ) -> Result<Vec<String>, LoadError> {
        let mut values = Vec::with_capacity(worker.links.secrets.len());
        for name in &worker.links.secrets {
            let value = match namespace {
                Some(namespace) => self.host.secret(namespace, name).await?,
                None => None,
            };
            // Its namespace took it away, or never had it: that is no failure of ours.
            let missing = || GuestError {
                name: "Error".to_owned(),
                message: format!("There is no secret {name:?}"),
                ..GuestError::default()
            };
            values.push(value.ok_or_else(|| LoadError::Code(Arc::new(missing())))?);
        }
        Ok(values)
    }

    /// Milliseconds since the registry began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has the factory give the code, and compiles what has to be compiled, or finds on disk what has become of it.
    pub(super) async fn load(
        self: Arc<Self>,
        slot: Arc<Slot>,
        factory: Arc<dyn Factory>,
    ) -> Result<Arc<Worker>, LoadError> {
        match self.compile(&slot, &*factory).await {
            Ok((worker, from_disk)) => {
                worker.touch(self.now());
                self.loads.fetch_add(1, Relaxed);
                self.from_disk.fetch_add(u64::from(from_disk), Relaxed);
                Ok(worker)
            }
            Err(error) => {
                self.failures.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// The worker, and whether it was on disk.
    async fn compile(&self, slot: &Slot, factory: &dyn Factory) -> Result<(Arc<Worker>, bool), LoadError> {
        let shelf = self.sandbox.shelf().filter(|_| factory.is_durable());
        let spot = shelf.and_then(|shelf| slot.spot(shelf));
        let code = factory.code().await?;
        let spot = spot.map(|spot| spot.of_code(digest::of(&code)));
        let prepared = self.sandbox.prepare(code.program.clone(), spot.as_ref()).await;
        let (source, from_disk) = match prepared.map_err(|error| LoadError::Host(Arc::new(error)))? {
            Ok(Prepared::Script(program)) => (Source::script(&code, program), false),
            Ok(Prepared::Image(image)) => (Source::Image(image), true),
            // Services say what it may import; nothing of the rest would ever be seen.
            Ok(Prepared::Wasm(_)) if code.env.iter().flatten().any(|(_, member)| !member.is_service()) => {
                let message = "env: WebAssembly can be given services, and nothing else".to_owned();
                let name = "TypeError".to_owned();
                return Err(LoadError::Code(Arc::new(GuestError { name, message, ..GuestError::default() })));
            }
            Ok(Prepared::Wasm(compiled)) => {
                (Source::Wasm(compiled.runnable, compiled.artifact_bytes as u64), compiled.from_disk)
            }
            Err(error) => return Err(LoadError::Code(Arc::<GuestError>::new(error))),
        };
        // Whatever was found is kept already, or about to be.
        let spot = spot.filter(|_| matches!(source, Source::Script(_)));
        Ok((Arc::new(Worker::new(&code, source, spot)), from_disk))
    }

    /// Lets the least recently used go until the rest is within bounds.
    pub(super) fn make_room(&self) {
        let mut workers = self.loaded();
        let mut bytes: u64 = workers.iter().map(|(_, worker)| worker.bytes()).sum();
        let mut count = workers.len();
        if count <= self.bounds.workers && bytes <= self.bounds.bytes {
            return;
        }
        workers.sort_unstable_by_key(|(_, worker)| worker.last_used());
        for (key, worker) in workers {
            // One always stays: the one that is used now may be larger than all the room there is.
            if count <= 1 || (count <= self.bounds.workers && bytes <= self.bounds.bytes) {
                break;
            }
            count -= 1;
            bytes -= worker.bytes();
            drop(worker);
            self.evict(&key);
        }
    }

    fn let_go(&self, which: impl Fn(&Worker) -> bool) {
        for (key, worker) in self.loaded() {
            if which(&worker) {
                drop(worker);
                self.evict(&key);
            }
        }
    }

    /// The slot stays where a stub holds it: what the stub loads into it again is counted like any other.
    fn evict(&self, key: &Key) {
        if let Some(slot) = self.slots.get(key) {
            slot.empty();
            self.evictions.fetch_add(1, Relaxed);
        }
        self.slots.remove_if(key, |_, slot| !is_used(slot));
    }

    fn loaded(&self) -> Vec<(Key, Arc<Worker>)> {
        let ready = |entry: dashmap::mapref::multiple::RefMulti<'_, Key, Arc<Slot>>| {
            entry.value().ready().map(|worker| (entry.key().clone(), worker))
        };
        self.slots.iter().filter_map(ready).collect()
    }
}
