//! Group commit: writes that would wait for one another share one transaction, and with it one flush to the disk. Each
//! is still durable when its call returns, and each is undone alone where it fails.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use rusqlite::Transaction;
use tokio::sync::{Mutex as Turn, oneshot, oneshot::error::TryRecvError};

use crate::{Database, Error};

/// Writes in one transaction. More of them would make the first one wait for long.
const MAX_SHARED: usize = 512;

/// A write that waits; what it gives is told once the transaction is durable.
type Step = Box<dyn FnOnce(&Transaction<'_>) -> Tell + Send>;
type Tell = Box<dyn FnOnce() + Send>;

/// A database whose writes share transactions.
pub(crate) struct Group {
    database: Database,
    waiting: Mutex<VecDeque<Step>>,
    turn: Turn<()>,
}

impl Group {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, waiting: Mutex::default(), turn: Turn::default() }
    }

    /// The database, for reading.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Writes; undone where `work` fails, durable when this returns. One whose caller stops waiting before it begins is
    /// left out.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Uncommitted`].
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, mut told) = oneshot::channel();
        self.push(Box::new(move |transaction| {
            if tell.is_closed() {
                return Box::new(|| {});
            }
            let result = apart(transaction, work);
            // Whoever waits no longer needs no answer.
            Box::new(move || drop(tell.send(result)))
        }));

        // Whoever has the turn writes for all who wait.
        let turn = self.turn.lock().await;
        loop {
            match told.try_recv() {
                Ok(result) => return result,
                Err(TryRecvError::Closed) => return Err(Error::Uncommitted),
                Err(TryRecvError::Empty) => {}
            }
            let steps = self.take();
            if steps.is_empty() {
                // It is being written by one who has stopped waiting.
                break;
            }
            self.database.write_then(|transaction| Ok(run(steps, transaction)), tell_all).await?;
        }
        drop(turn);
        told.await.unwrap_or(Err(Error::Uncommitted))
    }

    fn push(&self, step: Step) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(step);
    }

    fn take(&self) -> Vec<Step> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = waiting.len().min(MAX_SHARED);
        waiting.drain(..shared).collect()
    }
}

fn run(steps: Vec<Step>, transaction: &Transaction<'_>) -> Vec<Tell> {
    steps.into_iter().map(|step| step(transaction)).collect()
}

fn tell_all(outcome: Result<Vec<Tell>, Error>) {
    match outcome {
        Ok(tells) => tells.into_iter().for_each(|tell| tell()),
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a shared transaction failed"),
    }
}

/// Does `work` so that it can be undone without the others.
fn apart<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let plain = |sql: &str| transaction.prepare_cached(sql)?.execute([]);
    plain("SAVEPOINT apart")?;
    let result = work(transaction);
    if result.is_err() {
        plain("ROLLBACK TO apart")?;
    }
    plain("RELEASE apart")?;
    result
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use doer_core::service::ServiceError;
    use futures_util::future::{join_all, poll_immediate};

    use super::*;

    fn group(dir: &tempfile::TempDir) -> Arc<Group> {
        let schema = "CREATE TABLE t (n INTEGER PRIMARY KEY)";
        Arc::new(Group::new(Database::open(&dir.path().join("a.db"), &[schema]).unwrap()))
    }

    async fn rows(group: &Group) -> Vec<i64> {
        let read = group.database().read(|connection| {
            let mut statement = connection.prepare("SELECT n FROM t ORDER BY n")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?)
        });
        read.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_fails_alone_and_all_are_there_when_they_return() {
        let dir = tempfile::tempdir().unwrap();
        let group = group(&dir);
        let outcomes = join_all((0..2000_i64).map(|n| {
            let group = group.clone();
            async move {
                let write = group.write(move |transaction| {
                    transaction.execute("INSERT INTO t VALUES (?1)", [n])?;
                    if n % 2 == 1 { Err(ServiceError::quota("odd").into()) } else { Ok(n) }
                });
                write.await
            }
        }));
        for (n, outcome) in (0..).zip(outcomes.await) {
            match outcome {
                Ok(told) => assert_eq!((told, n % 2), (n, 0)),
                Err(error) => assert!(matches!(error, Error::Refused(_)) && n % 2 == 1, "{n}: {error}"),
            }
        }
        assert_eq!(rows(&group).await, (0..2000).filter(|n| n % 2 == 0).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_is_left_out_and_stops_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let group = group(&dir);
        let insert = |n: i64| {
            let group = group.clone();
            async move { group.write(move |transaction| Ok(transaction.execute("INSERT INTO t VALUES (?1)", [n])?)).await }
        };
        {
            // Someone else has the turn: these wait, and are given up.
            let _turn = group.turn.lock().await;
            for n in 0..600 {
                assert!(poll_immediate(insert(n)).await.is_none());
            }
        }
        assert_eq!(insert(1000).await.unwrap(), 1);
        assert_eq!(rows(&group).await, [1000]);
    }
}
