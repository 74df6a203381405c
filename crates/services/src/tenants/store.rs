//! The tenants of an installation, for whoever runs it: the server and the command line, which may do so at once.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use doer_core::{
    service::ServiceError,
    tier::Namespace,
    time::{Clock, SystemClock},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use tokio::sync::Notify;

use super::{TenantOverrides, snapshot::Watch};
use crate::{
    Database, Error,
    auth::{
        Settings,
        audit::{Action, Actor, Audit},
        schema::{MIGRATIONS, from_json, stored, to_json},
        validate,
    },
};

const MAX_REASON_BYTES: usize = 1024;

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may work.
    Active,
    /// It may do nothing, and has all that it had.
    Suspended,
    /// It may do nothing, and what it had is being deleted.
    Deleting,
}

impl State {
    /// The word in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
        }
    }

    /// The table allows nothing else than the three words.
    pub(super) fn read(word: &str) -> Self {
        match word {
            "active" => Self::Active,
            "deleting" => Self::Deleting,
            _ => Self::Suspended,
        }
    }
}

/// A tenant, and what it has here.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// Why it is suspended.
    pub reason: Option<String>,
    /// What holds for it in place of its tier's.
    pub overrides: TenantOverrides,
    /// Users that belong to it.
    pub users: u64,
    /// Keys that belong to it, ended ones among them.
    pub api_keys: u64,
}

/// The tenants. Cheap to clone.
#[derive(Clone)]
pub struct Tenants {
    pub(super) database: Database,
    pub(super) audit: Audit,
    pub(super) clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    /// A deletion was begun.
    pub(super) begun: Arc<Notify>,
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Tenants {
    /// Opens the database of the `auth` service, and makes it where there is none: for the command line.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::open(path, MIGRATIONS)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = Audit::new(database.clone(), clock.clone(), Settings::default().audit_records);
        Self::new(database, audit, clock)
    }

    pub(crate) fn new(database: Database, audit: Audit, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let watch = Arc::new(Watch::new(&database)?);
        Ok(Self { database, audit, clock, watch, begun: Arc::default() })
    }

    /// May anything be done in the name of that tenant? Takes a microsecond or two.
    ///
    /// # Errors
    /// `forbidden` where it is suspended.
    pub fn admit(&self, id: &str) -> Result<(), ServiceError> {
        match self.watch.now()?.0.get(id) {
            None | Some((State::Active, _)) => Ok(()),
            Some((State::Suspended | State::Deleting, _)) => {
                Err(ServiceError::forbidden(format!("Tenant {id} is suspended")))
            }
        }
    }

    /// What holds for a tenant in place of its tier's.
    pub fn overrides(&self, id: &str) -> Option<Arc<TenantOverrides>> {
        let snapshot = self.watch.now().unwrap_or_else(|error| {
            // Whoever asks has no use for a failure; what was so a moment ago is closer than nothing.
            tracing::error!(%error, "the tenants cannot be read");
            self.watch.last()
        });
        snapshot.0.get(id).map(|(_, overrides)| overrides.clone())
    }

    /// Every tenant that is known: those about which something is special, and those that somebody belongs to.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn list(&self) -> Result<Vec<Tenant>, ServiceError> {
        Ok(self.database.read(list).await?)
    }

    /// Suspends a tenant: from now on nothing is done in its name.
    ///
    /// # Errors
    /// `invalid_request` for what is no id; `conflict` where it is being deleted.
    pub async fn suspend(&self, actor: Actor, id: &str, reason: Option<String>) -> Result<(), ServiceError> {
        if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES) {
            return Err(ServiceError::invalid(format!("reason: has {MAX_REASON_BYTES} bytes at most")));
        }
        self.change(actor, id, Action::TenantSuspended, reason.clone(), move |tx, id, now| {
            set_state(tx, id, State::Suspended, reason.as_deref(), now)
        })
        .await
    }

    /// Lets a suspended tenant work again. One that was not suspended stays as it was.
    ///
    /// # Errors
    /// As [`Tenants::suspend`].
    pub async fn resume(&self, actor: Actor, id: &str) -> Result<(), ServiceError> {
        self.change(actor, id, Action::TenantResumed, None, |tx, id, now| set_state(tx, id, State::Active, None, now))
            .await
    }

    /// Sets what holds for a tenant in place of its tier's; what is absent in `overrides` is as its tier has it.
    ///
    /// # Errors
    /// As [`Tenants::suspend`].
    pub async fn set_overrides(&self, actor: Actor, id: &str, overrides: TenantOverrides) -> Result<(), ServiceError> {
        let text = to_json(&overrides, "tenants.overrides")?;
        self.change(actor, id, Action::TenantOverridden, Some(text.clone()), move |tx, id, now| {
            tx.execute(
                "INSERT INTO tenants (id, state, overrides, changed_at) VALUES (?1, 'active', ?2, ?3)
                 ON CONFLICT DO UPDATE SET overrides = ?2, changed_at = ?3",
                params![id, text, stored(now)],
            )?;
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        actor: Actor,
        id: &str,
        action: Action,
        detail: Option<String>,
        work: impl FnOnce(&Connection, &str, u64) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), ServiceError> {
        check_id(id)?;
        let (this, id) = (self.clone(), id.to_owned());
        self.database
            .write(move |tx| {
                if state(tx, &id)? == Some(State::Deleting) {
                    return Err(ServiceError::new(
                        doer_core::service::Code::Conflict,
                        format!("Tenant {id} is being deleted"),
                    )
                    .into());
                }
                work(tx, &id, this.clock.now_ms())?;
                this.audit.append(tx, &actor, action, &id, detail.as_deref())
            })
            .await?;
        Ok(())
    }
}

/// # Errors
/// `invalid_request` for what is no id of a tenant.
pub(super) fn check_id(id: &str) -> Result<(), ServiceError> {
    if !validate::is_tenant_id(id) {
        return Err(ServiceError::invalid("tenant: must have 1 to 128 letters, digits or any of - _ . @"));
    }
    Ok(())
}

pub(super) fn state(connection: &Connection, id: &str) -> Result<Option<State>, Error> {
    let mut statement = connection.prepare_cached("SELECT state FROM tenants WHERE id = ?1")?;
    let word: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(word.map(|word| State::read(&word)))
}

pub(super) fn set_state(
    connection: &Connection,
    id: &str,
    state: State,
    reason: Option<&str>,
    now_ms: u64,
) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO tenants (id, state, reason, overrides, changed_at) VALUES (?1, ?2, ?3, '{}', ?4)
         ON CONFLICT DO UPDATE SET state = ?2, reason = ?3, changed_at = ?4",
        params![id, state.name(), reason, stored(now_ms)],
    )?;
    Ok(())
}

