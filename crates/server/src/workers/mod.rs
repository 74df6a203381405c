//! Workers by id: what is stored of them, and what of that is loaded.
//!
//! The store is the truth; the registry has a copy of the code that is used, and [`Known`] a copy of what has to be
//! known before a call begins. Whatever changes a worker changes it here, so that neither copy outlives it.

mod call;
mod entrypoints;
mod host;
mod known;
mod tail;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use doer_core::{
    id::WorkerId,
    limits::Limits,
    quota::Quotas,
    scope::Scope,
    service::ServiceError,
    tier::{Namespace, Tier},
    time::Clock,
};
use doer_sandbox::{
    loader::{Code, Key, LoadError, Registry, RegistryStats, Stub},
    worker::{CompatibilityDate, InvalidCode, Rules, WorkerCode},
};
use doer_services::{
    Error, Holder,
    tasks::Tasks,
    workers::{Expected, NewCode, StoredCode, WorkerStore, Written},
};

pub use entrypoints::{Found, inspection};
pub use host::Installation;
use known::Cache;
pub use known::Known;
pub use tail::{Tail, Tailing, Tails};

use crate::{
    http::error::{ApiError, ErrorCode},
    telemetry::WorkerCounts,
};

/// Workers that nobody has called for long are looked for this often.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(60);

/// The workers of an installation.
pub struct Workers {
    /// What is stored.
    pub store: WorkerStore,
    /// Who listens to them.
    pub tails: Tails,
    /// What is counted of them.
    pub counts: Arc<WorkerCounts>,
    known: Cache,
    clock: Arc<dyn Clock>,
    default_date: CompatibilityDate,
    /// Named once the sandbox has started; never where nothing runs.
    registry: OnceLock<Registry>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("registry", &self.registry.get()).finish_non_exhaustive()
    }
}

impl Workers {
    /// Opens the store in `directory`. Nothing can be loaded yet. `series` of them are counted on their own.
    ///
    /// # Errors
    /// Those of the store.
    pub fn open(
        directory: &std::path::Path,
        default_date: CompatibilityDate,
        series: usize,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
    ) -> Result<Self, Error> {
        let store = WorkerStore::open(directory, clock.clone(), quotas)?;
        Ok(Self {
            store,
            tails: Tails::default(),
            counts: Arc::new(WorkerCounts::new(series)),
            known: Cache::default(),
            clock,
            default_date,
            registry: OnceLock::new(),
        })
    }

    /// Where workers are loaded. Whichever was named first stays: there is one in an installation.
    pub fn connect(&self, registry: Registry) {
        let _ = self.registry.set(registry);
    }

