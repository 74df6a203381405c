//! Mails that are held: nothing may be done in their namespace at present, because its tenant is suspended. They stay in
//! the outbox as they are, and the time for which they were held does not count against that for which they are tried.

use rusqlite::{Transaction, params};

use super::outbox::{Outbox, stored};
use crate::Error;

/// Namespaces whose mails are held, and since when.
pub(super) const SCHEMA: &str = "CREATE TABLE holds (
    namespace TEXT PRIMARY KEY NOT NULL,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

impl Outbox {
    /// Namespaces whose mails are held.
    pub async fn held(&self) -> Result<Vec<String>, Error> {
        self.database()
            .read(|connection| {
                let mut statement = connection.prepare_cached("SELECT namespace FROM holds")?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Holds the mails of these namespaces.
    pub async fn hold(&self, namespaces: Vec<String>, now: u64) -> Result<(), Error> {
        self.database()
            .write(move |transaction| {
                let mut statement = transaction.prepare_cached("INSERT OR IGNORE INTO holds VALUES (?1, ?2)")?;
                for namespace in namespaces {
                    statement.execute(params![namespace, stored(now)])?;
                }
                Ok(())
            })
            .await
    }

    /// Lets the mails of these namespaces go on.
    pub async fn release(&self, namespaces: Vec<String>, now: u64) -> Result<(), Error> {
        self.database()
            .write(move |transaction| {
                namespaces.iter().try_for_each(|namespace| release(transaction, namespace, stored(now)))
            })
            .await
    }
}

fn release(transaction: &Transaction<'_>, namespace: &str, now: i64) -> Result<(), Error> {
    transaction
        .prepare_cached(
            "UPDATE mails SET give_up_at = give_up_at +
                 (SELECT max(?2 - since, 0) FROM holds WHERE holds.namespace = mails.namespace)
             WHERE namespace = ?1 AND due_at IS NOT NULL AND give_up_at IS NOT NULL
                 AND EXISTS (SELECT 1 FROM holds WHERE holds.namespace = ?1)",
        )?
        .execute(params![namespace, now])?;
    transaction.prepare_cached("DELETE FROM holds WHERE namespace = ?1")?.execute([namespace])?;
    Ok(())
}
