//! The databases that are open: found by namespace, bounded in number, closed when they are idle, and deleted.
//!
//! A namespace has at most one [`Database`] at any time, and it leaves the registry only when all its connections are
//! closed: SQLite finds a journal by its name, so that a connection of a deleted file would take the new file's.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use doer_core::{service::ServiceError, tier::Namespace, time::Clock};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, Semaphore, oneshot};

use super::{
    connection::{Location, Trusted, Untrusted},
    pool::{Lane, Pool, busy},
};
use crate::Error;

/// A journal that has grown longer is done away with before more is written. SQLite begins it anew whenever nobody
/// reads, at some 4 MB; but where somebody reads at all times, it would grow beyond any quota.
const MAX_JOURNAL_BYTES: u64 = 32 << 20;
/// Idle connections of each kind that a database keeps.
const MAX_IDLE: usize = 4;

/// A database, with its connections.
#[derive(Debug)]
pub(super) struct Database {
    location: Location,
    /// Whose work it is.
    pub(super) lane: Lane,
    /// Whoever writes has this. It is waited for without a thread.
    pub(super) writing: Arc<Semaphore>,
    /// Held for reading by all who use it. What it holds is whether the database is retired: closed for ever.
    gate: Arc<RwLock<bool>>,
    used_ms: AtomicU64,
    schema: Mutex<Schema>,
    trusted: Mutex<Vec<Trusted>>,
    untrusted: Mutex<Vec<Untrusted>>,
}

#[derive(Debug, Default)]
struct Schema {
    is_there: bool,
    /// A database in memory lives as long as it has a connection.
    keeper: Option<Trusted>,
}

impl Database {
    fn new(location: Location, lane: Lane) -> Arc<Self> {
        Arc::new(Self {
            location,
            lane,
            writing: Arc::new(Semaphore::new(1)),
            gate: Arc::default(),
            used_ms: AtomicU64::new(0),
            schema: Mutex::default(),
            trusted: Mutex::default(),
            untrusted: Mutex::default(),
        })
    }

