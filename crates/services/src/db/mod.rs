//! `db`, embedded: one SQLite database for each namespace.
//!
//! A signed-in caller's database is a file, named by the hash of its namespace. An anonymous caller's is private, in
//! memory, small, and gone soon after its request: it is kept among a bounded number of such, never on disk.
//!
//! Things are read and written by statements of ours, `query` runs statements that nobody trusts; the two never share
//! a connection, nor threads. What stands between an untrusted statement and everybody else:
//!
//! | it might | what stops it |
//! |---|---|
//! | reach files, other databases, settings | the `authorizer`, which knows what is harmless; no `ATTACH` |
//! | damage our tables, or have code of its own run by our statements | the authorizer; no triggers, views or foreign keys on our connections |
//! | run for ever | the `budget`, which SQLite looks at; the slow `functions` bounded |
//! | take all memory | a hard limit for SQLite, and the `Pressure` that ends whoever sits on it |
//! | take all threads | the `pool`, in which every namespace has its share |
//! | fill the disk | `max_page_count`, and no journal that grows while somebody reads |
//! | give a result without end | caps on rows and bytes |

mod authorizer;
mod budget;
mod connection;
mod failure;
mod functions;
mod pool;
mod query;
mod registry;
mod schema;
mod search;
mod settings;
mod things;
mod values;

use std::{
    fs,
    future::Future,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    quota::Quotas,
    scope::Scope,
    service::{
        Code, Health, Page, ServiceError,
        db::{Batch, Count, Db, Delete, Get, Insert, List, Match, Patch, Query, Rows, Search, Thing, Upsert},
    },
    tier::Namespace,
    time::Clock,
};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::OwnedSemaphorePermit;

pub use self::settings::Settings;
use self::{
    budget::{Budget, Caller, Pressure},
    connection::Untrusted,
    pool::{Pool, busy},
    query::{Caps, Statement},
    registry::{Kind, Lease, Registry},
    things::{
        patch::patch,
        read,
        write::{NewThing, Step},
    },
};
use crate::{Error, Holder, tasks::Tasks};

/// Threads for statements of ours, and how many of them one namespace has.
const THINGS_THREADS: usize = 16;
const THINGS_SHARE: usize = 4;

/// The service.
pub struct EmbeddedDb {
    settings: Settings,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
    files: Arc<Registry>,
    sessions: Arc<Registry>,
    things: Arc<Pool>,
    queries: Pool,
    pressure: Arc<Pressure>,
    failing: AtomicBool,
}

impl std::fmt::Debug for EmbeddedDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { settings, files, sessions, .. } = self;
        f.debug_struct("EmbeddedDb")
            .field("settings", settings)
            .field("files", files)
            .field("sessions", sessions)
            .finish_non_exhaustive()
    }
}

impl EmbeddedDb {
    /// The service, with its files in `dir`, which is made where it is not and is its owner's alone.
    ///
    /// # Errors
    /// [`Error::File`] for the directory, [`Error::Statement`] for SQLite's limits.
    pub fn open(
        dir: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
    ) -> Result<Arc<Self>, Error> {
        make_private(dir).map_err(|source| Error::File { path: dir.display().to_string(), source })?;
        limit_heap(settings.heap_bytes)?;
        let things = Arc::new(Pool::new("db-things", THINGS_THREADS, THINGS_SHARE));
        let queries = Pool::new("db-query", settings.total_queries, settings.concurrent_queries);
        let files = Kind::Files(dir.to_owned());
        let sessions = Kind::Sessions(random_name()?);
        Ok(Arc::new(Self {
            files: Registry::new(files, settings.open_databases, clock.clone(), things.clone()),
            sessions: Registry::new(sessions, settings.open_sessions, clock.clone(), things.clone()),
            settings,
            clock,
            quotas,
            things,
            queries,
            pressure: Arc::default(),
            failing: AtomicBool::new(false),
        }))
    }

