//! Messages in somebody's hands: taken for a while, and then done, given back, or lost sight of.
//!
//! Every step here is one transaction. Whoever takes a message and is never heard of again has used an attempt: a
//! message that brings its consumers down ends among the dead letters like one that they refuse.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    check::{DEAD_LETTERS, DEFAULT_ATTEMPTS, FARTHEST_DUE_MS},
    schema::{COMPLETED, DELAYED, READY},
    send::new_id,
};
use crate::{Backoff, Error, mine::Mine};

/// Messages that became due, or whose time has passed, in one transaction.
const CHUNK: i64 = 500;
/// Bodies that are handed out at once; a single one may have more.
const MAX_BYTES: i64 = 8 << 20;
const MAX_ERROR_CHARS: usize = 2000;

const PROMOTE: &str = "UPDATE messages SET state = 1 WHERE seq IN
    (SELECT seq FROM messages INDEXED BY messages_delayed WHERE state = 0 AND due_at <= ?1 ORDER BY due_at LIMIT ?2)";
const OVERDUE: &str = "SELECT seq, queue, attempts, deliveries, max_attempts FROM messages INDEXED BY messages_active
    WHERE state = 2 AND due_at <= ?1 ORDER BY due_at LIMIT ?2";
const NEXT_DUE: &str = "SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM messages INDEXED BY messages_delayed WHERE state = 0
    UNION ALL SELECT min(due_at) FROM messages INDEXED BY messages_active WHERE state = 2)";
const REWIND: [&str; 2] = [
    "UPDATE messages INDEXED BY messages_delayed SET due_at = ?1 WHERE state = 0 AND due_at > ?2",
    "UPDATE messages INDEXED BY messages_active SET due_at = ?1 WHERE state = 2 AND due_at > ?2",
];
const TAKE: &str =
    "SELECT seq, id, body, bytes, attempts, deliveries, created_at, hops FROM messages INDEXED BY messages_ready
    WHERE namespace = ?1 AND queue = ?2 AND state = 1 ORDER BY priority DESC, seq LIMIT ?3";
const HOLD: &str = "UPDATE messages SET state = 2, attempts = ?2, deliveries = ?3, due_at = ?4 WHERE seq = ?1";
const EXTEND: &str = "UPDATE messages SET due_at = ?2 WHERE seq = ?1";
const HELD: &str = "SELECT seq, queue, attempts, deliveries, max_attempts FROM messages
    WHERE namespace = ?1 AND id = ?2 AND state = 2 AND due_at > ?3";
const STILL_HELD: &str = "SELECT seq, queue, attempts, deliveries, max_attempts FROM messages
    WHERE seq = ?1 AND state = 2 AND deliveries = ?2";
const FINISH: &str = "UPDATE messages SET state = ?2, finished_at = ?3 WHERE seq = ?1";
const GIVE_BACK: &str = "UPDATE messages SET state = ?2, attempts = ?3, due_at = ?4, last_error = ?5 WHERE seq = ?1";
const BURY: &str = "UPDATE messages SET state = 4, finished_at = ?2, last_error = ?3 WHERE seq = ?1";
const DEAD_LETTER: &str = "INSERT INTO messages
    (id, namespace, queue, body, bytes, state, max_attempts, priority, last_error, created_at, due_at, hops)
    SELECT ?2, namespace, queue || ?3, body, bytes, 1, ?4, priority, last_error, ?5, ?5, hops FROM messages
    WHERE seq = ?1";

/// A message as it was handed out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    pub seq: i64,
    pub id: String,
    pub body: String,
    pub attempts: u32,
    /// Counts every time it was handed out, and so tells one from the next.
    pub deliveries: i64,
    pub created_at: i64,
    /// How often work has led to other work, up to whoever takes it.
    pub hops: u32,
}

impl Taken {
    /// Proves that it is this delivery, and not a later one.
    pub(super) fn receipt(&self) -> String {
        format!("{}.{}", self.id, self.deliveries)
    }
}

/// A message in somebody's hands, as far as its fate needs it.
#[derive(Debug)]
pub(super) struct Held {
    pub seq: i64,
    queue: String,
    attempts: u32,
    deliveries: i64,
    max_attempts: u32,
}

/// What becomes of a message that was not done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Back {
    /// It is due again after so many milliseconds, where it has an attempt left.
    After(i64),
    /// The same, after a wait that doubles.
    Backoff(Backoff),
    /// The attempt does not count; it is due again after so many milliseconds.
    Uncounted(i64),
}

/// Which delivery of which message: its `seq` and `deliveries`.
pub(super) type DeliveryId = (i64, i64);

/// Makes what became due ready, and takes back what was not done in time; a delivery that this server is at itself has
/// until `until`. Of much, a part: [`next_due`] tells of more.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    mine: &Mine<DeliveryId>,
    until: i64,
    now: i64,
) -> Result<(), Error> {
    transaction.prepare_cached(PROMOTE)?.execute([now, CHUNK])?;
    let overdue: Vec<Held> = {
        let mut select = transaction.prepare_cached(OVERDUE)?;
        select.query_map([now, CHUNK], held)?.collect::<Result<_, _>>()?
    };
    for message in &overdue {
        if mine.has(&(message.seq, message.deliveries)) {
            transaction.prepare_cached(EXTEND)?.execute([message.seq, until])?;
        } else {
            give_back(transaction, message, Back::After(0), Some("It was not acknowledged in time"), now)?;
        }
    }
    Ok(())
}