    /// Lets go of what is not used, until `tasks` stop.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let workers = Arc::clone(self);
        tasks.supervise("idle workers", move |stopping| {
            let workers = Arc::clone(&workers);
            async move {
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(SWEEP) => {}
                        () = stopping.cancelled() => return,
                    }
                    if let Some(registry) = workers.registry.get() {
                        registry.let_go_of_idle();
                    }
                }
            }
        });
    }

    /// What is loaded.
    pub fn stats(&self) -> RegistryStats {
        self.registry.get().map(Registry::stats).unwrap_or_default()
    }

    /// Code that somebody brings now.
    ///
    /// # Errors
    /// [`InvalidCode`], with the path of what is wrong.
    pub fn decode(&self, json: &str) -> Result<WorkerCode, InvalidCode> {
        WorkerCode::decode(json, &Rules::now(&*self.clock, self.default_date))
    }

    /// What has to be known of a worker before it is called; nothing where there is none.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn known(&self, namespace: &Namespace, id: &WorkerId) -> Result<Option<Arc<Known>>, ServiceError> {
        let key = key(namespace, id);
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(known));
        }
        let epoch = self.known.epoch();
        let Some(stored) = self.store.code(namespace, id, None).await? else { return Ok(None) };
        let known = Arc::new(Known::of(&kept(&stored)?, stored.owner));
        self.known.keep(key, &known, epoch);
        Ok(Some(known))
    }

    /// A handle on a worker, which loads it where it is not.
    ///
    /// # Errors
    /// `loader_unavailable`.
    pub fn stub(self: &Arc<Self>, namespace: &Namespace, id: &WorkerId) -> Result<Stub, ApiError> {
        let (workers, namespace, id) = (Arc::clone(self), namespace.clone(), id.clone());
        let key = key(&namespace, &id);
        Ok(self.registry()?.get(key, move || {
            let (workers, namespace, id) = (Arc::clone(&workers), namespace.clone(), id.clone());
            async move { workers.code(&namespace, &id).await }
        }))
    }

    /// A handle on code without a name, which is bound to what its namespace has.
    ///
    /// # Errors
    /// `loader_unavailable`.
    pub fn anonymous(&self, namespace: &Namespace, code: Code) -> Result<Stub, ApiError> {
        Ok(self.registry()?.load_in(namespace.clone(), code))
    }

    fn registry(&self) -> Result<&Registry, ApiError> {
        let missing = || ApiError::new(ErrorCode::LoaderUnavailable, "Worker Loader not available");
        self.registry.get().ok_or_else(missing)
    }

    async fn code(&self, namespace: &Namespace, id: &WorkerId) -> Result<Code, LoadError> {
        let failed = |error: &dyn std::error::Error| LoadError::Factory(error.to_string().into());
        let stored = self.store.code(namespace, id, None).await.map_err(|error| {
            tracing::error!(%namespace, worker = %id, error = &error as &dyn std::error::Error, "no code of a worker");
            failed(&error)
        })?;
        let code = kept(&stored.ok_or(LoadError::NotFound)?).map_err(|error| failed(&error))?;
        // Its runs have their callers' limits; this is for its top level alone, when an image is made of it.
        code.loadable(Limits::of(tier_of(namespace))).map_err(|error| failed(&error))
    }

    /// Stores code as a worker of the caller's namespace. Runs that have begun end on what they began with.
    ///
    /// # Errors
    /// Those of [`WorkerStore::put`].
    pub async fn put(
        &self,
        scope: &Scope,
        id: &WorkerId,
        code: NewCode,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        let written = self.store.put(scope, id, code, expected).await?;
        self.changed(&scope.namespace, id, &written);
        Ok(written)
    }

    /// Makes an earlier version current again.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn rollback(
        &self,
        namespace: &Namespace,
        id: &WorkerId,
        version: Option<u64>,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        let written = self.store.rollback(namespace, id, version, expected).await?;
        self.changed(namespace, id, &written);
        Ok(written)
    }

    /// Deletes a worker.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn delete(
        &self,
        namespace: &Namespace,
        id: &WorkerId,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        let written = self.store.delete(namespace, id, expected).await?;
        if let Written::Replaced(_) = written {
            let key = key(namespace, id);
            self.known.forget(&key);
            if let Some(registry) = self.registry.get() {
                registry.remove(&key);
            }
            self.counts.removed(&key);
        }
        Ok(written)
    }

    fn changed(&self, namespace: &Namespace, id: &WorkerId, written: &Written) {
        if let Written::Created(info) | Written::Replaced(info) = written {
            let key = key(namespace, id);
            self.known.forget(&key);
            if let Some(registry) = self.registry.get() {
                registry.replaced(&key, info.hash.as_str());
            }
        }
    }
}

#[async_trait]
impl Holder for Workers {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        self.store.forget(namespace).await?;
        self.known.forget_namespace(namespace);
        if let Some(registry) = self.registry.get() {
            registry.remove_namespace(namespace);
        }
        self.counts.removed_namespace(namespace);
        Ok(())
    }
}

/// What a worker is known by.
pub fn key(namespace: &Namespace, id: &WorkerId) -> Key {
    Key { namespace: namespace.clone(), id: id.to_string() }
}

/// Code as it was accepted once.
fn kept(stored: &StoredCode) -> Result<WorkerCode, ServiceError> {
    WorkerCode::decode(&stored.json, &Rules::kept()).map_err(ServiceError::internal)
}

fn tier_of(namespace: &Namespace) -> Tier {
    match namespace.as_str() {
        "*" => Tier::Internal,
        text if text.starts_with("tenant:") => Tier::Tenant,
        _ => Tier::Public,
    }
}
