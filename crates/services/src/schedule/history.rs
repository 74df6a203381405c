//! What was run, and how it went.

use doer_core::service::schedule::{Run, RunStatus};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, sqlite::stored};

/// A longer result is not kept.
const MAX_RESULT_BYTES: usize = 64 << 10;
const MAX_ERROR_CHARS: usize = 2000;

const COLUMNS: &str = "id, status, attempt, scheduled_at, started_at, duration_ms, result, error";

/// One attempt that begins.
#[derive(Debug)]
pub(super) struct Beginning<'a> {
    pub namespace: &'a str,
    pub task: i64,
    pub attempt: u32,
    pub scheduled_at: i64,
}

/// Notes that an attempt begins, and gives its id.
pub(super) fn begin(transaction: &Transaction<'_>, beginning: &Beginning<'_>, now: i64) -> Result<String, Error> {
    let id = format!("run_{}", Uuid::now_v7().simple());
    let sql = "INSERT INTO runs (id, namespace, task, status, attempt, scheduled_at, started_at)
        VALUES (?1, ?2, ?3, 'running', ?4, ?5, ?6)";
    let Beginning { namespace, task, attempt, scheduled_at } = beginning;
    transaction.prepare_cached(sql)?.execute(params![id, namespace, task, attempt, scheduled_at, now])?;
    transaction.prepare_cached("UPDATE tasks SET last_run = ?2 WHERE id = ?1")?.execute([*task, now])?;
    Ok(id)
}

/// Notes how an attempt ended.
pub(super) fn end(
    transaction: &Transaction<'_>,
    id: &str,
    outcome: &Result<Option<Value>, String>,
    duration_ms: Option<u64>,
) -> Result<(), Error> {
    let (status, result, error) = match outcome {
        Ok(result) => ("success", result.as_ref().map(Value::to_string), None),
        Err(error) => ("failed", None, Some(error.chars().take(MAX_ERROR_CHARS).collect::<String>())),
    };
    let result = result.filter(|result| result.len() <= MAX_RESULT_BYTES);
    let sql = "UPDATE runs SET status = ?2, result = ?3, error = ?4, duration_ms = ?5 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, status, result, error, duration_ms.map(stored)])?;
    Ok(())
}

/// Forgets all but the newest `keep` of a task.
pub(super) fn trim(transaction: &Transaction<'_>, namespace: &str, task: i64, keep: u32) -> Result<(), Error> {
    let sql = "DELETE FROM runs WHERE namespace = ?1 AND task = ?2 AND status <> 'running' AND seq <=
        (SELECT seq FROM runs WHERE namespace = ?1 AND task = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)";
    transaction.prepare_cached(sql)?.execute(params![namespace, task, keep])?;
    Ok(())
}

/// The newest runs of a task.
pub(super) fn list(
    connection: &Connection,
    namespace: &str,
    (task, name): (i64, &str),
    limit: u32,
) -> Result<Vec<Run>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE namespace = ?1 AND task = ?2 ORDER BY seq DESC LIMIT ?3");
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![namespace, task, limit], |row| run(row, name))?;
    rows.map(|row| read(row?)).collect()
}

/// One run.
pub(super) fn find(connection: &Connection, namespace: &str, id: &str, name: &str) -> Result<Option<Run>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE namespace = ?1 AND id = ?2");
    let row = connection.prepare_cached(&sql)?.query_row([namespace, id], |row| run(row, name)).optional()?;
    row.map(read).transpose()
}

/// A run, and its result as text.
fn run(row: &Row<'_>, name: &str) -> rusqlite::Result<(Run, Option<String>)> {
    let status = match row.get_ref(1)?.as_str()? {
        "running" => RunStatus::Running,
        "success" => RunStatus::Success,
        _ => RunStatus::Failed,
    };
    let run = Run {
        id: row.get(0)?,
        task_name: name.to_owned(),
        status,
        attempt: row.get(2)?,
        scheduled_at: row.get::<_, i64>(3)?.unsigned_abs(),
        started_at: row.get::<_, i64>(4)?.unsigned_abs(),
        duration_ms: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
        result: None,
        error: row.get(7)?,
    };
    Ok((run, row.get(6)?))
}

fn read((run, result): (Run, Option<String>)) -> Result<Run, Error> {
    let column = "runs.result";
    let result = result.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Run { result: result.map_err(|source| Error::Damaged { column, source })?, ..run })
}
