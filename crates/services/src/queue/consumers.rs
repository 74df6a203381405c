//! Which code a queue's messages go to.

use doer_core::{
    scope::Owner,
    service::{ServiceError, queue::Consumer},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{Error, sqlite::stored};

/// A consumer, and on whose behalf it runs.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub consumer: Consumer,
    pub owner: Owner,
}

const UPSERT: &str = "INSERT INTO consumers
    (namespace, queue, target, max_batch, max_concurrency, owner, created_at, waiting)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, EXISTS (SELECT 1 FROM messages WHERE namespace = ?1 AND queue = ?2 AND state = 1))
    ON CONFLICT DO UPDATE SET target = excluded.target, max_batch = excluded.max_batch,
        max_concurrency = excluded.max_concurrency, owner = excluded.owner";

/// Registers a consumer, or replaces the queue's.
///
/// # Errors
/// `quota`, where it would be one more than `most`.
pub(super) fn set(transaction: &Transaction<'_>, registered: Registered, most: u64) -> Result<Consumer, Error> {
    let Registered { mut consumer, owner } = registered;
    let namespace = owner.namespace.as_str();
    match get(transaction, namespace, &consumer.queue)? {
        Some(former) => consumer.created_at = former.consumer.created_at,
        None => {
            let sql = "SELECT count(*) FROM consumers WHERE namespace = ?1";
            let count: i64 = transaction.query_row(sql, [namespace], |row| row.get(0))?;
            if count >= stored(most) {
                let message = format!("Quota consumers: {count} of {most} queues have one; remove one of them");
                return Err(ServiceError::quota(message).into());
            }
        }
    }
    transaction.execute(
        UPSERT,
        params![
            namespace,
            consumer.queue,
            text("consumers.target", &consumer.target)?,
            consumer.max_batch,
            consumer.max_concurrency,
            text("consumers.owner", &owner)?,
            stored(consumer.created_at),
        ],
    )?;
    Ok(consumer)
}

/// The consumer of a queue.
pub(super) fn get(connection: &Connection, namespace: &str, queue: &str) -> Result<Option<Registered>, Error> {
    let sql = "SELECT target, max_batch, max_concurrency, owner, created_at FROM consumers
        WHERE namespace = ?1 AND queue = ?2";
    let row = connection.prepare_cached(sql)?.query_row([namespace, queue], |row| {
        let texts: (String, String) = (row.get(0)?, row.get(3)?);
        let numbers: (u32, u32, i64) = (row.get(1)?, row.get(2)?, row.get(4)?);
        Ok((texts, numbers))
    });
    let Some(((target, owner), (max_batch, max_concurrency, created_at))) = row.optional()? else { return Ok(None) };
    let consumer = Consumer {
        queue: queue.to_owned(),
        target: read("consumers.target", &target)?,
        max_batch,
        max_concurrency,
        created_at: created_at.unsigned_abs(),
    };
    Ok(Some(Registered { consumer, owner: read("consumers.owner", &owner)? }))
}

/// Does a queue have one?
pub(super) fn exists(connection: &Connection, namespace: &str, queue: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM consumers WHERE namespace = ?1 AND queue = ?2)";
    Ok(connection.prepare_cached(sql)?.query_row([namespace, queue], |row| row.get(0))?)
}

/// Leaves a queue without; says whether it had one.
pub(super) fn remove(transaction: &Transaction<'_>, namespace: &str, queue: &str) -> Result<bool, Error> {
    let sql = "DELETE FROM consumers WHERE namespace = ?1 AND queue = ?2";
    Ok(transaction.execute(sql, [namespace, queue])? > 0)
}

fn text<T: serde::Serialize>(column: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { column, source })
}

fn read<T: serde::de::DeserializeOwned>(column: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { column, source })
}
