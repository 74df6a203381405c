//! Keys in SQLite. The command line and a running server share the file: what one writes, the other sees
//! with its next statement.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq;

use super::{KeyRecord, NewKey, Secret, secret};
use crate::{Error, sqlite};

const MIGRATIONS: &[&str] = &["CREATE TABLE keys (
    id          TEXT PRIMARY KEY NOT NULL,
    hash        BLOB NOT NULL,
    name        TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    tenant      TEXT,
    permissions TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID"];

const BY_ID: &str =
    "SELECT id, name, user_id, email, role, tenant, permissions, created_at, expires_at, revoked_at, hash
                     FROM keys WHERE id = ?1";
const BY_AGE: &str =
    "SELECT id, name, user_id, email, role, tenant, permissions, created_at, expires_at, revoked_at, hash
                      FROM keys ORDER BY created_at, id";

/// The keys of an installation.
#[derive(Debug)]
pub struct KeyStore {
    connection: Mutex<Connection>,
}

impl KeyStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { connection: Mutex::new(sqlite::open(path, MIGRATIONS)?) })
    }

    /// Makes a key. Its secret is never to be had again.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Statement`].
    pub fn create(&self, key: NewKey, now_ms: u64) -> Result<(KeyRecord, Secret), Error> {
        let secret = Secret::generate()?;
        let id = secret::id_of(secret.reveal()).unwrap_or_default().to_owned();
        let permissions = serde_json::to_string(&key.permissions)
            .map_err(|source| Error::Damaged { column: "keys.permissions", source })?;
        self.connection().execute(
            "INSERT INTO keys (id, hash, name, user_id, email, role, tenant, permissions, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                id,
                secret::hash(secret.reveal()),
                key.name,
                key.user_id,
                key.email,
                key.role,
                key.tenant,
                permissions,
                stored(now_ms),
                key.expires_at.map(stored),
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
        };
        Ok((record, secret))
    }

    /// The key that `text` is, if it is one that holds at `now_ms`. Takes some microseconds: one read by
    /// primary key, with a statement that stays prepared.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Damaged`].
    pub fn verify(&self, text: &str, now_ms: u64) -> Result<Option<KeyRecord>, Error> {
        let Some(id) = secret::id_of(text) else { return Ok(None) };
        let found = {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(BY_ID)?;
            statement.query_row([id], read).optional()?
        };
        let Some(row) = found else { return Ok(None) };
        // In constant time: how far a guess agrees must not be seen from how long the answer takes.
        let same: bool = secret::hash(text).as_slice().ct_eq(&row.hash).into();
        if !same {
            return Ok(None);
        }
        Ok(Some(row.into_record()?).filter(|record| record.holds_at(now_ms)))
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Damaged`].
    pub fn list(&self) -> Result<Vec<KeyRecord>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(BY_AGE)?;
        let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(Stored::into_record).collect()
    }

    /// Ends a key for ever; says whether there was one that still held.
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub fn revoke(&self, id: &str, now_ms: u64) -> Result<bool, Error> {
        let changed = self.connection().execute(
            "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
            params![id, stored(now_ms)],
        )?;
        Ok(changed == 1)
    }

    /// Was no key ever made?
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.connection().query_row("SELECT NOT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))?)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half-made statement behind: SQLite rolls back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row before its JSON is read.
struct Stored {
    record: KeyRecord,
    permissions: String,
    hash: Vec<u8>,
}

impl Stored {
    fn into_record(self) -> Result<KeyRecord, Error> {
        let permissions = serde_json::from_str(&self.permissions)
            .map_err(|source| Error::Damaged { column: "keys.permissions", source })?;
        Ok(KeyRecord { permissions, ..self.record })
    }
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored {
        record: KeyRecord {
            id: row.get(0)?,
            name: row.get(1)?,
            user_id: row.get(2)?,
            email: row.get(3)?,
            role: row.get(4)?,
            tenant: row.get(5)?,
            permissions: Vec::new(),
            created_at: row.get::<_, i64>(7)?.unsigned_abs(),
            expires_at: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
            revoked_at: row.get::<_, Option<i64>>(9)?.map(i64::unsigned_abs),
        },
        permissions: row.get(6)?,
        hash: row.get(10)?,
    })
}

/// SQLite's integers are signed.
fn stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> NewKey {
        NewKey {
            name: name.to_owned(),
            user_id: "usr_1".to_owned(),
            email: "ada@example.com".to_owned(),
            role: "tenant".to_owned(),
            tenant: Some("acme".to_owned()),
            permissions: vec!["execute".to_owned()],
            expires_at: None,
        }
    }

    fn store(dir: &tempfile::TempDir) -> KeyStore {
        KeyStore::open(&dir.path().join("keys.db")).unwrap()
    }

    #[test]
    fn a_key_verifies_until_it_is_revoked_by_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let (server, cli) = (store(&dir), store(&dir));
        assert!(server.is_empty().unwrap());

        let (record, secret) = cli.create(key("ci"), 5).unwrap();
        assert!(!server.is_empty().unwrap());
        assert_eq!(server.verify(secret.reveal(), 6).unwrap(), Some(record.clone()));

        assert!(cli.revoke(&record.id, 7).unwrap());
        assert!(!cli.revoke(&record.id, 8).unwrap(), "only once");
        assert_eq!(server.verify(secret.reveal(), 9).unwrap(), None);
        assert_eq!(server.list().unwrap()[0].revoked_at, Some(7));
    }

    #[test]
    fn a_guess_with_the_right_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let (_, secret) = store.create(key("ci"), 0).unwrap();
        let last = if secret.reveal().ends_with('A') { "E" } else { "A" };
        let guess = format!("{}{last}", &secret.reveal()[..secret.reveal().len() - 1]);
        assert_eq!(store.verify(&guess, 0).unwrap(), None);
        assert_eq!(store.verify("sk_live_", 0).unwrap(), None);
    }

    #[test]
    fn an_expired_key_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let (_, secret) = store.create(NewKey { expires_at: Some(10), ..key("short") }, 0).unwrap();
        assert!(store.verify(secret.reveal(), 9).unwrap().is_some());
        assert!(store.verify(secret.reveal(), 10).unwrap().is_none());
    }

    #[test]
    fn the_secret_is_nowhere_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let (_, secret) = store.create(key("ci"), 0).unwrap();
        drop(store);
        let random = &secret.reveal().as_bytes()[8 + 12..];
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(random.len()).any(|window| window == random));
        }
    }

    #[test]
    fn the_identity_of_a_key_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let (record, _) = store(&dir).create(key("ci"), 0).unwrap();
        let identity = record.into_identity();
        assert_eq!(identity.user.unwrap().metadata["tenantId"], "acme");
        assert_eq!(identity.api_key.unwrap().permissions, ["execute"]);
    }
}
