//! Runs that are owed: from when a task is due until it has succeeded, or failed for good.
//!
//! Every step is one transaction, and what it leaves says what is next: a crash between two of them repeats a step
//! rather than losing it.

use doer_core::{
    run::RunError,
    scope::Owner,
    service::{Code, ServiceError},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::{
    Settings,
    calendar::Calendar,
    history::{self, Beginning},
    task::{self, Stored},
};
use crate::{
    Error,
    mine::Mine,
    slots::Candidate,
    sqlite::{stored, stored_ms},
};

/// Rows that are looked at in one transaction.
const CHUNK: i64 = 200;
/// Runs of one task that may be owed at once, where they may overlap.
const MAX_OVERLAP: i64 = 10;

/// Due, and not kept waiting by a run of the same task that it must not overlap; so many of each namespace.
const CANDIDATES: &str = "SELECT namespace, seq FROM (
    SELECT o.namespace, o.seq, row_number() OVER (PARTITION BY o.namespace ORDER BY o.due_at, o.seq) AS place
    FROM occurrences o INDEXED BY occurrences_waiting JOIN tasks t ON t.id = o.task
    WHERE o.run IS NULL AND o.due_at <= ?1 AND (t.overlap OR NOT EXISTS
        (SELECT 1 FROM occurrences other WHERE other.task = o.task AND other.run IS NOT NULL)))
    WHERE place <= ?2 ORDER BY place, seq";
const NEXT_DUE: &str = "SELECT min(due) FROM (
    SELECT min(next_run) AS due FROM tasks INDEXED BY tasks_due WHERE next_run IS NOT NULL
    UNION ALL SELECT min(due_at) FROM occurrences INDEXED BY occurrences_running WHERE run IS NOT NULL
    UNION ALL SELECT min(due_at) FROM occurrences INDEXED BY occurrences_waiting WHERE run IS NULL AND due_at > ?1)";

/// An attempt under way.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub seq: i64,
    /// Id of the row of `runs`.
    pub run: String,
    pub stored: Stored,
    pub scheduled_at: i64,
    pub attempt: u32,
    by_hand: bool,
}

