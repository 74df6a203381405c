//! Secrets of namespaces: written, used, never read back.
//!
//! A value is sealed with the installation's key, and bound to its namespace and name, before it reaches the disk. It
//! leaves the store through [`SecretStore::reveal`] only, which is for bindings like `{"$secret": "NAME"}`.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use doer_core::{
    id::{MAX_SECRET_NAME_BYTES, is_secret_name},
    quota::Quotas,
    scope::Scope,
    service::ServiceError,
    tier::Namespace,
    time::Clock,
};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use crate::{Database, Error, Holder, Sealer};

const MIGRATIONS: &[&str] = &["CREATE TABLE secrets (
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID"];

const MAX_VALUE_BYTES: usize = 64 << 10;

/// What may be known of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When its value was set the last time; milliseconds since the Unix epoch.
    pub updated_at: u64,
}

/// The secrets of an installation.
pub struct SecretStore {
    database: Database,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
}

impl SecretStore {
    /// Opens the store in `directory`, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(
        directory: &Path,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
    ) -> Result<Self, Error> {
        let database = Database::open(&directory.join("secrets.db"), MIGRATIONS)?;
        Ok(Self { database, sealer, clock, quotas })
    }

    /// Sets a secret of the caller's namespace, in place of one of that name.
    ///
    /// # Errors
    /// `invalid_request` for a name or value that cannot be; `forbidden` for anonymous callers; `quota`.
    pub async fn put(&self, scope: &Scope, name: &str, value: &str) -> Result<SecretInfo, ServiceError> {
        if !scope.is_durable() {
            return Err(ServiceError::forbidden("Anonymous callers have no durable storage"));
        }
        check_name(name)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(ServiceError::invalid(format!("value: must have at most {MAX_VALUE_BYTES} bytes")));
        }
        let sealed = self.sealer.seal(value.as_bytes(), &purpose(&scope.namespace, name))?;
        let most = self.quotas.of(scope.tier, &scope.namespace).secrets;
        let now = self.clock.now_ms();
        let (namespace, name) = (scope.namespace.to_string(), name.to_owned());
        let put = self.database.write(move |transaction| {
            let others: i64 = transaction
                .prepare_cached("SELECT count(*) FROM secrets WHERE namespace = ?1 AND name <> ?2")?
                .query_row([&namespace, &name], |row| row.get(0))?;
            if others.unsigned_abs() >= most {
                return Err(ServiceError::quota(format!("secrets: there may be {most}, and there are")).into());
            }
            let created_at: i64 = transaction
                .prepare_cached(
                    "INSERT INTO secrets (namespace, name, sealed, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
                     ON CONFLICT (namespace, name) DO UPDATE SET sealed = ?3, updated_at = ?4 RETURNING created_at",
                )?
                .query_row(params![namespace, name, sealed, stored(now)], |row| row.get(0))?;
            Ok(SecretInfo { name, created_at: created_at.unsigned_abs(), updated_at: now })
        });
        Ok(put.await?)
    }

    /// Deletes a secret; says whether there was one.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn delete(&self, namespace: &Namespace, name: &str) -> Result<bool, ServiceError> {
        let (namespace, name) = (namespace.to_string(), name.to_owned());
        let delete = self.database.write(move |transaction| {
            let sql = "DELETE FROM secrets WHERE namespace = ?1 AND name = ?2";
            Ok(transaction.prepare_cached(sql)?.execute([namespace, name])? == 1)
        });
        Ok(delete.await?)
    }

    /// The secrets of a namespace, by name. There are at most as many as its quota.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn list(&self, namespace: &Namespace) -> Result<Vec<SecretInfo>, ServiceError> {
        let namespace = namespace.to_string();
        let list = self.database.read(move |connection| {
            let secrets = connection
                .prepare_cached("SELECT name, created_at, updated_at FROM secrets WHERE namespace = ?1 ORDER BY name")?
                .query_map([namespace], |row| {
                    Ok(SecretInfo {
                        name: row.get(0)?,
                        created_at: row.get::<_, i64>(1)?.unsigned_abs(),
                        updated_at: row.get::<_, i64>(2)?.unsigned_abs(),
                    })
                })?
                .collect::<Result<_, _>>()?;
            Ok(secrets)
        });
        Ok(list.await?)
    }

    /// The value of a secret: for code that its namespace runs, and for nobody else.
    ///
    /// # Errors
    /// Our own failures, [`Error::Sealed`] among them where the installation's key is another one.
    pub async fn reveal(&self, namespace: &Namespace, name: &str) -> Result<Option<String>, ServiceError> {
        let purpose = purpose(namespace, name);
        let (namespace, name) = (namespace.to_string(), name.to_owned());
        let sealed: Option<Vec<u8>> = self
            .database
            .read(move |connection| {
                let sql = "SELECT sealed FROM secrets WHERE namespace = ?1 AND name = ?2";
                Ok(connection.prepare_cached(sql)?.query_row([namespace, name], |row| row.get(0)).optional()?)
            })
            .await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let value = self.sealer.open(&sealed, &purpose)?;
        String::from_utf8(value).map(Some).map_err(ServiceError::internal)
    }
}

#[async_trait]
impl Holder for SecretStore {
    fn name(&self) -> &'static str {
        "secrets"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        let namespace = namespace.to_string();
        self.database
            .write(move |transaction| {
                transaction.execute("DELETE FROM secrets WHERE namespace = ?1", [namespace])?;
                Ok(())
            })
            .await
    }
}

/// What a value is sealed for. There is no `/` in a name, so no two secrets share it.
fn purpose(namespace: &Namespace, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    if is_secret_name(name) {
        return Ok(());
    }
    Err(ServiceError::invalid(format!(
        "name: must have 1 to {MAX_SECRET_NAME_BYTES} letters, digits or _, and not begin with a digit"
    )))
}

/// SQLite's integers are signed.
fn stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
