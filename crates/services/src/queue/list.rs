//! What can be told of messages.

use doer_core::service::{
    Page, Pagination,
    queue::{Job, JobStatus, ListJobsOptions, Stats},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::schema::{ACTIVE, CANCELLED, COMPLETED, DEAD, DELAYED, READY};
use crate::{Error, sqlite::stored};

/// Bodies in one page; a page that would have more ends early.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// Queues that are told of at once.
const MAX_QUEUES: i64 = 1000;

const JOB: &str = "id, queue, body, state, attempts, max_attempts, priority, key, last_error, created_at, due_at,
    finished_at";

/// A message, or nothing.
pub(super) fn job(connection: &Connection, namespace: &str, id: &str) -> Result<Option<Job>, Error> {
    let sql = format!("SELECT {JOB} FROM messages WHERE namespace = ?1 AND id = ?2");
    let row = connection.prepare_cached(&sql)?.query_row([namespace, id], stored_job).optional()?;
    row.map(StoredJob::read).transpose()
}

/// Messages, the newest first.
pub(super) fn jobs(connection: &Connection, namespace: &str, options: &Listing) -> Result<Page<Job>, Error> {
    let Listing { queue, states, limit, offset } = options;
    // One branch for each state: each is in order already, and SQLite merges them as far as the page reaches.
    let branches: Vec<String> = states
        .iter()
        .map(|state| match queue {
            Some(_) => format!("SELECT seq FROM messages WHERE namespace = ?1 AND queue = ?2 AND state = {state}"),
            None => format!("SELECT seq FROM messages WHERE namespace = ?1 AND ?2 = '' AND state = {state}"),
        })
        .collect();
    let sql = format!("{} ORDER BY seq DESC LIMIT ?3 OFFSET ?4", branches.join(" UNION ALL "));
    // The totals of a namespace stand under the empty name.
    let queue = queue.as_deref().unwrap_or_default();
    let seqs: Vec<i64> = {
        let mut select = connection.prepare_cached(&sql)?;
        let page = params![namespace, queue, limit, stored(*offset)];
        select.query_map(page, |row| row.get(0))?.collect::<Result<_, _>>()?
    };

    let mut data = Vec::new();
    let mut bytes = 0;
    let mut select =
        connection.prepare_cached(&format!("SELECT {JOB} FROM messages WHERE namespace = ?1 AND seq = ?2"))?;
    for seq in seqs {
        let row = select.query_row(params![namespace, seq], stored_job)?;
        bytes += row.body.len();
        if bytes > MAX_PAGE_BYTES && !data.is_empty() {
            break;
        }
        data.push(row.read()?);
    }
    let total = states.iter().map(|state| count(connection, namespace, queue, *state)).sum::<Result<u64, _>>()?;
    Ok(Page { data, pagination: Pagination { limit: *limit, offset: *offset, total } })
}

/// Which messages to list, checked.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    queue: Option<String>,
    states: Vec<i64>,
    limit: u32,
    offset: u64,
}

impl Listing {
    pub(super) fn new(options: ListJobsOptions, limit: u32) -> Self {
        let states = match options.status {
            None => vec![DELAYED, READY, ACTIVE, COMPLETED, DEAD, CANCELLED],
            Some(JobStatus::Delayed) => vec![DELAYED],
            Some(JobStatus::Pending) => vec![READY],
            Some(JobStatus::Active) => vec![ACTIVE],
            Some(JobStatus::Completed) => vec![COMPLETED],
            Some(JobStatus::Dead) => vec![DEAD],
            Some(JobStatus::Cancelled) => vec![CANCELLED],
        };
        Self { queue: options.queue, states, limit, offset: options.offset.unwrap_or_default() }
    }
}

/// Of one queue, or of the first thousand by name.
pub(super) fn stats(connection: &Connection, namespace: &str, queue: Option<&str>) -> Result<Vec<Stats>, Error> {
    let queues = match queue {
        Some(queue) => vec![queue.to_owned()],
        None => {
            let sql = "SELECT DISTINCT queue FROM counts WHERE namespace = ?1 AND queue <> '' ORDER BY queue LIMIT ?2";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map(params![namespace, MAX_QUEUES], |row| row.get(0))?.collect::<Result<Vec<_>, _>>()?
        }
    };
    queues
        .into_iter()
        .map(|queue| {
            let count = |state| count(connection, namespace, &queue, state);
            Ok(Stats {
                pending: count(READY)?,
                delayed: count(DELAYED)?,
                active: count(ACTIVE)?,
                completed: count(COMPLETED)?,
                dead: count(DEAD)?,
                queue,
            })
        })
        .collect()
}

fn count(connection: &Connection, namespace: &str, queue: &str, state: i64) -> Result<u64, Error> {
    let sql = "SELECT n FROM counts WHERE namespace = ?1 AND queue = ?2 AND state = ?3";
    let n = connection.prepare_cached(sql)?.query_row(params![namespace, queue, state], |row| row.get::<_, i64>(0));
    Ok(n.optional()?.unwrap_or_default().unsigned_abs())
}

/// A message as it is stored; its body is still to be read.
struct StoredJob {
    job: Job,
    body: String,
}

impl StoredJob {
    fn read(self) -> Result<Job, Error> {
        Ok(Job { body: body(&self.body)?, ..self.job })
    }
}

/// A body as it was sent.
pub(super) fn body(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { column: "messages.body", source })
}

fn stored_job(row: &Row<'_>) -> rusqlite::Result<StoredJob> {
    let status = match row.get(3)? {
        DELAYED => JobStatus::Delayed,
        READY => JobStatus::Pending,
        ACTIVE => JobStatus::Active,
        COMPLETED => JobStatus::Completed,
        DEAD => JobStatus::Dead,
        CANCELLED => JobStatus::Cancelled,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(3, other)),
    };
    Ok(StoredJob {
        body: row.get(2)?,
        job: Job {
            id: row.get(0)?,
            queue: row.get(1)?,
            body: Value::Null,
            status,
            attempts: row.get(4)?,
            max_attempts: row.get(5)?,
            priority: row.get(6)?,
            key: row.get(7)?,
            last_error: row.get(8)?,
            created_at: row.get::<_, i64>(9)?.unsigned_abs(),
            due_at: row.get::<_, i64>(10)?.unsigned_abs(),
            finished_at: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        },
    })
}
