//! SQLite as every embedded service uses it: opened for sharing, and brought to the present schema.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, TransactionBehavior};
use thiserror::Error;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A failure of an embedded store.
#[derive(Debug, Error)]
pub enum Error {
    /// The file could not be opened or prepared.
    #[error("cannot open the database {path}")]
    Open {
        /// Where.
        path: String,
        /// SQLite's own account.
        #[source]
        source: rusqlite::Error,
    },
    /// The file was written by a newer doer.
    #[error("the database {path} has schema version {found}, and this doer knows {known}: use a newer doer")]
    Newer {
        /// Where.
        path: String,
        /// The version in the file.
        found: usize,
        /// The newest version known here.
        known: usize,
    },
    /// A statement failed.
    #[error("the database failed")]
    Statement(#[from] rusqlite::Error),
    /// A stored value is not what was written.
    #[error("the database holds a damaged value in {column}")]
    Damaged {
        /// Table and column.
        column: &'static str,
        /// Why it could not be read.
        #[source]
        source: serde_json::Error,
    },
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),
}

/// Opens `path` and applies the migrations that it lacks. Each migration is one script, applied once, in
/// order; the number applied is SQLite's `user_version`.
///
/// # Errors
/// [`Error::Open`] and [`Error::Newer`].
pub fn open(path: &Path, migrations: &[&str]) -> Result<Connection, Error> {
    let opened = |source| Error::Open { path: path.display().to_string(), source };
    let mut connection = Connection::open(path).map_err(opened)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opened)?;
    // WAL: the CLI writes while a running server reads. FULL: a key that was shown survives a power cut.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(opened)?;

    // Immediate: two processes that start at once must not both see the old version.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opened)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(opened)?;
    let found = found as usize;
    let Some(missing) = migrations.get(found..) else {
        return Err(Error::Newer { path: path.display().to_string(), found, known: migrations.len() });
    };
    for migration in missing {
        transaction.execute_batch(migration).map_err(opened)?;
    }
    transaction
        .pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))
        .map_err(opened)?;
    transaction.commit().map_err(opened)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_applied_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let first = "CREATE TABLE t (n INTEGER)";
        let second = "ALTER TABLE t ADD COLUMN m INTEGER";

        drop(open(&path, &[first]).unwrap());
        drop(open(&path, &[first, second]).unwrap());
        let connection = open(&path, &[first, second]).unwrap();
        connection.execute("INSERT INTO t (n, m) VALUES (1, 2)", []).unwrap();
    }

    #[test]
    fn a_newer_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(open(&path, &["CREATE TABLE t (n)", "CREATE TABLE u (n)"]).unwrap());
        assert!(matches!(open(&path, &["CREATE TABLE t (n)"]), Err(Error::Newer { found: 2, known: 1, .. })));
    }

    #[test]
    fn a_path_that_is_no_database_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(&dir.path().join("none/a.db"), &[]).unwrap_err();
        assert!(error.to_string().contains("none/a.db"), "{error}");
    }
}
