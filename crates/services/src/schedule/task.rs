//! Tasks: registered, switched, told of, and removed.

use doer_core::{
    scope::Owner,
    service::{ServiceError, schedule::Task},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Serialize, de::DeserializeOwned};

use super::calendar::Calendar;
use crate::{Error, sqlite::stored};

/// A task, and what only the server knows of it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub id: i64,
    pub task: Task,
    /// On whose behalf it runs.
    pub owner: Owner,
    /// Where `every N` counts from.
    pub anchor_at: i64,
}

const COLUMNS: &str = "id, name, schedule, timezone, target, enabled, overlap, timeout_ms, metadata, owner, created_at,
    anchor_at, last_run, next_run";
const UPSERT: &str = "INSERT INTO tasks
    (namespace, name, schedule, timezone, target, enabled, overlap, timeout_ms, metadata, owner, created_at, anchor_at,
     next_run)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    ON CONFLICT (namespace, name) DO UPDATE SET schedule = excluded.schedule, timezone = excluded.timezone,
        target = excluded.target, enabled = excluded.enabled, overlap = excluded.overlap,
        timeout_ms = excluded.timeout_ms, metadata = excluded.metadata, owner = excluded.owner,
        anchor_at = excluded.anchor_at, next_run = excluded.next_run";

/// Registers a task, or replaces the one of its name. One whose schedule stays keeps its rhythm: whoever registers
/// their tasks at every start must not put them off each time.
///
/// # Errors
/// `quota`, where it would be one more than `most`.
pub(super) fn register(
    transaction: &Transaction<'_>,
    mut task: Task,
    owner: &Owner,
    most: u64,
    now: i64,
) -> Result<Task, Error> {
    let namespace = owner.namespace.as_str();
    let former = find(transaction, namespace, &task.name)?;
    if former.is_none() {
        admit(transaction, namespace, most)?;
    }
    let same = former
        .as_ref()
        .filter(|former| (&former.task.schedule, &former.task.timezone) == (&task.schedule, &task.timezone));
    let anchor_at = same.map_or(now, |former| former.anchor_at);
    let calendar = Calendar::parse(&task.schedule, &task.timezone)?;
    let next = same.and_then(|former| former.task.next_run).map(stored).or_else(|| calendar.next_after(anchor_at, now));
    task.next_run = next.filter(|_| task.enabled).map(i64::unsigned_abs);
    if let Some(Stored { task: former, .. }) = &former {
        (task.created_at, task.last_run) = (former.created_at, former.last_run);
    }
    transaction.execute(
        UPSERT,
        params![
            namespace,
            task.name,
            task.schedule,
            task.timezone,
            text("tasks.target", &task.target)?,
            task.enabled,
            task.overlap,
            task.timeout.map(stored),
            task.metadata.as_ref().map(|metadata| text("tasks.metadata", metadata)).transpose()?,
            text("tasks.owner", owner)?,
            stored(task.created_at),
            anchor_at,
            task.next_run.map(stored),
        ],
    )?;
    if let (false, Some(former)) = (task.enabled, former) {
        drop_waiting(transaction, former.id)?;
    }
    Ok(task)
}

/// Switches a task on or off.
///
/// # Errors
/// `not_found`.
pub(super) fn switch(
    transaction: &Transaction<'_>,
    namespace: &str,
    name: &str,
    enabled: bool,
    now: i64,
) -> Result<Task, Error> {
    let Stored { id, mut task, anchor_at, .. } = known(transaction, namespace, name)?;
    if task.enabled == enabled {
        return Ok(task);
    }
    task.enabled = enabled;
    let next = match enabled {
        true => Calendar::parse(&task.schedule, &task.timezone)?.next_after(anchor_at, now),
        false => None,
    };
    task.next_run = next.map(i64::unsigned_abs);
    let sql = "UPDATE tasks SET enabled = ?2, next_run = ?3 WHERE id = ?1";
    transaction.execute(sql, params![id, enabled, next])?;
    if !enabled {
        drop_waiting(transaction, id)?;
    }
    Ok(task)
}

