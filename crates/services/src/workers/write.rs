//! What changes workers. Each is done whole or not at all.

use doer_core::{
    id::{CodeHash, WorkerId},
    quota::Quota,
    scope::Owner,
    service::ServiceError,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Expected, MAX_VERSIONS, NewCode, WorkerInfo, Written,
    packed::pack,
    read::{hash_of, number, totals, worker},
};
use crate::{Error, sqlite::stored};

/// Code that becomes current.
pub(super) struct Put {
    pub(super) owner: Owner,
    pub(super) id: WorkerId,
    pub(super) code: NewCode,
    pub(super) expected: Expected,
    pub(super) quota: Quota,
    pub(super) now_ms: u64,
}

impl Put {
    pub(super) fn perform(self, connection: &Connection) -> Result<Written, Error> {
        let (namespace, id) = (self.owner.namespace.as_str(), self.id.as_str());
        let present = present(connection, namespace, id)?;
        match (&present, &self.expected) {
            (Some(there), Expected::SameOrNone) if there.hash != self.code.hash => {
                return Ok(Written::Other(there.hash.clone()));
            }
            (None, Expected::Some | Expected::OneOf(_)) => return Ok(Written::Unexpected),
            (Some(there), expected) if !expected.allows(&there.hash) => return Ok(Written::Unexpected),
            (Some(_) | None, _) => {}
        }
        if present.as_ref().is_some_and(|there| there.hash == self.code.hash) {
            return Ok(Written::Unchanged(told(connection, namespace, id)?));
        }
        let version = present.as_ref().map_or(1, |there| there.last + 1);
        let now = stored(self.now_ms);
        let owner = serde_json::to_string(&self.owner).map_err(ServiceError::internal)?;
        connection
            .prepare_cached(
                "INSERT INTO workers (namespace, id, current, last, owner, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?5)
                 ON CONFLICT (namespace, id) DO UPDATE SET current = ?3, last = ?3, owner = ?4, updated_at = ?5",
            )?
            .execute(params![namespace, id, stored(version), owner, now])?;
        self.insert_version(connection, version)?;
        connection
            .prepare_cached(
                "DELETE FROM versions WHERE namespace = ?1 AND worker = ?2 AND version <= ?3 AND version <> ?4",
            )?
            .execute(params![namespace, id, stored(version.saturating_sub(MAX_VERSIONS)), stored(version)])?;
        self.check_quota(connection)?;
        let info = told(connection, namespace, id)?;
        Ok(if present.is_some() { Written::Replaced(info) } else { Written::Created(info) })
    }

    fn insert_version(&self, connection: &Connection, version: u64) -> Result<(), Error> {
        let packed = pack(&self.code.json).map_err(ServiceError::internal)?;
        let entrypoints = serde_json::to_string(&self.code.entrypoints).map_err(ServiceError::internal)?;
        let by = self.owner.identity.user.as_ref().map(|user| user.id.as_str());
        connection
            .prepare_cached(
                "INSERT INTO versions (namespace, worker, version, hash, size, packed, entrypoints, created_at, created_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.owner.namespace.as_str(),
                self.id.as_str(),
                stored(version),
                self.code.hash.as_str(),
                stored(self.code.json.len() as u64),
                packed,
                entrypoints,
                stored(self.now_ms),
                by,
            ])?;
        Ok(())
    }

    /// After the write, which a refusal takes back: what went for it counts no more.
    fn check_quota(&self, connection: &Connection) -> Result<(), Error> {
        let (workers, bytes) = totals(connection, self.owner.namespace.as_str())?;
        let Quota { workers: most, worker_bytes, .. } = self.quota;
        if workers > most {
            return Err(ServiceError::quota(format!("workers: there may be {most}, and there are")).into());
        }
        if bytes > worker_bytes {
            let message = format!("workers: their code, in all versions, would take {bytes} bytes of {worker_bytes}");
            return Err(ServiceError::quota(message).into());
        }
        Ok(())
    }
}

impl Expected {
    /// May what is there be written over?
    fn allows(&self, hash: &CodeHash) -> bool {
        match self {
            Self::SameOrNone | Self::Anything | Self::Some => true,
            Self::OneOf(hashes) => hashes.contains(hash),
        }
    }
}

/// Makes another version current.
pub(super) fn rollback(
    connection: &Connection,
    namespace: &str,
    id: &WorkerId,
    version: Option<u64>,
    expected: &Expected,
    now_ms: u64,
) -> Result<Written, Error> {
    let id = id.as_str();
    let Some(there) = present(connection, namespace, id)? else { return Ok(Written::NoWorker) };
    if !expected.allows(&there.hash) {
        return Ok(Written::Unexpected);
    }
    let (which, number) = match version {
        Some(version) => ("version = ?3", version),
        None => ("version < ?3", there.current),
    };
    let sql = format!("SELECT max(version) FROM versions WHERE namespace = ?1 AND worker = ?2 AND {which}");
    let found: Option<i64> =
        connection.prepare_cached(&sql)?.query_row(params![namespace, id, stored(number)], |row| row.get(0))?;
    let Some(found) = found else { return Ok(Written::NoVersion) };
    if found.unsigned_abs() == there.current {
        return Ok(Written::Unchanged(told(connection, namespace, id)?));
    }
    connection
        .prepare_cached("UPDATE workers SET current = ?3, updated_at = ?4 WHERE namespace = ?1 AND id = ?2")?
        .execute(params![namespace, id, found, stored(now_ms)])?;
    Ok(Written::Replaced(told(connection, namespace, id)?))
}

/// Deletes a worker.
pub(super) fn delete(
    connection: &Connection,
    namespace: &str,
    id: &WorkerId,
    expected: &Expected,
) -> Result<Written, Error> {
    let id = id.as_str();
    let Some(there) = present(connection, namespace, id)? else { return Ok(Written::NoWorker) };
    if !expected.allows(&there.hash) {
        return Ok(Written::Unexpected);
    }
    let was = told(connection, namespace, id)?;
    for sql in [
        "DELETE FROM versions WHERE namespace = ?1 AND worker = ?2",
        "DELETE FROM workers WHERE namespace = ?1 AND id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute([namespace, id])?;
    }
    Ok(Written::Replaced(was))
}

struct Present {
    current: u64,
    last: u64,
    hash: CodeHash,
}

fn present(connection: &Connection, namespace: &str, id: &str) -> Result<Option<Present>, Error> {
    let sql = "SELECT w.current, w.last, v.hash FROM workers w
         JOIN versions v ON v.namespace = w.namespace AND v.worker = w.id AND v.version = w.current
         WHERE w.namespace = ?1 AND w.id = ?2";
    let row = connection
        .prepare_cached(sql)?
        .query_row([namespace, id], |row| Ok((number(row, 0)?, number(row, 1)?, row.get::<_, String>(2)?)))
        .optional()?;
    let Some((current, last, hash)) = row else { return Ok(None) };
    Ok(Some(Present { current, last, hash: hash_of(&hash)? }))
}

/// What is there, where it was just written.
fn told(connection: &Connection, namespace: &str, id: &str) -> Result<WorkerInfo, Error> {
    let found = worker(connection, namespace, id)?;
    found.ok_or(Error::Statement(rusqlite::Error::QueryReturnedNoRows))
}
