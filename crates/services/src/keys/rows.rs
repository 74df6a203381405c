//! Keys as they are stored.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{KeyRecord, NewKey, Secret, secret};
use crate::{
    Error,
    auth::{
        schema::{from_json, maybe_number, number, stored, to_json},
        users,
    },
};

const COLUMNS: &str = "k.id, k.name, k.user_id, k.email, k.role, k.tenant, k.permissions, k.created_at, k.expires_at,
                       k.revoked_at, k.namespace, k.local, k.hash";

/// A row before its JSON is read.
struct Raw {
    record: KeyRecord,
    permissions: String,
    hash: Vec<u8>,
}

impl Raw {
    fn into_record(self) -> Result<KeyRecord, Error> {
        let permissions = from_json(&self.permissions, "keys.permissions")?;
        Ok(KeyRecord { permissions, ..self.record })
    }
}

/// A key, and its owner where that is a stored user.
#[derive(Debug)]
pub struct Found {
    /// The key.
    pub key: KeyRecord,
    /// What its secret is checked against.
    pub hash: Vec<u8>,
    /// The owner as they are now.
    pub owner: Option<users::StoredUser>,
}

/// The key with that id, with its owner. Two reads by primary key rather than a join: joins with a parameter are
/// prepared anew each time that it is bound, which takes longer than all the rest.
pub fn find(connection: &Connection, id: &str) -> Result<Option<Found>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys k WHERE k.id = ?1"))?;
    let Some(mut raw) = statement.query_row([id], read).optional()? else { return Ok(None) };
    let hash = std::mem::take(&mut raw.hash);
    let owner = if raw.record.local { users::find(connection, users::By::Id(&raw.record.user_id))? } else { None };
    Ok(Some(Found { key: raw.into_record()?, hash, owner }))
}

/// Makes a key in a namespace.
///
/// # Errors
/// [`Error::Random`], [`Error::Statement`].
pub fn insert(
    connection: &Connection,
    key: NewKey,
    namespace: &str,
    now_ms: u64,
) -> Result<(KeyRecord, Secret), Error> {
    let secret = Secret::generate(secret::KEY)?;
    let id = secret::id_of(secret.reveal(), secret::KEY).unwrap_or_default().to_owned();
    let local = users::find(connection, users::By::Id(&key.user_id))?.is_some();
    connection.execute(
        "INSERT INTO keys (id, hash, name, user_id, email, role, tenant, permissions, created_at, expires_at, namespace,
                           local)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            id,
            secret::hash(secret.reveal()),
            key.name,
            key.user_id,
            key.email,
            key.role,
            key.tenant,
            to_json(&key.permissions, "keys.permissions")?,
            stored(now_ms),
            key.expires_at.map(stored),
            namespace,
            local,
        ],
    )?;
    let record = KeyRecord {
        id,
        name: key.name,
        user_id: key.user_id,
        email: key.email,
        role: key.role,
        tenant: key.tenant,
        permissions: key.permissions,
        created_at: now_ms,
        expires_at: key.expires_at,
        revoked_at: None,
        namespace: namespace.to_owned(),
        local,
    };
    Ok((record, secret))
}

/// Every key, the oldest first.
pub fn all(connection: &Connection) -> Result<Vec<KeyRecord>, Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM keys k ORDER BY k.created_at, k.id"))?;
    let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(Raw::into_record).collect()
}

/// Keys of a namespace, the newest first.
pub fn page(connection: &Connection, namespace: &str, limit: u32, offset: u64) -> Result<Vec<KeyRecord>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM keys k WHERE k.namespace = ?1 ORDER BY k.created_at DESC, k.id DESC LIMIT ?2 OFFSET ?3"
    ))?;
    let rows = statement.query_map(params![namespace, limit, stored(offset)], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(Raw::into_record).collect()
}

/// Ends a key, in one namespace or in all, where it still holds; says whether it did.
pub fn revoke(connection: &Connection, id: &str, namespace: Option<&str>, now_ms: u64) -> Result<bool, Error> {
    let changed = connection.execute(
        "UPDATE keys SET revoked_at = ?2
         WHERE id = ?1 AND (?3 IS NULL OR namespace = ?3)
           AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
        params![id, stored(now_ms), namespace],
    )?;
    Ok(changed == 1)
}

/// Does a namespace have so many keys that hold? Looks at no more than that.
pub fn has(connection: &Connection, namespace: &str, count: u64, now_ms: u64) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM keys WHERE namespace = ?1 AND revoked_at IS NULL
                               AND (expires_at IS NULL OR expires_at > ?2) LIMIT ?3)",
    )?;
    let found: i64 = statement.query_row(params![namespace, stored(now_ms), stored(count)], |row| row.get(0))?;
    Ok(found.unsigned_abs() >= count)
}

/// The tenants that keys of a user say it belongs to.
pub fn tenants_of(connection: &Connection, user_id: &str) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT tenant FROM keys WHERE user_id = ?1 AND tenant IS NOT NULL AND role IN ('tenant', 'user')",
    )?;
    Ok(statement.query_map([user_id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> Result<Raw, rusqlite::Error> {
    Ok(Raw {
        record: KeyRecord {
            id: row.get(0)?,
            name: row.get(1)?,
            user_id: row.get(2)?,
            email: row.get(3)?,
            role: row.get(4)?,
            tenant: row.get(5)?,
            permissions: Vec::new(),
            created_at: number(row, 7)?,
            expires_at: maybe_number(row, 8)?,
            revoked_at: maybe_number(row, 9)?,
            namespace: row.get(10)?,
            local: row.get(11)?,
        },
        permissions: row.get(6)?,
        hash: row.get(12)?,
    })
}
