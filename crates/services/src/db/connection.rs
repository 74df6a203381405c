//! How connections are set up: those of our own statements, and those of statements that nobody trusts.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{
    Connection, Result,
    config::DbConfig,
    hooks::{Action, AuthContext},
    limits::Limit,
};

use super::{authorizer::Gate, functions, schema};
use crate::{Error, sqlite};

/// Bytes of a page; SQLite's default, and what quotas are counted in.
const PAGE_BYTES: u64 = 4_096;
/// How long a statement waits for another connection. Writers take turns before they come here, so that this is for
/// moments, such as the end of a checkpoint.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Compiled statements that are kept: more than there are kinds of ours.
const STATEMENTS: usize = 64;

/// The longest value of SQL, and row: a thing's data, and what stands beside it.
pub(super) const MAX_VALUE_BYTES: i32 = 1 << 20;
/// The longest statement.
pub(super) const MAX_SQL_BYTES: usize = 100_000;
/// The most values for one.
pub(super) const MAX_PARAMS: usize = 1_000;

const LIMITS: [(Limit, i32); 14] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES as i32),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMS as i32),
    (Limit::SQLITE_LIMIT_COLUMN, 200),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    // Views of views of views double the program with each step.
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    // VACUUM attaches too.
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    // The work of LIKE grows with the product of the lengths.
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 16),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    // Each connection reads the whole schema, and compiling recurses over what refers to what.
    (Limit::SQLITE_LIMIT_SCHEMA, 1_000),
];

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// In a file.
    File(PathBuf),
    /// In memory, shared by the connections that give this address, and gone with the last of them.
    Memory(String),
}

impl Location {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(address) => Path::new(address),
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        let opened = |source| Error::Open { path: self.path().display().to_string(), source };
        Connection::open(self.path()).map_err(opened)
    }
}

/// A connection of our own statements.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) connection: Connection,
    quota: Option<u64>,
}

impl Trusted {
    /// The first one of a database, which makes it where it is not.
    pub(super) fn first(location: &Location) -> Result<Self, Error> {
        Self::prepare(sqlite::open(location.path(), schema::MIGRATIONS)?)
    }

    /// One more.
    pub(super) fn open(location: &Location) -> Result<Self, Error> {
        Self::prepare(location.connect()?)
    }

    fn prepare(connection: Connection) -> Result<Self, Error> {
        common(&connection, "PRAGMA cache_size = -1024")?;
        // What callers have defined must never run with our statements: a foreign key of theirs on `things` would
        // delete rows of theirs, and run their triggers, when a thing is deleted.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection, quota: None })
    }

    /// What the database may grow to from here on.
    pub(super) fn limit(&mut self, bytes: u64) -> Result<()> {
        limit(&self.connection, &mut self.quota, bytes)
    }
}

/// A connection of statements that nobody trusts.
#[derive(Debug)]
pub(super) struct Untrusted {
    pub(super) connection: Connection,
    pub(super) gate: Arc<Gate>,
    pub(super) inserts: Arc<Inserts>,
    quota: Option<u64>,
}

impl Untrusted {
    /// Opens one, of a database that is there.
    pub(super) fn open(location: &Location) -> Result<Self, Error> {
        let mut connection = location.connect()?;
        common(&connection, "PRAGMA cache_size = -512")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false)?;
        functions::bound(&connection, MAX_VALUE_BYTES)?;
        for (limit, value) in LIMITS {
            connection.set_limit(limit, value)?;
        }
        let inserts = Arc::new(Inserts::default());
        let seen = inserts.clone();
        connection.update_hook(Some(move |action, _: &str, _: &str, rowid| seen.see(action, rowid)))?;
        let gate = Arc::new(Gate::default());
        let asked = gate.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| asked.ask(&context)))?;
        Ok(Self { connection, gate, inserts, quota: None })
    }

    /// What the database may grow to from here on.
    pub(super) fn limit(&mut self, bytes: u64) -> Result<()> {
        self.gate.ours(|| limit(&self.connection, &mut self.quota, bytes))
    }
}

/// Tells whether a row was inserted. SQLite knows the last one's id only, which may be an earlier statement's.
#[derive(Debug, Default)]
pub(super) struct Inserts {
    before: AtomicI64,
    again: AtomicBool,
}

impl Inserts {
    /// A statement begins; the last row was inserted under this id.
    pub(super) fn begin(&self, before: i64) {
        self.before.store(before, Relaxed);
        self.again.store(false, Relaxed);
    }

    /// The row that the statement has inserted last, where it has, by SQLite's account after it.
    pub(super) fn end(&self, after: i64) -> Option<i64> {
        (after != self.before.load(Relaxed) || self.again.load(Relaxed)).then_some(after)
    }

    fn see(&self, action: Action, rowid: i64) {
        if action == Action::SQLITE_INSERT && rowid == self.before.load(Relaxed) {
            self.again.store(true, Relaxed);
        }
    }
}

fn common(connection: &Connection, more: &str) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304;")?;
    connection.execute_batch(more)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(())
}

/// SQLite never lowers it below what the database has already.
fn limit(connection: &Connection, known: &mut Option<u64>, bytes: u64) -> Result<()> {
    if *known != Some(bytes) {
        let pages = (bytes / PAGE_BYTES).clamp(1, u64::from(u32::MAX - 1));
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        *known = Some(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> String {
        let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        match connection.pragma_query_value(None, name, value).unwrap() {
            rusqlite::types::Value::Integer(integer) => integer.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn what_is_committed_survives_a_power_cut_and_is_never_on_disk_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let location = Location::File(dir.path().join("a.db"));
        let (first, more) = (Trusted::first(&location).unwrap(), Trusted::open(&location).unwrap());
        let untrusted = Untrusted::open(&location).unwrap();
        untrusted.gate.ours(|| {
            for connection in [&first.connection, &more.connection, &untrusted.connection] {
                assert_eq!(pragma(connection, "journal_mode"), "wal");
                assert_eq!(pragma(connection, "synchronous"), "2", "FULL");
                assert_eq!(pragma(connection, "temp_store"), "2", "MEMORY");
                assert_eq!(pragma(connection, "page_size"), PAGE_BYTES.to_string());
            }
        });
        assert_eq!(pragma(&first.connection, "foreign_keys"), "0");
        assert!(untrusted.connection.pragma_query_value(None, "synchronous", |_| Ok(())).is_err());
    }
}
