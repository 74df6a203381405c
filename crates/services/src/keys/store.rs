//! Keys for the command line, which has the data directory, and for whoever starts an installation.

use std::{path::Path, sync::Arc};

use doer_core::time::{Clock, SystemClock};

use super::{KeyRecord, NewKey, Secret, rows};
use crate::{
    Database, Error,
    auth::{
        Settings,
        audit::{Action, Actor, Audit},
        schema::MIGRATIONS,
    },
};

/// The keys of an installation. What it does may wait for the disk.
#[derive(Debug)]
pub struct KeyStore {
    database: Database,
    audit: Audit,
}

impl KeyStore {
    /// Opens the database of the `auth` service, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::open(path, MIGRATIONS)?;
        Ok(Self::new(database, Arc::new(SystemClock), Settings::default().audit_records))
    }

    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>, audit_records: u64) -> Self {
        Self { audit: Audit::new(database.clone(), clock, audit_records), database }
    }

    /// Makes a key, in the namespace of its owner. Its secret is never to be had again.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Statement`].
    pub fn create(&self, key: NewKey, now_ms: u64) -> Result<(KeyRecord, Secret), Error> {
        let namespace = key.namespace();
        self.database.write_now(|tx| {
            let made = rows::insert(tx, key, namespace.as_str(), now_ms)?;
            self.audit.append(tx, &Actor::operator(), Action::KeyCreated, &made.0.id, Some(&made.0.user_id))?;
            Ok(made)
        })
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Damaged`].
    pub fn list(&self) -> Result<Vec<KeyRecord>, Error> {
        self.database.read_now(rows::all)
    }

    /// Ends a key for ever; says whether there was one that still held.
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub fn revoke(&self, id: &str, now_ms: u64) -> Result<bool, Error> {
        self.database.write_now(|tx| {
            let revoked = rows::revoke(tx, id, None, now_ms)?;
            if revoked {
                self.audit.append(tx, &Actor::operator(), Action::KeyRevoked, id, None)?;
            }
            Ok(revoked)
        })
    }

    /// Was no key ever made?
    ///
    /// # Errors
    /// [`Error::Statement`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.database.read_now(|connection| {
            Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))?)
        })
    }
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
        KeyStore::open(&dir.path().join("auth.db")).unwrap()
    }

    #[test]
    fn a_key_is_listed_and_revoked_once_by_whichever_process() {
        let dir = tempfile::tempdir().unwrap();
        let (server, cli) = (store(&dir), store(&dir));
        assert!(server.is_empty().unwrap());
        let (record, _) = cli.create(key("ci"), 5).unwrap();
        assert!(!server.is_empty().unwrap());
        assert_eq!(server.list().unwrap(), std::slice::from_ref(&record));
        assert_eq!((record.namespace.as_str(), record.local), ("tenant:acme", false));
        assert!(cli.revoke(&record.id, 7).unwrap());
        assert!(!cli.revoke(&record.id, 8).unwrap(), "only once");
        assert_eq!(server.list().unwrap()[0].revoked_at, Some(7));
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
