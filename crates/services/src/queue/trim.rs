//! What is done is remembered for a while, and then forgotten, a little at a time.

use std::{sync::Arc, time::Duration};

use doer_core::tier::Namespace;
use rusqlite::{Connection, Transaction, params};
use tokio_util::sync::CancellationToken;

use super::EmbeddedQueue;
use crate::{
    Error,
    sqlite::{stored, stored_ms},
};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// Messages that are forgotten in one transaction, so that nobody waits for long.
const CHUNK: u64 = 500;

const NAMESPACES: &str = "SELECT DISTINCT namespace FROM counts INDEXED BY counts_totals
    WHERE queue = '' AND state >= 3";
const TOTAL: &str = "SELECT coalesce(sum(n), 0), coalesce(sum(bytes), 0) FROM counts
    WHERE namespace = ?1 AND queue = '' AND state >= 3";
const OLD: &str = "DELETE FROM messages WHERE seq IN
    (SELECT seq FROM messages INDEXED BY messages_finished
     WHERE namespace = ?1 AND finished_at IS NOT NULL AND finished_at <= ?2 ORDER BY finished_at LIMIT ?3)";

impl EmbeddedQueue {
    pub(super) async fn keep_trimmed(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            if let Err(error) = self.trim().await {
                tracing::error!(error = &error as &dyn std::error::Error, "finished messages are not forgotten");
            }
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = stopping.cancelled() => return,
            }
        }
    }

    /// Forgets what was done too long ago, and the oldest of what is too much: what [`Self::start`] does every now and
    /// then.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn trim(&self) -> Result<(), Error> {
        for namespace in self.store.database().read(namespaces).await? {
            let oldest = self.now().saturating_sub(stored_ms(self.settings.keep_finished));
            self.trim_one(namespace.clone(), move |_| (oldest, CHUNK)).await?;
            let (most, most_bytes) = (self.settings.keep_finished_count, self.settings.keep_finished_bytes);
            self.trim_one(namespace.clone(), move |(n, bytes)| {
                let over = n.saturating_sub(most);
                // How many messages too many bytes are is seen as they go: a tenth at a time.
                let over_bytes = if bytes > most_bytes { n.div_ceil(10) } else { 0 };
                (i64::MAX, over.max(over_bytes).min(CHUNK))
            })
            .await?;
        }
        Ok(())
    }

    /// Forgets what `choose` says, given how many are remembered and with how many bytes: those finished until a time,
    /// so many at most. Again, until nothing is left to forget.
    async fn trim_one(
        &self,
        namespace: String,
        choose: impl Fn((u64, u64)) -> (i64, u64) + Copy + Send + 'static,
    ) -> Result<(), Error> {
        loop {
            let namespace = namespace.clone();
            let forget = self.store.write(move |transaction| {
                let (until, most) = choose(remembered(transaction, &namespace)?);
                Ok(transaction.prepare_cached(OLD)?.execute(params![namespace, until, stored(most)])?)
            });
            if forget.await? == 0 {
                return Ok(());
            }
        }
    }

    /// Deletes all that a namespace has, a part at a time.
    pub(super) async fn delete_all(&self, namespace: &Namespace) -> Result<(), Error> {
        let name = namespace.as_str().to_owned();
        let consumers = self
            .store
            .write(move |transaction| Ok(transaction.execute("DELETE FROM consumers WHERE namespace = ?1", [name])?));
        consumers.await?;
        loop {
            let name = namespace.as_str().to_owned();
            let part = self.store.write(move |transaction| {
                let sql = "DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE namespace = ?1 LIMIT ?2)";
                Ok(transaction.execute(sql, params![name, stored(CHUNK)])?)
            });
            if part.await? == 0 {
                return Ok(());
            }
        }
    }
}

fn namespaces(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut select = connection.prepare_cached(NAMESPACES)?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn remembered(transaction: &Transaction<'_>, namespace: &str) -> Result<(u64, u64), Error> {
    let totals = transaction
        .prepare_cached(TOTAL)?
        .query_row([namespace], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())));
    Ok(totals?)
}