/// Owes a run of each task that is due, and says when it is due next. A task that is due while a run of it is owed
/// already is passed over, unless runs may overlap; and however long ago it was due, one run is owed.
pub(super) fn owe_due(transaction: &Transaction<'_>, now: i64) -> Result<(), Error> {
    let due: Vec<i64> = {
        let sql = "SELECT id FROM tasks INDEXED BY tasks_due WHERE next_run IS NOT NULL AND next_run <= ?1
            ORDER BY next_run LIMIT ?2";
        let mut select = transaction.prepare_cached(sql)?;
        select.query_map([now, CHUNK], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for id in due {
        let Some(Stored { task, owner, anchor_at, .. }) = task::numbered(transaction, id)? else { continue };
        let owed: i64 = transaction
            .prepare_cached("SELECT count(*) FROM occurrences WHERE task = ?1")?
            .query_row([id], |row| row.get(0))?;
        if owed < if task.overlap { MAX_OVERLAP } else { 1 } {
            let scheduled_at = task.next_run.map_or(now, stored);
            owe(transaction, (owner.namespace.as_str(), id), scheduled_at, By::Schedule { due_at: now })?;
        }
        let next = Calendar::parse(&task.schedule, &task.timezone)?.next_after(anchor_at, now);
        transaction.prepare_cached("UPDATE tasks SET next_run = ?2 WHERE id = ?1")?.execute(params![id, next])?;
    }
    Ok(())
}

/// Looks at attempts whose time has passed: those of `mine`, which this server is at, get more; the others were
/// interrupted.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    mine: &Mine<String>,
    settings: &Settings,
    now: i64,
) -> Result<(), Error> {
    let overdue: Vec<(i64, String)> = {
        let sql = "SELECT seq, run FROM occurrences INDEXED BY occurrences_running
            WHERE run IS NOT NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2";
        let mut select = transaction.prepare_cached(sql)?;
        let rows = select.query_map([now, CHUNK], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (seq, run) in overdue {
        if mine.has(&run) {
            let until = now.saturating_add(stored_ms(settings.lease));
            transaction.prepare_cached("UPDATE occurrences SET due_at = ?2 WHERE seq = ?1")?.execute([seq, until])?;
            continue;
        }
        history::end(transaction, &run, &Err("interrupted: the server ended while it ran".to_owned()), None)?;
        try_again(transaction, seq, settings, now)?;
    }
    Ok(())
}

/// What is to be run now.
pub(super) fn candidates(connection: &Connection, most: usize, now: i64) -> Result<Vec<Candidate<i64>>, Error> {
    let mut select = connection.prepare_cached(CANDIDATES)?;
    let rows = select.query_map(params![now, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(Candidate { place: (row.get(0)?, row.get(1)?), max_concurrency: 1 })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When there is something to do next; what is due and not begun waits for another run, whose end tells.
pub(super) fn next_due(connection: &Connection, now: i64) -> Result<Option<i64>, Error> {
    Ok(connection.prepare_cached(NEXT_DUE)?.query_row([now], |row| row.get(0))?)
}

/// On whose behalf an occurrence is to be run.
pub(super) fn owner(connection: &Connection, seq: i64) -> Result<Option<Owner>, Error> {
    let task = connection
        .prepare_cached("SELECT task FROM occurrences WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    let Some(task) = task else { return Ok(None) };
    Ok(task::numbered(connection, task)?.map(|stored| stored.owner))
}

/// Puts off an occurrence whose owner may run nothing at present.
pub(super) fn put_off(transaction: &Transaction<'_>, seq: i64, until: i64) -> Result<(), Error> {
    transaction.execute("UPDATE occurrences SET due_at = ?2 WHERE seq = ?1 AND run IS NULL", [seq, until])?;
    Ok(())
}

/// Begins an attempt; none where it was begun, or is owed no longer, or must not overlap what has begun meanwhile.
pub(super) fn begin(
    transaction: &Transaction<'_>,
    seq: i64,
    settings: &Settings,
    now: i64,
) -> Result<Option<Attempt>, Error> {
    let sql = "SELECT task, scheduled_at, attempt FROM occurrences WHERE seq = ?1 AND run IS NULL AND due_at <= ?2";
    let row = transaction
        .prepare_cached(sql)?
        .query_row([seq, now], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?)));
    let Some((task, scheduled_at, attempt)) = row.optional()? else { return Ok(None) };
    let Some(stored) = task::numbered(transaction, task)? else { return Ok(None) };
    if !stored.task.overlap && running(transaction, task)? > 0 {
        return Ok(None);
    }
    let attempt = Attempt { seq, run: String::new(), stored, scheduled_at, attempt, by_hand: false };
    start(transaction, attempt, settings, now).map(Some)
}

/// Begins an attempt of a task right now, whatever its schedule says.
///
/// # Errors
/// `not_found`, and `conflict` where it must not overlap one that goes on.
pub(super) fn begin_by_hand(
    transaction: &Transaction<'_>,
    namespace: &str,
    name: &str,
    settings: &Settings,
    now: i64,
) -> Result<Attempt, Error> {
    let stored = task::known(transaction, namespace, name)?;
    if running(transaction, stored.id)? >= if stored.task.overlap { MAX_OVERLAP } else { 1 } {
        return Err(ServiceError::new(Code::Conflict, format!("Task {name} is running")).into());
    }
    let seq = owe(transaction, (namespace, stored.id), now, By::Hand)?;
    let attempt = Attempt { seq, run: String::new(), stored, scheduled_at: now, attempt: 1, by_hand: true };
    start(transaction, attempt, settings, now)
}

/// Ends an attempt: the run is owed no longer, or is to be tried again. Nothing happens where it was taken for
/// interrupted, or where its task is gone.
pub(super) fn end(
    transaction: &Transaction<'_>,
    attempt: &Attempt,
    outcome: Result<Option<Value>, RunError>,
    duration_ms: u64,
    settings: &Settings,
    now: i64,
) -> Result<(), Error> {
    let sql = "SELECT count(*) FROM occurrences WHERE seq = ?1 AND run = ?2";
    let ours: i64 = transaction.prepare_cached(sql)?.query_row(params![attempt.seq, attempt.run], |row| row.get(0))?;
    if ours == 0 {
        return Ok(());
    }
    let counts = outcome.as_ref().err().is_none_or(|error| error.counts);
    let succeeded = outcome.is_ok();
    history::end(transaction, &attempt.run, &outcome.map_err(|error| error.message), Some(duration_ms))?;
    let namespace = attempt.stored.owner.namespace.as_str();
    history::trim(transaction, namespace, attempt.stored.id, settings.keep_runs)?;
    match (succeeded, counts) {
        (true, _) => settled(transaction, attempt.seq),
        (false, true) => try_again(transaction, attempt.seq, settings, now),
        (false, false) => try_uncounted(transaction, attempt, settings, now),
    }
}

/// After the clock was set back, and at start: no task is due later than its schedule says, and nothing is put off for
/// longer than anything is ever put off.
pub(super) fn rewind(transaction: &Transaction<'_>, settings: &Settings, now: i64) -> Result<(), Error> {
    let mut select = transaction.prepare("SELECT id FROM tasks WHERE next_run > ?1")?;
    let ids = select.query_map([now], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for id in ids {
        let Some(Stored { task, anchor_at, .. }) = task::numbered(transaction, id)? else { continue };
        let next = Calendar::parse(&task.schedule, &task.timezone)?.next_after(anchor_at, now);
        let sql = "UPDATE tasks SET next_run = ?2 WHERE id = ?1 AND next_run > ?2";
        transaction.prepare_cached(sql)?.execute(params![id, next])?;
    }
    let longest = [settings.lease, settings.backoff.max, settings.look_again, settings.uncounted_pause];
    let farthest =
        longest.into_iter().map(stored_ms).fold(now, |farthest, span| farthest.max(now.saturating_add(span)));
    transaction.execute("UPDATE occurrences SET due_at = ?1 WHERE due_at > ?2", [now, farthest])?;
    Ok(())
}

/// Why a run is owed.
enum By {
    /// It was due.
    Schedule { due_at: i64 },
    /// Somebody asked for it, and waits: it is tried once.
    Hand,
}

fn owe(transaction: &Transaction<'_>, (namespace, task): (&str, i64), scheduled_at: i64, by: By) -> Result<i64, Error> {
    let (due_at, by_hand) = match by {
        By::Schedule { due_at } => (due_at, false),
        By::Hand => (scheduled_at, true),
    };
    let sql = "INSERT INTO occurrences (namespace, task, scheduled_at, attempt, by_hand, due_at)
        VALUES (?1, ?2, ?3, 1, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![namespace, task, scheduled_at, by_hand, due_at])?;
    Ok(transaction.last_insert_rowid())
}

/// Notes that an attempt begins; it has no run before.
fn start(transaction: &Transaction<'_>, attempt: Attempt, settings: &Settings, now: i64) -> Result<Attempt, Error> {
    let beginning = Beginning {
        namespace: attempt.stored.owner.namespace.as_str(),
        task: attempt.stored.id,
        attempt: attempt.attempt,
        scheduled_at: attempt.scheduled_at,
    };
    let run = history::begin(transaction, &beginning, now)?;
    let until = now.saturating_add(stored_ms(settings.lease));
    let sql = "UPDATE occurrences SET run = ?2, due_at = ?3 WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![attempt.seq, run, until])?;
    Ok(Attempt { run, ..attempt })
}

/// How many runs of a task go on.
fn running(transaction: &Transaction<'_>, task: i64) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM occurrences WHERE task = ?1 AND run IS NOT NULL";
    Ok(transaction.prepare_cached(sql)?.query_row([task], |row| row.get(0))?)
}

fn settled(transaction: &Transaction<'_>, seq: i64) -> Result<(), Error> {
    transaction.prepare_cached("DELETE FROM occurrences WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

/// The attempt failed: there is another one after a while, unless it was the last.
fn try_again(transaction: &Transaction<'_>, seq: i64, settings: &Settings, now: i64) -> Result<(), Error> {
    let sql = "SELECT attempt, by_hand OR attempt > ?2 OR NOT t.enabled
        FROM occurrences JOIN tasks t ON t.id = task WHERE seq = ?1";
    let row = transaction
        .prepare_cached(sql)?
        .query_row(params![seq, settings.retries], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, bool>(1)?)));
    match row.optional()? {
        Some((attempt, false)) => {
            let due = now.saturating_add(settings.backoff.after_ms(attempt, seq));
            wait_for(transaction, seq, attempt + 1, due)
        }
        _ => settled(transaction, seq),
    }
}

/// The attempt does not count: it is made again after a while.
fn try_uncounted(transaction: &Transaction<'_>, attempt: &Attempt, settings: &Settings, now: i64) -> Result<(), Error> {
    if attempt.by_hand {
        return settled(transaction, attempt.seq);
    }
    wait_for(transaction, attempt.seq, attempt.attempt, now.saturating_add(stored_ms(settings.uncounted_pause)))
}

fn wait_for(transaction: &Transaction<'_>, seq: i64, attempt: u32, due_at: i64) -> Result<(), Error> {
    let sql = "UPDATE occurrences SET run = NULL, attempt = ?2, due_at = ?3 WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![seq, attempt, due_at])?;
    Ok(())
}
