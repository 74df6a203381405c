//! SQLite as every embedded service uses it: opened for sharing, brought to the present schema, and used from async
//! code without holding up its threads.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doer_core::service::ServiceError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use thiserror::Error;

/// How long a statement waits for another process that writes.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// A file or directory could not be made or removed.
    #[error("cannot make or remove {path}")]
    File {
        /// Where.
        path: String,
        /// The operating system's account.
        #[source]
        source: std::io::Error,
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
    /// A secret does not open: it was sealed with another key, or for something else.
    #[error("a sealed secret does not open with this installation's key")]
    Sealed,
    /// The work panicked.
    #[error("work on a database panicked")]
    Panicked,
    /// The transaction that several writes shared failed; the log says how.
    #[error("a transaction that writes share failed")]
    Uncommitted,
    /// The caller is refused; the transaction was rolled back.
    #[error("refused")]
    Refused(#[from] ServiceError),
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal,
            other => Self::internal(other),
        }
    }
}

/// A database of a service. One connection writes, others read at the same time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Idle readers. As many exist as were ever busy at once, which the pool of blocking threads bounds.
    readers: Mutex<Vec<Connection>>,
}

/// Idle readers that are kept.
const MAX_IDLE_READERS: usize = 8;

impl Database {
    /// Opens `path`, makes it where it is not, and applies the migrations that it lacks.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Newer`].
    pub fn open(path: &Path, migrations: &[&str]) -> Result<Self, Error> {
        let writer = Mutex::new(open(path, migrations)?);
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), writer, readers: Mutex::default() }) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes in one transaction, which is rolled back where `work` fails. Durable when this returns.
    ///
    /// # Errors
    /// Those of `work`, and of the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        blocking(move || this.write_now(work)).await
    }

    /// Writes as [`Self::write`] does, and hands the outcome to `then` once it is durable: even where whoever called
    /// has stopped waiting by then.
    ///
    /// # Errors
    /// [`Error::Panicked`]; the others are handed to `then`.
    pub(crate) async fn write_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
        then: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let this = self.clone();
        blocking(move || {
            then(this.write_now(work));
            Ok(())
        })
        .await
    }

    /// Reads, beside whoever writes. All that `work` reads is of one moment.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        blocking(move || this.read_now(work)).await
    }

    /// Writes on this thread: for callers that may block.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_now<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut connection = lock(&self.inner.writer);
        // Immediate: what is read in it still holds when it writes.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Reads on this thread: for reads by key, which take less time than another thread takes to begin.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub fn read_now<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = lock(&self.inner.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.inner.path)?,
        };
        // Else a count could be of before a write, and the rows of after it.
        let result = connection.unchecked_transaction().map_err(Error::from).and_then(|moment| work(&moment));
        let mut readers = lock(&self.inner.readers);
        if readers.len() < MAX_IDLE_READERS {
            readers.push(connection);
        }
        result
    }
}

/// A number as SQLite keeps it.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time span in milliseconds, as SQLite keeps it.
pub(crate) fn stored_ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    // Its panic has been reported by the hook.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Panicked))
}

fn reader(path: &Path) -> Result<Connection, Error> {
    let opened = |source| Error::Open { path: path.display().to_string(), source };
    let connection = Connection::open(path).map_err(opened)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opened)?;
    connection.pragma_update(None, "query_only", true).map_err(opened)?;
    Ok(connection)
}

/// A panic elsewhere leaves no half-made statement behind: SQLite rolls back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[tokio::test]
    async fn a_refused_write_leaves_nothing_and_readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("a.db"), &["CREATE TABLE t (n INTEGER)"]).unwrap();
        let refused = database.write(|transaction| {
            transaction.execute("INSERT INTO t VALUES (1)", [])?;
            Err::<(), _>(ServiceError::quota("full").into())
        });
        assert!(matches!(refused.await, Err(Error::Refused(_))));
        database.write(|transaction| Ok(transaction.execute("INSERT INTO t VALUES (2)", [])?)).await.unwrap();
        let sum =
            |connection: &Connection| Ok(connection.query_row("SELECT sum(n) FROM t", [], |row| row.get::<_, i64>(0))?);
        assert_eq!(database.read(sum).await.unwrap(), 2);
        assert!(database.read(|connection| Ok(connection.execute("DELETE FROM t", [])?)).await.is_err());
    }

    #[test]
    fn what_one_read_sees_does_not_change_while_it_reads() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("a.db"), &["CREATE TABLE t (n INTEGER)"]).unwrap();
        let count = |connection: &Connection| {
            Ok::<_, Error>(connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?)
        };
        let seen = database.read_now(|connection| {
            let before = count(connection)?;
            database.write_now(|transaction| Ok(transaction.execute("INSERT INTO t VALUES (1)", [])?))?;
            Ok((before, count(connection)?))
        });
        assert_eq!(seen.unwrap(), (0, 0));
        assert_eq!(database.read_now(count).unwrap(), 1);
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