/// When [`settle`] has to do next.
pub(super) fn next_due(connection: &rusqlite::Connection) -> Result<Option<i64>, Error> {
    Ok(connection.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0))?)
}

/// After the clock was set back: nobody can have asked for a time as far away as these messages are due at.
pub(super) fn rewind(transaction: &Transaction<'_>, now: i64) -> Result<(), Error> {
    for sql in REWIND {
        transaction.execute(sql, [now, now.saturating_add(FARTHEST_DUE_MS)])?;
    }
    Ok(())
}

/// Hands out up to `max` messages that are due, until `until`.
pub(super) fn take(
    transaction: &Transaction<'_>,
    (namespace, queue): (&str, &str),
    max: u32,
    until: i64,
) -> Result<Vec<Taken>, Error> {
    let mut taken = Vec::new();
    let mut select = transaction.prepare_cached(TAKE)?;
    let mut rows = select.query(params![namespace, queue, max])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, i64>(3)?;
        if bytes > MAX_BYTES && !taken.is_empty() {
            break;
        }
        taken.push(Taken {
            seq: row.get(0)?,
            id: row.get(1)?,
            body: row.get(2)?,
            attempts: row.get::<_, u32>(4)? + 1,
            deliveries: row.get::<_, i64>(5)? + 1,
            created_at: row.get(6)?,
            hops: row.get(7)?,
        });
    }
    drop(rows);
    let mut hold = transaction.prepare_cached(HOLD)?;
    for message in &taken {
        hold.execute(params![message.seq, message.attempts, message.deliveries, until])?;
    }
    Ok(taken)
}

/// The message that a receipt, or the id of a message in somebody's hands, stands for.
pub(super) fn find(transaction: &Transaction<'_>, namespace: &str, id: &str, now: i64) -> Result<Option<Held>, Error> {
    let (id, delivery) = match id.split_once('.') {
        Some((id, delivery)) => (id, Some(delivery)),
        None => (id, None),
    };
    let found = transaction.prepare_cached(HELD)?.query_row(params![namespace, id, now], held).optional()?;
    Ok(found.filter(|found| delivery.is_none_or(|delivery| delivery == found.deliveries.to_string())))
}

/// The message of a delivery, unless it was taken back meanwhile.
pub(super) fn still_held(transaction: &Transaction<'_>, message: &Taken) -> Result<Option<Held>, Error> {
    let mut select = transaction.prepare_cached(STILL_HELD)?;
    Ok(select.query_row([message.seq, message.deliveries], held).optional()?)
}

/// It is done.
pub(super) fn complete(transaction: &Transaction<'_>, message: &Held, now: i64) -> Result<(), Error> {
    transaction.prepare_cached(FINISH)?.execute([message.seq, COMPLETED, now])?;
    Ok(())
}

/// It is not done: it will be due again, or is dead where that was its last attempt.
pub(super) fn give_back(
    transaction: &Transaction<'_>,
    message: &Held,
    back: Back,
    error: Option<&str>,
    now: i64,
) -> Result<(), Error> {
    let error = error.map(|text| text.chars().take(MAX_ERROR_CHARS).collect::<String>());
    let (attempts, delay) = match back {
        Back::Uncounted(delay) => (message.attempts.saturating_sub(1), delay),
        Back::After(_) | Back::Backoff(_) if message.attempts >= message.max_attempts => {
            return bury(transaction, message, error.as_deref(), now);
        }
        Back::After(delay) => (message.attempts, delay),
        Back::Backoff(backoff) => (message.attempts, backoff.after_ms(message.attempts, message.seq)),
    };
    let state = if delay > 0 { DELAYED } else { READY };
    let due = now.saturating_add(delay);
    transaction.prepare_cached(GIVE_BACK)?.execute(params![message.seq, state, attempts, due, error])?;
    Ok(())
}

/// It had its last attempt: a copy goes to the dead letters, whatever the quotas say, unless it was one of them.
fn bury(transaction: &Transaction<'_>, message: &Held, error: Option<&str>, now: i64) -> Result<(), Error> {
    transaction.prepare_cached(BURY)?.execute(params![message.seq, now, error])?;
    if !message.queue.ends_with(DEAD_LETTERS) {
        let copy = params![message.seq, new_id(), DEAD_LETTERS, DEFAULT_ATTEMPTS, now];
        transaction.prepare_cached(DEAD_LETTER)?.execute(copy)?;
    }
    Ok(())
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        seq: row.get(0)?,
        queue: row.get(1)?,
        attempts: row.get(2)?,
        deliveries: row.get(3)?,
        max_attempts: row.get(4)?,
    })
}
