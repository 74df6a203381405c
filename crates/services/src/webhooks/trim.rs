//! Forgetting: what is long done, and all that belongs to a namespace.

use std::{sync::Arc, time::Duration};

use doer_core::tier::Namespace;
use rusqlite::{Transaction, params};
use tokio_util::sync::CancellationToken;

use super::{
    State,
    lanes::{BATCH, Kind},
    stored,
};
use crate::Error;

/// Between two rounds.
const ROUND: Duration = Duration::from_mins(1);
/// Rows that go at most when one more is done: more than one, so that what is too much becomes less.
pub(super) const AT_ONCE: usize = 8;

/// What is kept of what is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    rows: u64,
    bytes: u64,
    /// Done before this is too old.
    since_ms: u64,
}

impl State {
    /// Forgets what is done and too old or too much, round after round.
    pub(super) async fn trim(self: Arc<Self>, stopping: CancellationToken) {
        while !stopping.is_cancelled() {
            if let Err(error) = self.trim_once(&stopping).await {
                tracing::error!(error = &error as &dyn std::error::Error, "old webhooks are not forgotten");
            }
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    async fn trim_once(&self, stopping: &CancellationToken) -> Result<(), Error> {
        let keep = self.kept();
        for kind in [Kind::Delivery, Kind::Event] {
            for namespace in self.with_finished(kind).await? {
                let namespace: Arc<str> = namespace.into();
                while !stopping.is_cancelled() {
                    let namespace = namespace.clone();
                    let forgotten = self
                        .database
                        .write(move |transaction| forget_finished(transaction, kind, &namespace, keep, BATCH));
                    if forgotten.await? < BATCH {
                        break;
                    }
                }
            }
        }
        let since = stored(keep.since_ms);
        self.database
            .write(move |transaction| {
                transaction.execute("DELETE FROM usage WHERE open = 0 AND finished = 0", [])?;
                transaction.execute("DELETE FROM conflicts WHERE settled_at < ?1", [since])?;
                Ok(())
            })
            .await
    }

    /// What is kept at present.
    pub(super) fn kept(&self) -> Keep {
        let age = u64::try_from(self.settings.keep_finished.as_millis()).unwrap_or(u64::MAX);
        Keep {
            rows: self.settings.keep_rows,
            bytes: self.settings.keep_bytes,
            since_ms: self.clock.now_ms().saturating_sub(age),
        }
    }

    /// Namespaces that have something done.
    async fn with_finished(&self, kind: Kind) -> Result<Vec<String>, Error> {
        self.database
            .read(move |connection| {
                let mut statement =
                    connection.prepare_cached("SELECT namespace FROM usage WHERE kind = ?1 AND finished > 0")?;
                Ok(statement.query_map([kind.table()], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Deletes all that a namespace has, a batch at a time.
    pub(super) async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        // The lanes first: nothing is sent or taken any more while the rest goes.
        for table in ["endpoints", "sources", "deliveries", "events", "files", "conflicts", "usage"] {
            loop {
                let namespace = namespace.clone();
                let deleted = self.database.write(move |transaction| {
                    let key = match table {
                        "files" => "(namespace, repository, branch, path)",
                        "usage" => "(namespace, kind)",
                        _ => "id",
                    };
                    let columns = key.trim_matches(['(', ')']);
                    let sql = format!(
                        "DELETE FROM {table} WHERE {key} IN
                         (SELECT {columns} FROM {table} WHERE namespace = ?1 LIMIT ?2)"
                    );
                    Ok(transaction.execute(&sql, params![namespace.as_str(), stored(BATCH as u64)])?)
                });
                if deleted.await? < BATCH {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Forgets the oldest of what is done, as far as it is too old or too much, and `most` at once; says how many.
pub(super) fn forget_finished(
    transaction: &Transaction<'_>,
    kind: Kind,
    namespace: &str,
    keep: Keep,
    most: usize,
) -> Result<usize, Error> {
    let (finished, bytes): (i64, i64) = transaction
        .prepare_cached(
            "SELECT coalesce(sum(finished), 0), coalesce(sum(finished_bytes), 0) FROM usage
             WHERE namespace = ?1 AND kind = ?2",
        )?
        .query_row([namespace, kind.table()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut surplus_rows = finished.unsigned_abs().saturating_sub(keep.rows);
    let mut surplus_bytes = bytes.unsigned_abs().saturating_sub(keep.bytes);
    let mut oldest = transaction.prepare_cached(&format!(
        "SELECT id, bytes, finished_at FROM {} WHERE namespace = ?1 AND due_at IS NULL ORDER BY finished_at LIMIT ?2",
        kind.table()
    ))?;
    let mut rows = oldest.query(params![namespace, stored(most as u64)])?;
    let mut ids: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let (bytes, finished_at): (i64, i64) = (row.get(1)?, row.get(2)?);
        if surplus_rows == 0 && surplus_bytes == 0 && finished_at.unsigned_abs() >= keep.since_ms {
            break;
        }
        surplus_rows = surplus_rows.saturating_sub(1);
        surplus_bytes = surplus_bytes.saturating_sub(bytes.unsigned_abs());
        ids.push(row.get(0)?);
    }
    let mut delete = transaction.prepare_cached(&format!("DELETE FROM {} WHERE id = ?1", kind.table()))?;
    for id in &ids {
        delete.execute([id])?;
    }
    Ok(ids.len())
}
