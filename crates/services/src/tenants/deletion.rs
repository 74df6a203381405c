//! Deletion of a tenant. It is suspended first, and what namespaces it has is written down; then everyone who keeps
//! something forgets it; its users, keys and sessions go last. A crash in between leaves it suspended, and the work is
//! taken up again where somebody next looks.

use std::{sync::Arc, time::Duration};

use doer_core::{service::ServiceError, tier::Namespace};
use rusqlite::{Connection, params};

use super::{
    Tenants,
    store::{State, check_id, namespace, set_state, state},
};
use crate::{
    Error, Holder,
    auth::audit::{Action, Actor},
    tasks::Tasks,
};

/// The command line begins deletions too, and leaves them to the server where one runs.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl Tenants {
    /// Begins the deletion of a tenant: nothing is done in its name any more, and nothing brings it back. Doing it
    /// twice is no error.
    ///
    /// # Errors
    /// `invalid_request` for what is no id.
    pub async fn begin_deletion(&self, actor: Actor, id: &str) -> Result<(), ServiceError> {
        check_id(id)?;
        let (this, id) = (self.clone(), id.to_owned());
        self.database
            .write(move |tx| {
                if state(tx, &id)? == Some(State::Deleting) {
                    return Ok(());
                }
                set_state(tx, &id, State::Deleting, None, this.clock.now_ms())?;
                write_down_namespaces(tx, &id)?;
                this.audit.append(tx, &actor, Action::TenantDeleting, &id, None)
            })
            .await?;
        self.begun.notify_one();
        Ok(())
    }

    /// Deletes a tenant, and all that `holders` keep of it.
    ///
    /// # Errors
    /// As [`Tenants::begin_deletion`]; the first failure of a holder, after which the rest waits for
    /// [`Tenants::finish_deletions`].
    pub async fn delete(&self, actor: Actor, id: &str, holders: &[Arc<dyn Holder>]) -> Result<(), ServiceError> {
        self.begin_deletion(actor, id).await?;
        Ok(self.finish(id.to_owned(), holders).await?)
    }

    /// Goes on with every deletion that was begun. One that fails does not hold up the others.
    ///
    /// # Errors
    /// The last failure.
    pub async fn finish_deletions(&self, holders: &[Arc<dyn Holder>]) -> Result<(), Error> {
        let mut outcome = Ok(());
        for id in self.database.read(deleting).await? {
            if let Err(error) = self.finish(id.clone(), holders).await {
                tracing::error!(tenant = id, %error, "a tenant could not be deleted; it is tried again");
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Finishes deletions whenever one was begun, here or by another process.
    pub fn start(&self, tasks: &Tasks, holders: Vec<Arc<dyn Holder>>) {
        let (this, holders) = (self.clone(), Arc::new(holders));
        tasks.supervise("tenant deletion", move |stopping| {
            let (this, holders) = (this.clone(), holders.clone());
            async move {
                loop {
                    // What failed was logged, and is tried again at the next look.
                    let _ = this.finish_deletions(&holders).await;
                    tokio::select! {
                        () = this.begun.notified() => {}
                        () = tokio::time::sleep(LOOK_AGAIN) => {}
                        () = stopping.cancelled() => return,
                    }
                }
            }
        });
    }

    async fn finish(&self, id: String, holders: &[Arc<dyn Holder>]) -> Result<(), Error> {
        let tenant = id.clone();
        for namespace in self.database.read(move |connection| remains(connection, &tenant)).await? {
            for holder in holders {
                holder.forget(&namespace).await.inspect_err(|error| {
                    tracing::error!(holder = holder.name(), %namespace, %error, "a namespace could not be deleted");
                })?;
            }
        }
        let this = self.clone();
        self.database
            .write(move |tx| {
                // Two may have been at it; the second one finds nothing left.
                if state(tx, &id)? != Some(State::Deleting) {
                    return Ok(());
                }
                forget_tenant(tx, &id)?;
                this.audit.append(tx, &Actor::operator(), Action::TenantDeleted, &id, None)
            })
            .await
    }
}

fn write_down_namespaces(connection: &Connection, id: &str) -> Result<(), Error> {
    connection.execute(
        "INSERT OR IGNORE INTO tenant_remains
         SELECT ?1, 'tenant:' || ?1
         UNION SELECT ?1, 'user:' || id FROM users WHERE tenant = ?1 AND role IN ('tenant', 'user')
         UNION SELECT ?1, 'user:' || user_id FROM keys WHERE tenant = ?1 AND role IN ('tenant', 'user')
         UNION SELECT ?1, 'user:' || id FROM foreign_users WHERE tenant = ?1",
        [id],
    )?;
    Ok(())
}

fn remains(connection: &Connection, id: &str) -> Result<Vec<Namespace>, Error> {
    let mut statement = connection.prepare_cached("SELECT namespace FROM tenant_remains WHERE tenant = ?1")?;
    let texts = statement.query_map([id], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut namespaces: Vec<Namespace> = texts.iter().filter_map(|text| Namespace::parse(text)).collect();
    // Where nothing was written down there is still the tenant's own.
    namespaces.extend(namespace(id).filter(|own| !texts.iter().any(|text| text == own.as_str())));
    Ok(namespaces)
}

fn deleting(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM tenants WHERE state = 'deleting'")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Deletes what the service itself has of a tenant, last of all the note that it was to be deleted.
fn forget_tenant(connection: &Connection, id: &str) -> Result<(), Error> {
    crate::auth::forget(connection, &format!("tenant:{id}"))?;
    // Whoever is trusted with all namespaces is not a tenant's, whatever is noted of them.
    let of_tenant = "tenant = ?1 AND role IN ('tenant', 'user')";
    let users = format!("SELECT id FROM users WHERE {of_tenant}");
    let sessions = format!("SELECT id FROM sessions WHERE user_id IN ({users})");
    connection.execute(&format!("DELETE FROM refresh_tokens WHERE session_id IN ({sessions})"), params![id])?;
    connection.execute(&format!("DELETE FROM sessions WHERE user_id IN ({users})"), params![id])?;
    let of_keys = format!("SELECT id FROM sessions WHERE key_id IN (SELECT id FROM keys WHERE {of_tenant})");
    connection.execute(&format!("DELETE FROM refresh_tokens WHERE session_id IN ({of_keys})"), params![id])?;
    connection.execute(&format!("DELETE FROM sessions WHERE id IN ({of_keys})"), params![id])?;
    connection.execute(&format!("DELETE FROM keys WHERE ({of_tenant}) OR user_id IN ({users})"), params![id])?;
    connection.execute(&format!("DELETE FROM users WHERE {of_tenant}"), params![id])?;
    connection.execute("DELETE FROM foreign_users WHERE tenant = ?1", params![id])?;
    connection.execute("DELETE FROM tenant_remains WHERE tenant = ?1", params![id])?;
    connection.execute("DELETE FROM tenants WHERE id = ?1", params![id])?;
    Ok(())
}
