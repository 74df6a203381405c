//! Forgetting: what is long done, and all that belongs to a namespace.

use std::time::Duration;

use doer_core::tier::Namespace;
use rusqlite::{Transaction, params};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::{
    State,
    lanes::{BATCH, Kind},
    stored,
};
use crate::Error;

/// Between two rounds.
const ROUND: Duration = Duration::from_mins(1);

/// What is kept of what is done.
#[derive(Debug, Clone, Copy)]
struct Keep {
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
        let since_ms = self.clock.now_ms().saturating_sub(self.settings.keep_finished.as_millis() as u64);
        let keep = Keep { rows: self.settings.keep_rows, bytes: self.settings.keep_bytes, since_ms };
        for kind in [Kind::Delivery, Kind::Event] {
            for namespace in self.with_finished(kind).await? {
                let namespace: Arc<str> = namespace.into();
                while !stopping.is_cancelled() {
                    let namespace = namespace.clone();
                    let trimmed =
                        self.database.write(move |transaction| trim_namespace(transaction, kind, &namespace, keep));
                    if trimmed.await? {
                        break;
                    }
                }
            }
        }
        let since = stored(since_ms);
        self.database
            .write(move |transaction| {
                transaction.execute("DELETE FROM usage WHERE open = 0 AND finished = 0", [])?;
                transaction.execute("DELETE FROM conflicts WHERE settled_at < ?1", [since])?;
                Ok(())
            })
            .await
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

/// Forgets up to a batch; says whether nothing is left to forget.
fn trim_namespace(transaction: &Transaction<'_>, kind: Kind, namespace: &str, keep: Keep) -> Result<bool, Error> {
    let (finished, bytes): (i64, i64) = transaction.query_row(
        "SELECT coalesce(sum(finished), 0), coalesce(sum(finished_bytes), 0) FROM usage
         WHERE namespace = ?1 AND kind = ?2",
        [namespace, kind.table()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (mut surplus_rows, mut surplus_bytes) =
        (finished.unsigned_abs().saturating_sub(keep.rows), bytes.unsigned_abs().saturating_sub(keep.bytes));
    let sql = format!(
        "SELECT id, bytes, finished_at FROM {} WHERE namespace = ?1 AND due_at IS NULL ORDER BY finished_at LIMIT ?2",
        kind.table()
    );
    let oldest: Vec<(String, i64, i64)> = transaction
        .prepare_cached(&sql)?
        .query_map(params![namespace, stored(BATCH as u64)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut forgotten = 0;
    let mut delete = transaction.prepare_cached(&format!("DELETE FROM {} WHERE id = ?1", kind.table()))?;
    for (id, bytes, finished_at) in &oldest {
        if surplus_rows == 0 && surplus_bytes == 0 && finished_at.unsigned_abs() >= keep.since_ms {
            break;
        }
        delete.execute([id])?;
        surplus_rows = surplus_rows.saturating_sub(1);
        surplus_bytes = surplus_bytes.saturating_sub(bytes.unsigned_abs());
        forgotten += 1;
    }
    Ok(forgotten < BATCH)
}
