//! Messages on their way in.

use doer_core::{quota::Quota, service::ServiceError};
use rusqlite::{OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::{
    check::Draft,
    schema::{DELAYED, READY},
};
use crate::{Error, sqlite::stored};

const BY_KEY: &str = "SELECT id FROM messages INDEXED BY messages_key
    WHERE namespace = ?1 AND queue = ?2 AND key = ?3 AND key IS NOT NULL AND state < 3";
const UNFINISHED: &str = "SELECT coalesce(sum(n), 0), coalesce(sum(bytes), 0) FROM counts
    WHERE namespace = ?1 AND queue = '' AND state < 3";
const INSERT: &str = "INSERT INTO messages
    (id, namespace, queue, body, bytes, state, max_attempts, priority, key, created_at, due_at, hops)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// A new message's id.
pub(super) fn new_id() -> String {
    format!("msg_{}", Uuid::now_v7().simple())
}

/// Writes drafts, all or none, and gives their ids.
///
/// # Errors
/// `quota`.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    (namespace, queue): (&str, &str),
    (drafts, hops): (&[Draft], u32),
    quota: &Quota,
    now: i64,
) -> Result<Vec<String>, Error> {
    // Only single messages have keys: that one is there already, or a new one is to be written.
    if let [Draft { key: Some(key), .. }] = drafts {
        let known = transaction.prepare_cached(BY_KEY)?.query_row([namespace, queue, key], |row| row.get(0));
        if let Some(id) = known.optional()? {
            return Ok(vec![id]);
        }
    }
    admit(transaction, namespace, drafts, quota)?;
    let mut insert = transaction.prepare_cached(INSERT)?;
    let mut ids = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let id = new_id();
        insert.execute(params![
            id,
            namespace,
            queue,
            draft.body,
            stored(draft.body.len() as u64),
            if draft.delay_ms > 0 { DELAYED } else { READY },
            draft.max_attempts,
            draft.priority,
            draft.key,
            now,
            now.saturating_add(draft.delay_ms),
            hops,
        ])?;
        ids.push(id);
    }
    Ok(ids)
}

fn admit(transaction: &Transaction<'_>, namespace: &str, drafts: &[Draft], quota: &Quota) -> Result<(), Error> {
    let (messages, bytes): (i64, i64) =
        transaction.prepare_cached(UNFINISHED)?.query_row([namespace], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let more: usize = drafts.iter().map(|draft| draft.body.len()).sum();
    if messages.saturating_add(stored(drafts.len() as u64)) > stored(quota.queue_messages) {
        return Err(ServiceError::quota(format!(
            "Quota queue_messages: {messages} of {} messages are not done yet; let some be done or cancel them",
            quota.queue_messages
        ))
        .into());
    }
    if bytes.saturating_add(stored(more as u64)) > stored(quota.queue_bytes) {
        return Err(ServiceError::quota(format!(
            "Quota queue_bytes: messages that are not done have {bytes} of {} bytes; let some be done or cancel them",
            quota.queue_bytes
        ))
        .into());
    }
    Ok(())
}