/// The namespace of a tenant.
pub(super) fn namespace(id: &str) -> Option<Namespace> {
    Namespace::parse(&format!("tenant:{id}"))
}

fn list(connection: &Connection) -> Result<Vec<Tenant>, Error> {
    let mut known: BTreeMap<String, Tenant> = BTreeMap::new();
    let plain = |id: String| Tenant {
        id,
        state: State::Active,
        reason: None,
        overrides: TenantOverrides::default(),
        users: 0,
        api_keys: 0,
    };
    let mut statement = connection.prepare_cached("SELECT id, state, reason, overrides FROM tenants")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let tenant = Tenant {
            state: State::read(&row.get::<_, String>(1)?),
            reason: row.get(2)?,
            overrides: from_json(&row.get::<_, String>(3)?, "tenants.overrides")?,
            ..plain(id.clone())
        };
        known.insert(id, tenant);
    }
    let counted = |table: &str| -> Result<Vec<(String, u64)>, Error> {
        let sql = format!("SELECT tenant, count(*) FROM {table} WHERE tenant IS NOT NULL GROUP BY tenant");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    for (id, count) in counted("users")? {
        known.entry(id.clone()).or_insert_with(|| plain(id)).users = count;
    }
    for (id, count) in counted("keys")? {
        known.entry(id.clone()).or_insert_with(|| plain(id)).api_keys = count;
    }
    Ok(known.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(dir: &tempfile::TempDir) -> Tenants {
        Tenants::open(&dir.path().join("auth.db")).unwrap()
    }

    #[tokio::test]
    async fn another_process_suspends_and_resumes_and_it_holds_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (server, cli) = (tenants(&dir), tenants(&dir));
        assert_eq!(server.admit("acme"), Ok(()));
        cli.suspend(Actor::operator(), "acme", Some("unpaid".to_owned())).await.unwrap();
        assert_eq!(server.admit("acme"), Err(ServiceError::forbidden("Tenant acme is suspended")));
        assert_eq!(server.admit("other"), Ok(()));
        let listed = cli.list().await.unwrap();
        assert_eq!((listed.len(), listed[0].state, listed[0].reason.as_deref()), (1, State::Suspended, Some("unpaid")));
        cli.resume(Actor::operator(), "acme").await.unwrap();
        assert_eq!(server.admit("acme"), Ok(()));
        let actions: Vec<_> = cli.audit.list(None, None, 9).await.unwrap().into_iter().map(|one| one.action).collect();
        assert_eq!(actions, ["tenant.resumed", "tenant.suspended"]);
    }

    #[tokio::test]
    async fn what_another_process_sets_is_known_and_outlasts_a_suspension() {
        let dir = tempfile::tempdir().unwrap();
        let (server, cli) = (tenants(&dir), tenants(&dir));
        assert_eq!(server.overrides("acme"), None);
        let set = TenantOverrides { users: Some(7), ..Default::default() };
        cli.set_overrides(Actor::operator(), "acme", set.clone()).await.unwrap();
        assert_eq!(server.overrides("acme").as_deref(), Some(&set));
        cli.suspend(Actor::operator(), "acme", None).await.unwrap();
        assert_eq!(server.overrides("acme").as_deref(), Some(&set));
    }

    #[tokio::test]
    async fn what_is_no_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tenants = tenants(&dir);
        for id in ["", "a b", "*", &"a".repeat(129)] {
            let refused = tenants.suspend(Actor::operator(), id, None).await.unwrap_err();
            assert_eq!(refused.code.name(), "invalid_request", "{id}");
        }
        let long = Some("r".repeat(MAX_REASON_BYTES + 1));
        assert!(tenants.suspend(Actor::operator(), "acme", long).await.is_err());
    }
}
