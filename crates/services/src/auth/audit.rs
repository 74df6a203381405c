//! The record of what changed: who did what to what, when, and in which request. It is only ever added to, holds no
//! secrets, and what an installation keeps of it is bounded by number and by age.

use std::sync::Arc;

use doer_core::{scope::Scope, service::ServiceError, time::Clock};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::schema::{number, stored};
use crate::{Database, Error};

/// Records of one page at most.
const MAX_PAGE: u32 = 1000;

macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident = $name:literal,)+) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $Action,)+
        }

        impl Action {
            /// The word in the record.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Action => $name,)+ }
            }
        }
    };
}

actions! {
    /// A key was made.
    KeyCreated = "key.created",
    /// A key was ended.
    KeyRevoked = "key.revoked",
    /// A user was made.
    UserCreated = "user.created",
    /// A user may no longer do anything.
    UserDisabled = "user.disabled",
    /// A user may again.
    UserEnabled = "user.enabled",
    /// A user was given a permission.
    PermissionGranted = "permission.granted",
    /// A permission was taken from a user.
    PermissionRevoked = "permission.revoked",
    /// A session was made.
    SessionCreated = "session.created",
    /// A session was ended.
    SessionRevoked = "session.revoked",
    /// Somebody signed in with a password.
    SignInSucceeded = "sign_in.succeeded",
    /// Somebody tried to.
    SignInFailed = "sign_in.failed",
    /// A tenant was suspended.
    TenantSuspended = "tenant.suspended",
    /// A tenant may work again.
    TenantResumed = "tenant.resumed",
    /// A tenant's limits or quotas were changed.
    TenantOverridden = "tenant.overridden",
    /// The deletion of a tenant was begun.
    TenantDeleting = "tenant.deleting",
    /// Everything of a tenant is gone.
    TenantDeleted = "tenant.deleted",
    /// A secret was written.
    SecretWritten = "secret.written",
    /// A secret was deleted.
    SecretDeleted = "secret.deleted",
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Where they worked.
    pub namespace: String,
    /// User id, and the key where one was used: `usr_1 (key AbC)`.
    pub name: String,
    /// In which request; empty where there was none.
    pub request_id: String,
}

impl Actor {
    /// The caller of a request.
    pub fn of(scope: &Scope) -> Self {
        let auth = &scope.context.auth;
        let user = auth.user.as_ref().map_or("anonymous", |user| user.id.as_str());
        let name = match &auth.api_key {
            Some(key) => format!("{user} (key {})", key.id),
            None => user.to_owned(),
        };
        Self { namespace: scope.namespace.to_string(), name, request_id: scope.request_id().to_owned() }
    }

    /// Whoever has the data directory: the command line.
    pub fn operator() -> Self {
        Self { namespace: "*".to_owned(), name: "operator".to_owned(), request_id: String::new() }
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its place in the record.
    pub id: u64,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    /// Where whoever did it worked.
    pub namespace: String,
    /// Who did it.
    pub actor: String,
    /// What was done, as [`Action::name`] has it.
    pub action: String,
    /// To what: an id or a name.
    pub target: String,
    /// In which request; empty where there was none.
    pub request_id: String,
    /// More about it, where there is more.
    pub detail: Option<String>,
}

/// The record, for whoever changes something. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    database: Database,
    clock: Arc<dyn Clock>,
    max_records: u64,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("max_records", &self.max_records).finish_non_exhaustive()
    }
}