    /// Does `work` on a connection of ours, which is kept unless a transaction is left open on it. Blocks.
    ///
    /// # Errors
    /// Those of `work`, and of opening.
    pub(super) fn with_trusted<T>(&self, work: impl FnOnce(&mut Trusted) -> Result<T, Error>) -> Result<T, Error> {
        let idle = lock(&self.trusted).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => match self.make()? {
                Some(first) => first,
                None => Trusted::open(&self.location)?,
            },
        };
        let result = work(&mut connection);
        if connection.connection.is_autocommit() {
            keep(&self.trusted, connection);
        }
        result
    }

    /// Does `work` on a connection of statements that nobody trusts. Blocks.
    ///
    /// # Errors
    /// Those of `work`, and of opening.
    pub(super) fn with_untrusted<T>(&self, work: impl FnOnce(&mut Untrusted) -> Result<T, Error>) -> Result<T, Error> {
        let idle = lock(&self.untrusted).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                if let Some(first) = self.make()? {
                    keep(&self.trusted, first);
                }
                Untrusted::open(&self.location)?
            }
        };
        let result = work(&mut connection);
        if connection.connection.is_autocommit() {
            keep(&self.untrusted, connection);
        }
        result
    }

    /// Sees that the database is there, with its schema; gives the connection that has made it, where that is now.
    fn make(&self) -> Result<Option<Trusted>, Error> {
        let mut schema = lock(&self.schema);
        if schema.is_there {
            return Ok(None);
        }
        let first = Trusted::first(&self.location)?;
        schema.is_there = true;
        match self.location {
            Location::File(_) => Ok(Some(first)),
            Location::Memory(_) => {
                schema.keeper = Some(first);
                Ok(None)
            }
        }
    }

    /// Closes all connections, which nobody may use. Blocks.
    fn close(&self) {
        lock(&self.untrusted).clear();
        lock(&self.trusted).clear();
        *lock(&self.schema) = Schema::default();
    }

    fn has_long_journal(&self) -> bool {
        let Location::File(path) = &self.location else { return false };
        fs::metadata(beside(path, "-wal")).is_ok_and(|journal| journal.len() > MAX_JOURNAL_BYTES)
    }

    /// Deletes its files. The database itself goes first: a journal without one is deleted by whoever comes next.
    fn delete(&self) -> Result<(), Error> {
        let Location::File(path) = &self.location else { return Ok(()) };
        for suffix in ["", "-wal", "-shm"] {
            let path = beside(path, suffix);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::File { path: path.display().to_string(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The name of a file that SQLite has beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn keep<T>(idle: &Mutex<Vec<T>>, connection: T) {
    let mut idle = lock(idle);
    if idle.len() < MAX_IDLE {
        idle.push(connection);
    }
}

/// The right to use a database. It is neither closed nor deleted meanwhile.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) database: Arc<Database>,
    _gate: OwnedRwLockReadGuard<bool>,
}

/// What kind of databases a registry has.
#[derive(Debug)]
pub(super) enum Kind {
    /// Files in a directory.
    Files(PathBuf),
    /// In memory, under addresses that begin so. All of them are one lane: their callers are nobody in particular.
    Sessions(String),
}

/// The databases of one kind.
pub(super) struct Registry {
    kind: Kind,
    capacity: usize,
    clock: Arc<dyn Clock>,
    /// Where they are closed.
    pool: Arc<Pool>,
    databases: Mutex<HashMap<Namespace, Arc<Database>>>,
    lanes: AtomicU64,
}

impl Registry {
    pub(super) fn new(kind: Kind, capacity: usize, clock: Arc<dyn Clock>, pool: Arc<Pool>) -> Arc<Self> {
        let (capacity, databases, lanes) = (capacity.max(1), Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { kind, capacity, clock, pool, databases, lanes })
    }

    /// The database of a namespace, to be used. Waits where it is being closed.
    ///
    /// # Errors
    /// `service_unavailable` where too many are in use.
    pub(super) async fn lease(self: &Arc<Self>, namespace: &Namespace) -> Result<Lease, ServiceError> {
        loop {
            let database = self.find(namespace)?;
            let gate = database.gate.clone().read_owned().await;
            if !*gate {
                database.used_ms.store(self.clock.now_ms(), Relaxed);
                return Ok(Lease { database, _gate: gate });
            }
        }
    }

    /// The same, to be written to.
    ///
    /// # Errors
    /// `service_unavailable` where too many are in use.
    pub(super) async fn lease_to_write(self: &Arc<Self>, namespace: &Namespace) -> Result<Lease, ServiceError> {
        let lease = self.lease(namespace).await?;
        if !lease.database.has_long_journal() {
            return Ok(lease);
        }
        // The last connection that closes takes the journal with it.
        drop(lease);
        self.shut(namespace, Database::has_long_journal, |_| Ok(())).await?;
        self.lease(namespace).await
    }

    /// Closes what nobody has used since `before_ms`, and does not wait for it.
    pub(super) fn close_idle(self: &Arc<Self>, before_ms: u64) {
        for (namespace, database) in lock(&self.databases).iter() {
            if database.used_ms.load(Relaxed) <= before_ms {
                self.retire(namespace, database);
            }
        }
    }

    /// Deletes the database of a namespace, as soon as nobody uses it; whoever comes later waits, and has a new one.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) async fn delete(self: &Arc<Self>, namespace: &Namespace) -> Result<(), Error> {
        self.shut(namespace, |_| true, Database::delete).await
    }

    /// Closes the database of a namespace as soon as nobody uses it, where it is `wanted` then, and does `then` before
    /// anybody can open it again.
    async fn shut(
        self: &Arc<Self>,
        namespace: &Namespace,
        wanted: impl Fn(&Database) -> bool,
        then: fn(&Database) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let database = self.find_or_make(&mut lock(&self.databases), namespace);
            let gate = database.gate.clone().write_owned().await;
            if *gate {
                continue;
            }
            if !wanted(&database) {
                return Ok(());
            }
            let (sender, receiver) = oneshot::channel();
            let (registry, namespace, lane) = (self.clone(), namespace.clone(), database.lane);
            let job = move || {
                // Nobody waits any more, perhaps; it is done all the same.
                let _ = sender.send(registry.close(&namespace, &database, gate, then));
            };
            self.pool.insist(lane, Box::new(job))?;
            return receiver.await.unwrap_or(Err(Error::Panicked));
        }
    }

    /// How many there are, among them those that are being closed.
    pub(super) fn len(&self) -> usize {
        lock(&self.databases).len()
    }

    fn find(self: &Arc<Self>, namespace: &Namespace) -> Result<Arc<Database>, ServiceError> {
        let mut databases = lock(&self.databases);
        if databases.len() >= self.capacity && !databases.contains_key(namespace) {
            self.make_room(&databases)?;
        }
        Ok(self.find_or_make(&mut databases, namespace))
    }

    fn find_or_make(&self, databases: &mut HashMap<Namespace, Arc<Database>>, namespace: &Namespace) -> Arc<Database> {
        if let Some(database) = databases.get(namespace) {
            return database.clone();
        }
        let name = blake3::hash(namespace.as_str().as_bytes()).to_hex();
        let database = match &self.kind {
            Kind::Files(dir) => {
                let lane = self.lanes.fetch_add(1, Relaxed) + 1;
                Database::new(Location::File(dir.join(format!("{name}.db"))), lane)
            }
            Kind::Sessions(prefix) => Database::new(Location::Memory(format!("file:/{prefix}-{name}?vfs=memdb")), 0),
        };
        // Newer than what is there; it is used next.
        database.used_ms.store(self.clock.now_ms(), Relaxed);
        databases.insert(namespace.clone(), database.clone());
        database
    }

    /// Has the least recently used one closed that nobody uses.
    fn make_room(self: &Arc<Self>, databases: &HashMap<Namespace, Arc<Database>>) -> Result<(), ServiceError> {
        let mut by_age: Vec<_> = databases.iter().collect();
        by_age.sort_unstable_by_key(|(_, database)| database.used_ms.load(Relaxed));
        let closing = by_age.into_iter().any(|(namespace, database)| self.retire(namespace, database));
        // Closing takes a moment: what is being closed still counts, up to a point.
        match closing && databases.len() < self.capacity * 2 {
            true => Ok(()),
            false => Err(busy("Too many databases are in use")),
        }
    }

    /// Has one closed where nobody uses it; tells whether that is so.
    fn retire(self: &Arc<Self>, namespace: &Namespace, database: &Arc<Database>) -> bool {
        let Ok(gate) = database.gate.clone().try_write_owned() else { return false };
        let (registry, namespace, database) = (self.clone(), namespace.clone(), database.clone());
        let lane = database.lane;
        let job = move || registry.close(&namespace, &database, gate, |_| ());
        self.pool.insist(lane, Box::new(job)).is_ok()
    }

    fn close<T>(
        &self,
        namespace: &Namespace,
        database: &Database,
        mut gate: OwnedRwLockWriteGuard<bool>,
        then: impl FnOnce(&Database) -> T,
    ) -> T {
        database.close();
        let result = then(database);
        *gate = true;
        lock(&self.databases).remove(namespace);
        result
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("kind", &self.kind).field("open", &self.len()).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves no half-made entry behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