    /// Closes databases that nobody uses, from time to time.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = self.clone();
        tasks.supervise("db-idle", move |stopping| {
            let this = this.clone();
            async move {
                let every = (this.settings.idle / 4).max(Duration::from_secs(1));
                while stopping.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
                    this.close_idle();
                }
            }
        });
    }

    fn close_idle(&self) {
        let idle_ms = u64::try_from(self.settings.idle.as_millis()).unwrap_or(u64::MAX);
        if let Some(before_ms) = self.clock.now_ms().checked_sub(idle_ms) {
            self.files.close_idle(before_ms);
            self.sessions.close_idle(before_ms);
        }
    }

    async fn lease(&self, scope: &Scope) -> Result<Arc<Lease>, ServiceError> {
        self.registry(scope).lease(&scope.namespace).await.map(Arc::new)
    }

    async fn lease_to_write(&self, scope: &Scope) -> Result<Arc<Lease>, ServiceError> {
        self.registry(scope).lease_to_write(&scope.namespace).await.map(Arc::new)
    }

    fn registry(&self, scope: &Scope) -> &Arc<Registry> {
        if scope.is_durable() { &self.files } else { &self.sessions }
    }

    fn quota(&self, scope: &Scope) -> u64 {
        let quota = self.quotas.of(scope.tier, &scope.namespace).db_bytes;
        if scope.is_durable() { quota } else { quota.min(self.settings.session_bytes) }
    }

    /// To delete a thing its text is noted as deleted, and the full-text index tidied up now and then. That takes room
    /// before it gives some, and has to be possible where there is none.
    fn quota_to_delete(&self, scope: &Scope) -> u64 {
        let quota = self.quota(scope);
        quota.saturating_add(quota / 4).saturating_add(1 << 20)
    }

    /// Reads things.
    async fn read<T: Send + 'static>(
        &self,
        scope: &Scope,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let lease = self.lease(scope).await?;
        self.on_things(lease, move |lease, budget| {
            lease.database.with_trusted(|on| budget.spend(&mut on.connection, |connection| work(connection)))
        })
        .await
    }

    /// Writes things, in one transaction, until the database has `quota` bytes.
    async fn write<T: Send + 'static>(
        &self,
        scope: &Scope,
        quota: u64,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let lease = self.lease_to_write(scope).await?;
        let turn = self.in_time(turn(&lease)).await.unwrap_or_else(|| Err(busy("Another call writes")))?;
        self.on_things(lease, move |lease, budget| {
            let _turn = turn;
            lease.database.with_trusted(|on| {
                on.limit(quota)?;
                budget.spend(&mut on.connection, |connection| {
                    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    let result = work(&transaction)?;
                    transaction.commit()?;
                    Ok(result)
                })
            })
        })
        .await
    }

    async fn on_things<T: Send + 'static>(
        &self,
        lease: Arc<Lease>,
        work: impl FnOnce(&Lease, &Budget) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let caller = Caller::default();
        let (gone, time, pressure) = (caller.gone(), self.settings.query_timeout, self.pressure.clone());
        let lane = lease.database.lane;
        let job = move || {
            let budget = Budget::new(time, gone);
            work(&lease, &budget).map_err(|error| failure::of_things(error, budget.stopped(), &pressure).into())
        };
        let result = self.in_time(self.things.run(lane, job)).await;
        self.noted(result.unwrap_or_else(|| Err(busy("The database is busy").into())))
    }

    /// Runs a caller's statement. What seems to read is tried beside whoever writes.
    async fn statement(&self, scope: &Scope, statement: Statement) -> Result<Rows, ServiceError> {
        let statement = Arc::new(statement);
        let caps = Caps { rows: self.settings.result_rows, bytes: self.settings.result_bytes };
        if statement.seems_to_read() {
            let (lease, statement) = (self.lease(scope).await?, statement.clone());
            let work = move |on: &mut Untrusted, budget: &Budget| statement.read(on, budget, caps);
            if let Some(rows) = self.on_queries(lease, work).await? {
                return Ok(rows);
            }
        }
        let (lease, quota) = (self.lease_to_write(scope).await?, self.quota(scope));
        let turn = self.in_time(turn(&lease)).await.unwrap_or_else(|| Err(failure::timeout()))?;
        self.on_queries(lease, move |on, budget| {
            // Until the statement has ended, which may be later than its caller is told so.
            let _turn = turn;
            statement.write(on, quota, budget, caps)
        })
        .await
    }

    async fn on_queries<T: Send + 'static>(
        &self,
        lease: Arc<Lease>,
        work: impl FnOnce(&mut Untrusted, &Budget) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let caller = Caller::default();
        let (gone, time, pressure) = (caller.gone(), self.settings.query_timeout, self.pressure.clone());
        let lane = lease.database.lane;
        let job = move || {
            let budget = Budget::new(time, gone).yielding_to(&pressure);
            lease.database.with_untrusted(|on| {
                work(on, &budget)
                    .map_err(|error| failure::of_query(error, budget.stopped(), on.gate.refusal(), &pressure).into())
            })
        };
        let result = self.in_time(self.queries.run(lane, job)).await;
        self.noted(result.unwrap_or_else(|| Err(failure::timeout().into())))
    }

    /// Waits for work that may run as long as a statement, and may have waited as long before. A single step of SQLite
    /// that takes longer is left to end by itself, on its thread.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.settings.query_timeout * 2, work).await.ok()
    }

    /// Remembers how the last call went, for the service's health.
    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, ServiceError> {
        let result = result.map_err(ServiceError::from);
        self.failing.store(result.as_ref().is_err_and(|error| error.code == Code::Internal), Relaxed);
        result
    }
}