impl Audit {
    /// The record in `database`, of at most so many.
    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>, max_records: u64) -> Self {
        Self { database, clock, max_records }
    }

    /// Adds a record. `target` and `detail` must not hold secrets.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn record(
        &self,
        actor: Actor,
        action: Action,
        target: String,
        detail: Option<String>,
    ) -> Result<(), ServiceError> {
        let this = self.clone();
        self.database.write(move |tx| this.append(tx, &actor, action, &target, detail.as_deref())).await?;
        Ok(())
    }

    /// Records, the newest first: of one namespace or of all, before the record `before` where one is given.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn list(
        &self,
        namespace: Option<String>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Record>, ServiceError> {
        const ALL: &str = "SELECT id, at, namespace, actor, action, target, request_id, detail FROM audit
                           WHERE id < ?1 AND ?2 IS NULL ORDER BY id DESC LIMIT ?3";
        const OF_ONE: &str = "SELECT id, at, namespace, actor, action, target, request_id, detail FROM audit
                              WHERE id < ?1 AND namespace = ?2 ORDER BY id DESC LIMIT ?3";
        let before = stored(before.unwrap_or(u64::MAX));
        let records = self.database.read(move |connection| {
            let mut statement = connection.prepare_cached(if namespace.is_some() { OF_ONE } else { ALL })?;
            let rows = statement.query_map(params![before, namespace, limit.min(MAX_PAGE)], record)?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        Ok(records.await?)
    }

    /// Adds a record within the transaction that makes the change: one is never there without the other.
    pub(crate) fn append(
        &self,
        connection: &Connection,
        actor: &Actor,
        action: Action,
        target: &str,
        detail: Option<&str>,
    ) -> Result<(), Error> {
        connection
            .prepare_cached(
                "INSERT INTO audit (at, namespace, actor, action, target, request_id, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                stored(self.clock.now_ms()),
                actor.namespace,
                actor.name,
                action.name(),
                target,
                actor.request_id,
                detail
            ])?;
        let last = connection.last_insert_rowid();
        // One in, one out: deletes at most as many as were added.
        connection
            .prepare_cached("DELETE FROM audit WHERE id <= ?1")?
            .execute([last.saturating_sub(stored(self.max_records))])?;
        Ok(())
    }
}

fn record(row: &Row<'_>) -> Result<Record, rusqlite::Error> {
    Ok(Record {
        id: number(row, 0)?,
        at: number(row, 1)?,
        namespace: row.get(2)?,
        actor: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
        request_id: row.get(6)?,
        detail: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doer_core::time::ManualClock;

    use super::*;
    use crate::auth::schema::MIGRATIONS;

    fn audit(dir: &tempfile::TempDir, max_records: u64) -> Audit {
        let database = Database::open(&dir.path().join("auth.db"), MIGRATIONS).unwrap();
        Audit::new(database, Arc::new(ManualClock::at(Duration::from_secs(1))), max_records)
    }

    #[tokio::test]
    async fn what_happened_is_told_newest_first_and_as_much_is_kept_as_is_configured() {
        let dir = tempfile::tempdir().unwrap();
        let audit = audit(&dir, 2);
        for (namespace, target) in [("*", "a"), ("tenant:acme", "b"), ("*", "c")] {
            let actor = Actor { namespace: namespace.to_owned(), ..Actor::operator() };
            audit.record(actor, Action::KeyRevoked, target.to_owned(), None).await.unwrap();
        }
        let targets = |records: Vec<Record>| records.into_iter().map(|record| record.target).collect::<Vec<_>>();
        let all = audit.list(None, None, 10).await.unwrap();
        assert_eq!((all[0].at, all[0].action.as_str(), all[0].actor.as_str()), (1000, "key.revoked", "operator"));
        let before = all[0].id;
        assert_eq!(targets(all), ["c", "b"]);
        assert_eq!(targets(audit.list(None, Some(before), 10).await.unwrap()), ["b"]);
        assert_eq!(targets(audit.list(Some("*".to_owned()), None, 10).await.unwrap()), ["c"]);
    }

    #[tokio::test]
    async fn a_record_does_not_change() {
        let dir = tempfile::tempdir().unwrap();
        let audit = audit(&dir, 10);
        audit.record(Actor::operator(), Action::KeyCreated, "a".to_owned(), None).await.unwrap();
        let changed = audit.database.write(|tx| Ok(tx.execute("UPDATE audit SET target = 'b'", [])?)).await;
        assert!(changed.is_err());
    }
}
