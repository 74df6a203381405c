//! What is of no more use is deleted, now and then.

use std::{sync::Arc, time::Duration};

use doer_core::service::ServiceError;
use rusqlite::{Connection, params};

use super::{Authority, Settings, attempts, schema::stored, sessions::millis};
use crate::{Error, tasks::Tasks};

const EVERY: Duration = Duration::from_secs(60 * 60);

impl Authority {
    /// Deletes once in an hour what is of no more use.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = self.clone();
        tasks.supervise("auth housekeeping", move |stopping| {
            let this = this.clone();
            async move {
                loop {
                    if let Err(error) = this.tidy().await {
                        tracing::error!(%error, "what is of no more use could not be deleted");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(EVERY) => {}
                        () = stopping.cancelled() => return,
                    }
                }
            }
        });
    }

    /// Deletes what is of no more use: sessions and tokens that have ended, keys that ended long ago, attempts that
    /// count no more, and audit records past their age.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn tidy(&self) -> Result<(), ServiceError> {
        let (settings, now_ms) = (self.settings.clone(), self.clock.now_ms());
        Ok(self.database.write(move |tx| tidy(tx, &settings, now_ms)).await?)
    }
}

fn tidy(connection: &Connection, settings: &Settings, now_ms: u64) -> Result<(), Error> {
    let now = stored(now_ms);
    let before = |age: Duration| stored(now_ms.saturating_sub(millis(age)));
    connection.execute("DELETE FROM refresh_tokens WHERE expires_at <= ?1", [now])?;
    // A session whose time is over lives on in its refresh token, unless it was revoked.
    connection.execute(
        "DELETE FROM refresh_tokens WHERE session_id IN
         (SELECT id FROM sessions WHERE expires_at <= ?1 AND revoked_at IS NOT NULL)",
        [now],
    )?;
    connection.execute(
        "DELETE FROM sessions WHERE expires_at <= ?1
         AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = sessions.id)",
        [now],
    )?;
    connection.execute(
        "DELETE FROM keys WHERE coalesce(revoked_at, expires_at) <= ?1",
        params![before(settings.ended_keys)],
    )?;
    connection.execute("DELETE FROM audit WHERE at <= ?1", params![before(settings.audit_age)])?;
    attempts::forget_old(connection, &settings.sign_in, now_ms)
}
