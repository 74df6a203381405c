//! Workers by id: their code, in versions, of which one is current.
//!
//! What the code says is not looked at here: it comes checked, in its one form, and goes as it came. The last
//! [`MAX_VERSIONS`] versions are kept, and the current one always, so that a worker can be set back to any of them.

mod packed;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use doer_core::{
    id::{CodeHash, WorkerId},
    quota::Quotas,
    scope::{Owner, Scope},
    service::{Page, ServiceError},
    tier::Namespace,
    time::Clock,
};
use serde::{Deserialize, Serialize};

use crate::{Database, Error, Holder};

/// Versions of one worker that are kept.
pub const MAX_VERSIONS: u64 = 20;
/// Workers in one page of a list.
pub const MAX_PAGE: u32 = 1000;

/// An export of a worker that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntrypointInfo {
    /// Its name; `default` is the one without.
    pub name: String,
    /// Its methods, `fetch` and the other handlers among them.
    pub methods: Vec<String>,
}

/// Code to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// The same for the same code, another for any other.
    pub hash: CodeHash,
    /// The code.
    pub json: String,
    /// What can be called of it.
    pub entrypoints: Vec<EntrypointInfo>,
}

/// Code as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCode {
    /// What tells it apart.
    pub hash: CodeHash,
    /// The code.
    pub json: String,
    /// Who stored it: what runs without a caller runs for them.
    pub owner: Owner,
}

/// A worker as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    /// Its id.
    pub id: WorkerId,
    /// Of its current code.
    pub hash: CodeHash,
    /// The number of its current version.
    pub version: u64,
    /// Bytes of its current code, as JSON.
    pub size_bytes: u64,
    /// What can be called.
    pub entrypoints: Vec<EntrypointInfo>,
    /// When the first version was stored; milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When another version became current the last time; milliseconds since the Unix epoch.
    pub updated_at: u64,
}

/// One version of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// Its number; the first one is 1.
    pub version: u64,
    /// Of its code.
    pub hash: CodeHash,
    /// Bytes of its code, as JSON.
    pub size_bytes: u64,
    /// When it was stored; milliseconds since the Unix epoch.
    pub created_at: u64,
    /// The user who stored it.
    pub created_by: Option<String>,
}

/// What must be there for a write to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// No worker of that id, or one with the same code.
    SameOrNone,
    /// Whatever there is.
    Anything,
    /// A worker, with whatever code.
    Some,
    /// A worker with code of one of these hashes.
    OneOf(Vec<CodeHash>),
}

/// What a write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// There is a new worker.
    Created(WorkerInfo),
    /// Another version is current.
    Replaced(WorkerInfo),
    /// That code was current already.
    Unchanged(WorkerInfo),
    /// There is a worker with other code, of this hash.
    Other(CodeHash),
    /// There is not what was expected.
    Unexpected,
    /// There is no such worker.
    NoWorker,
    /// The worker has no such version, or not any more.
    NoVersion,
}

/// The workers of an installation.
pub struct WorkerStore {
    database: Database,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
}

impl WorkerStore {
    /// Opens the store in `directory`, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, quotas: Arc<dyn Quotas>) -> Result<Self, Error> {
        let database = Database::open(&directory.join("workers.db"), schema::MIGRATIONS)?;
        Ok(Self { database, clock, quotas })
    }

    /// Stores code as the worker of that id in the caller's namespace, in place of what was current.
    ///
    /// # Errors
    /// `forbidden` for anonymous callers; `quota`.
    pub async fn put(
        &self,
        scope: &Scope,
        id: &WorkerId,
        code: NewCode,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        if !scope.is_durable() {
            return Err(ServiceError::forbidden("Anonymous callers have no durable storage"));
        }
        let put = write::Put {
            owner: scope.owner(),
            id: id.clone(),
            code,
            expected,
            quota: self.quotas.of(scope.tier, &scope.namespace),
            now_ms: self.clock.now_ms(),
        };
        Ok(self.database.write(move |transaction| put.perform(transaction)).await?)
    }

    /// Makes an earlier version current again; the one with the next lower number where none is named.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn rollback(
        &self,
        namespace: &Namespace,
        id: &WorkerId,
        version: Option<u64>,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        let (namespace, id, now_ms) = (namespace.to_string(), id.clone(), self.clock.now_ms());
        let write = self
            .database
            .write(move |transaction| write::rollback(transaction, &namespace, &id, version, &expected, now_ms));
        Ok(write.await?)
    }

    /// Deletes a worker with all its versions; says `NoWorker`, `Unexpected`, or what it was.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn delete(
        &self,
        namespace: &Namespace,
        id: &WorkerId,
        expected: Expected,
    ) -> Result<Written, ServiceError> {
        let (namespace, id) = (namespace.to_string(), id.clone());
        let delete = self.database.write(move |transaction| write::delete(transaction, &namespace, &id, &expected));
        Ok(delete.await?)
    }

    /// A worker, or nothing.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn get(&self, namespace: &Namespace, id: &WorkerId) -> Result<Option<WorkerInfo>, ServiceError> {
        let (namespace, id) = (namespace.to_string(), id.clone());
        Ok(self.database.read(move |connection| read::worker(connection, &namespace, id.as_str())).await?)
    }

    /// The versions of a worker that are kept, the newest first.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn versions(&self, namespace: &Namespace, id: &WorkerId) -> Result<Vec<VersionInfo>, ServiceError> {
        let (namespace, id) = (namespace.to_string(), id.clone());
        Ok(self.database.read(move |connection| read::versions(connection, &namespace, id.as_str())).await?)
    }

    /// The current code of a worker, or of one of its versions; nothing where there is none.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn code(
        &self,
        namespace: &Namespace,
        id: &WorkerId,
        version: Option<u64>,
    ) -> Result<Option<StoredCode>, ServiceError> {
        let (namespace, id) = (namespace.to_string(), id.clone());
        Ok(self.database.read(move |connection| read::code(connection, &namespace, id.as_str(), version)).await?)
    }

    /// The workers of a namespace, by id; `limit` is at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// Our own failures.
    pub async fn list(&self, namespace: &Namespace, limit: u32, offset: u64) -> Result<Page<WorkerInfo>, ServiceError> {
        let (namespace, limit) = (namespace.to_string(), limit.min(MAX_PAGE));
        Ok(self.database.read(move |connection| read::page(connection, &namespace, limit, offset)).await?)
    }
}

#[async_trait]
impl Holder for WorkerStore {
    fn name(&self) -> &'static str {
        "workers"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        let namespace = namespace.to_string();
        self.database
            .write(move |transaction| {
                transaction.execute("DELETE FROM versions WHERE namespace = ?1", [&namespace])?;
                transaction.execute("DELETE FROM workers WHERE namespace = ?1", [&namespace])?;
                transaction.execute("DELETE FROM totals WHERE namespace = ?1", [&namespace])?;
                Ok(())
            })
            .await
    }
}