/// Removes a task, what is owed of it, and its history; says whether there was one.
pub(super) fn remove(transaction: &Transaction<'_>, namespace: &str, name: &str) -> Result<bool, Error> {
    let Some(Stored { id, .. }) = find(transaction, namespace, name)? else { return Ok(false) };
    transaction.execute("DELETE FROM tasks WHERE id = ?1", [id])?;
    transaction.execute("DELETE FROM occurrences WHERE task = ?1", [id])?;
    transaction.execute("DELETE FROM runs WHERE namespace = ?1 AND task = ?2", params![namespace, id])?;
    Ok(true)
}

/// A task by its name.
pub(super) fn find(connection: &Connection, namespace: &str, name: &str) -> Result<Option<Stored>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE namespace = ?1 AND name = ?2");
    let row = connection.prepare_cached(&sql)?.query_row([namespace, name], Texts::of).optional()?;
    row.map(Texts::read).transpose()
}

/// The same, where it must be there.
///
/// # Errors
/// `not_found`.
pub(super) fn known(connection: &Connection, namespace: &str, name: &str) -> Result<Stored, Error> {
    let found = find(connection, namespace, name)?;
    found.ok_or_else(|| ServiceError::not_found(format!("Task {name} not found")).into())
}

/// A task by its number.
pub(super) fn numbered(connection: &Connection, id: i64) -> Result<Option<Stored>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE id = ?1");
    let row = connection.prepare_cached(&sql)?.query_row([id], Texts::of).optional()?;
    row.map(Texts::read).transpose()
}

/// The tasks of a namespace, by name.
pub(super) fn list(connection: &Connection, namespace: &str) -> Result<Vec<Task>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE namespace = ?1 ORDER BY name");
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map([namespace], Texts::of)?;
    rows.map(|row| Ok(row?.read()?.task)).collect()
}

fn admit(transaction: &Transaction<'_>, namespace: &str, most: u64) -> Result<(), Error> {
    let sql = "SELECT count(*) FROM tasks WHERE namespace = ?1";
    let count: i64 = transaction.query_row(sql, [namespace], |row| row.get(0))?;
    if count < stored(most) {
        return Ok(());
    }
    Err(ServiceError::quota(format!("Quota tasks: there are {count} of {most}; unregister one of them")).into())
}

/// What was to be tried, and is not under way, is owed no longer.
fn drop_waiting(transaction: &Transaction<'_>, id: i64) -> Result<(), Error> {
    transaction.execute("DELETE FROM occurrences WHERE task = ?1 AND run IS NULL", [id])?;
    Ok(())
}

/// A row whose JSON is still to be read.
struct Texts {
    id: i64,
    anchor_at: i64,
    target: String,
    metadata: Option<String>,
    owner: String,
    name: String,
    schedule: String,
    timezone: String,
    enabled: bool,
    overlap: bool,
    timeout: Option<i64>,
    created_at: i64,
    last_run: Option<i64>,
    next_run: Option<i64>,
}

impl Texts {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            schedule: row.get(2)?,
            timezone: row.get(3)?,
            target: row.get(4)?,
            enabled: row.get(5)?,
            overlap: row.get(6)?,
            timeout: row.get(7)?,
            metadata: row.get(8)?,
            owner: row.get(9)?,
            created_at: row.get(10)?,
            anchor_at: row.get(11)?,
            last_run: row.get(12)?,
            next_run: row.get(13)?,
        })
    }

    fn read(self) -> Result<Stored, Error> {
        let task = Task {
            target: read("tasks.target", &self.target)?,
            metadata: self.metadata.map(|metadata| read("tasks.metadata", &metadata)).transpose()?,
            name: self.name,
            schedule: self.schedule,
            timezone: self.timezone,
            enabled: self.enabled,
            overlap: self.overlap,
            timeout: self.timeout.map(i64::unsigned_abs),
            created_at: self.created_at.unsigned_abs(),
            last_run: self.last_run.map(i64::unsigned_abs),
            next_run: self.next_run.map(i64::unsigned_abs),
        };
        Ok(Stored { id: self.id, task, owner: read("tasks.owner", &self.owner)?, anchor_at: self.anchor_at })
    }
}

fn text<T: Serialize>(column: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { column, source })
}

fn read<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { column, source })
}
