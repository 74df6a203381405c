//! What is special about tenants, in memory. Before each use one cheap question to SQLite finds out whether anybody,
//! in this process or another, has written since; what was read stays as long as nobody has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};

use super::{State, TenantOverrides};
use crate::{Database, Error, auth::schema::from_json};

/// All tenants about which something is special.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot(pub HashMap<String, (State, Arc<TenantOverrides>)>);

/// A connection that does nothing but watch.
#[derive(Debug)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    connection: Connection,
    /// SQLite's count of others' commits, as of the last look; of this connection only.
    data_version: Option<i64>,
    generation: Option<i64>,
    snapshot: Arc<Snapshot>,
}

impl Watch {
    /// Watches a database that is there.
    pub fn new(database: &Database) -> Result<Self, Error> {
        let path = database.path();
        let opened = |source| Error::Open { path: path.display().to_string(), source };
        // Not read-only: the shared memory of the log may have to be made.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(opened)?;
        connection.busy_timeout(crate::sqlite::BUSY_TIMEOUT).map_err(opened)?;
        connection.pragma_update(None, "query_only", true).map_err(opened)?;
        Ok(Self(Mutex::new(Watched { connection, data_version: None, generation: None, snapshot: Arc::default() })))
    }

    /// As it is now.
    pub fn now(&self) -> Result<Arc<Snapshot>, Error> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.look()?;
        Ok(watched.snapshot.clone())
    }

    /// As it was when it was last seen, for whoever has no use for a failure.
    pub fn last(&self) -> Arc<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone()
    }
}

impl Watched {
    fn look(&mut self) -> Result<(), Error> {
        let data_version = self.number("PRAGMA data_version")?;
        if self.data_version == Some(data_version) {
            return Ok(());
        }
        let generation = self.number("SELECT n FROM generations WHERE of = 'tenants'")?;
        if self.generation != Some(generation) {
            self.snapshot = Arc::new(self.read()?);
            self.generation = Some(generation);
        }
        // Last: what was written since it was asked for is found at the next look.
        self.data_version = Some(data_version);
        Ok(())
    }

    fn number(&self, query: &str) -> Result<i64, Error> {
        Ok(self.connection.prepare_cached(query)?.query_row([], |row| row.get(0))?)
    }

    fn read(&self) -> Result<Snapshot, Error> {
        let mut statement = self.connection.prepare_cached("SELECT id, state, overrides FROM tenants")?;
        let mut rows = statement.query([])?;
        let mut all = HashMap::new();
        while let Some(row) = rows.next()? {
            let overrides = from_json(&row.get::<_, String>(2)?, "tenants.overrides")?;
            all.insert(row.get(0)?, (State::read(&row.get::<_, String>(1)?), Arc::new(overrides)));
        }
        Ok(Snapshot(all))
    }
}