/// The right to write.
async fn turn(lease: &Lease) -> Result<OwnedSemaphorePermit, ServiceError> {
    lease.database.writing.clone().acquire_owned().await.map_err(ServiceError::internal)
}

#[async_trait]
impl Db for EmbeddedDb {
    async fn query(&self, scope: &Scope, params: Query) -> Result<Rows, ServiceError> {
        self.statement(scope, Statement::new(params)?).await
    }

    async fn get(&self, scope: &Scope, params: Get) -> Result<Option<Thing>, ServiceError> {
        self.read(scope, move |connection| read::get(connection, &params)).await
    }

    async fn list(&self, scope: &Scope, params: List) -> Result<Page<Thing>, ServiceError> {
        let max_bytes = self.settings.result_bytes;
        self.read(scope, move |connection| read::list(connection, params, max_bytes)).await
    }

    async fn upsert(&self, scope: &Scope, params: Upsert) -> Result<Thing, ServiceError> {
        let (thing, now_ms) = (NewThing::new(params)?, self.clock.now_ms());
        self.write(scope, self.quota(scope), move |connection| thing.write(connection, now_ms)).await
    }

    async fn insert(&self, scope: &Scope, params: Insert) -> Result<Thing, ServiceError> {
        let Insert { ns, id, data, options } = params;
        let (thing, now_ms) = (NewThing::new(Upsert { ns, id, data, options })?, self.clock.now_ms());
        self.write(scope, self.quota(scope), move |connection| thing.insert(connection, now_ms)).await
    }

    async fn patch(&self, scope: &Scope, params: Patch) -> Result<Thing, ServiceError> {
        let now_ms = self.clock.now_ms();
        self.write(scope, self.quota(scope), move |connection| patch(connection, params, now_ms)).await
    }

    async fn delete(&self, scope: &Scope, params: Delete) -> Result<Option<Thing>, ServiceError> {
        let (step, now_ms) = (Step::delete(params)?, self.clock.now_ms());
        self.write(scope, self.quota_to_delete(scope), move |connection| step.run(connection, now_ms)).await
    }

    async fn search(&self, scope: &Scope, params: Search) -> Result<Page<Match>, ServiceError> {
        let max_bytes = self.settings.result_bytes;
        self.read(scope, move |connection| read::search(connection, params, max_bytes)).await
    }

    async fn count(&self, scope: &Scope, params: Count) -> Result<u64, ServiceError> {
        self.read(scope, move |connection| read::count(connection, params)).await
    }

    async fn batch(&self, scope: &Scope, params: Batch) -> Result<Vec<Option<Thing>>, ServiceError> {
        let (steps, now_ms) = (Step::all(params.operations)?, self.clock.now_ms());
        let quota = match steps.iter().all(Step::is_deletion) {
            true => self.quota_to_delete(scope),
            false => self.quota(scope),
        };
        let work = move |connection: &Connection| steps.into_iter().map(|step| step.run(connection, now_ms)).collect();
        self.write(scope, quota, work).await
    }

    fn health(&self) -> Health {
        if self.failing.load(Relaxed) { Health::Degraded } else { Health::Ok }
    }
}

#[async_trait]
impl Holder for EmbeddedDb {
    fn name(&self) -> &'static str {
        "db"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        self.files.delete(namespace).await?;
        self.sessions.delete(namespace).await
    }
}

/// Makes a directory that is its owner's alone.
fn make_private(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // It may have been there.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

fn limit_heap(bytes: u64) -> Result<(), Error> {
    let connection = Connection::open_in_memory()?;
    connection.query_row(&format!("PRAGMA hard_heap_limit = {bytes}"), [], |_| Ok(()))?;
    Ok(())
}

/// Databases in memory are known by name to the whole process.
fn random_name() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(hex::encode(bytes))
}
