//! What can be told of workers.

use doer_core::{
    id::{CodeHash, WorkerId},
    service::{Page, Pagination},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{StoredCode, VersionInfo, WorkerInfo, packed::unpack};
use crate::{Error, sqlite::stored};

const WORKER: &str = "w.id, v.hash, w.current, v.size, v.entrypoints, w.created_at, w.updated_at
     FROM workers w JOIN versions v ON v.namespace = w.namespace AND v.worker = w.id AND v.version = w.current
     WHERE w.namespace = ?1";

/// A worker, or nothing.
pub(super) fn worker(connection: &Connection, namespace: &str, id: &str) -> Result<Option<WorkerInfo>, Error> {
    let sql = format!("SELECT {WORKER} AND w.id = ?2");
    let row = connection.prepare_cached(&sql)?.query_row([namespace, id], StoredWorker::of).optional()?;
    row.map(StoredWorker::read).transpose()
}

/// Workers, by id.
pub(super) fn page(
    connection: &Connection,
    namespace: &str,
    limit: u32,
    offset: u64,
) -> Result<Page<WorkerInfo>, Error> {
    let sql = format!("SELECT {WORKER} ORDER BY w.id LIMIT ?2 OFFSET ?3");
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![namespace, limit, stored(offset)], StoredWorker::of)?;
    let data = rows.map(|row| row?.read()).collect::<Result<_, _>>()?;
    let (total, _) = totals(connection, namespace)?;
    Ok(Page { data, pagination: Pagination { limit, offset, total } })
}

/// Versions, the newest first.
pub(super) fn versions(connection: &Connection, namespace: &str, id: &str) -> Result<Vec<VersionInfo>, Error> {
    let sql = "SELECT version, hash, size, created_at, created_by FROM versions
         WHERE namespace = ?1 AND worker = ?2 ORDER BY version DESC";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([namespace, id], |row| {
        Ok((number(row, 0)?, row.get::<_, String>(1)?, number(row, 2)?, number(row, 3)?, row.get(4)?))
    })?;
    rows.map(|row| {
        let (version, hash, size_bytes, created_at, created_by) = row?;
        Ok(VersionInfo { version, hash: hash_of(&hash)?, size_bytes, created_at, created_by })
    })
    .collect()
}

/// The code of a version, the current one where none is named.
pub(super) fn code(
    connection: &Connection,
    namespace: &str,
    id: &str,
    version: Option<u64>,
) -> Result<Option<StoredCode>, Error> {
    let sql = "SELECT v.hash, v.size, v.packed, w.owner FROM workers w
         JOIN versions v ON v.namespace = w.namespace AND v.worker = w.id AND v.version = coalesce(?3, w.current)
         WHERE w.namespace = ?1 AND w.id = ?2";
    let row = connection
        .prepare_cached(sql)?
        .query_row(params![namespace, id, version.map(stored)], |row| {
            Ok((row.get::<_, String>(0)?, number(row, 1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some((hash, size, packed, owner)) = row else { return Ok(None) };
    let json = unpack(&packed, size)
        .map_err(|error| Error::Damaged { column: "versions.packed", source: serde_json::Error::io(error) })?;
    Ok(Some(StoredCode { hash: hash_of(&hash)?, json, owner: parsed("workers.owner", &owner)? }))
}

/// Workers of a namespace, and bytes of their code.
pub(super) fn totals(connection: &Connection, namespace: &str) -> Result<(u64, u64), Error> {
    let row = connection
        .prepare_cached("SELECT workers, bytes FROM totals WHERE namespace = ?1")?
        .query_row([namespace], |row| Ok((number(row, 0)?, number(row, 1)?)))
        .optional()?;
    Ok(row.unwrap_or_default())
}

struct StoredWorker {
    id: String,
    hash: String,
    version: u64,
    size_bytes: u64,
    entrypoints: String,
    created_at: u64,
    updated_at: u64,
}

impl StoredWorker {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            hash: row.get(1)?,
            version: number(row, 2)?,
            size_bytes: number(row, 3)?,
            entrypoints: row.get(4)?,
            created_at: number(row, 5)?,
            updated_at: number(row, 6)?,
        })
    }

    fn read(self) -> Result<WorkerInfo, Error> {
        Ok(WorkerInfo {
            id: WorkerId::parse(&self.id).map_err(|_| damaged("workers.id"))?,
            hash: hash_of(&self.hash)?,
            version: self.version,
            size_bytes: self.size_bytes,
            entrypoints: parsed("versions.entrypoints", &self.entrypoints)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// SQLite's integers are signed, ours never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

pub(super) fn hash_of(text: &str) -> Result<CodeHash, Error> {
    CodeHash::parse(text).ok_or_else(|| damaged("versions.hash"))
}

fn parsed<T: DeserializeOwned>(column: &'static str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|source| Error::Damaged { column, source })
}

fn damaged(column: &'static str) -> Error {
    Error::Damaged { column, source: serde_json::Error::io(std::io::ErrorKind::InvalidData.into()) }
}
