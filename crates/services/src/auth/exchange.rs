//! Credentials for a session, which browsers keep as a cookie. It holds what they hold and no more: one that is given for
//! a key holds what the key holds, and ends with it.

use doer_core::{
    auth::Identity,
    scope::Scope,
    service::{ServiceError, auth::SessionTokens},
};
use rusqlite::Connection;

use super::{
    Authority,
    audit::{Action, Actor},
    authority::{enabled, key_identity},
    sessions::{self, Holder},
    users::{self, By},
};
use crate::{Error, keys};

impl Authority {
    /// A session for whoever has proved who they are, by a key or a session of this installation.
    ///
    /// # Errors
    /// `forbidden` for everyone else: what others vouch for is asked of them each time.
    pub async fn exchange(&self, scope: &Scope) -> Result<SessionTokens, ServiceError> {
        let (audit, settings, now_ms) = (self.audit().clone(), self.settings.clone(), self.clock.now_ms());
        let (identity, actor) = (scope.context.auth.clone(), Actor::of(scope));
        let made = self.database.write(move |tx| {
            let (user_id, namespace) = holder(tx, &identity, now_ms)?;
            let key_id = identity.api_key.as_ref().map(|key| key.id.as_str());
            let holder = Holder { user_id: &user_id, namespace: &namespace, key_id };
            let (session, refresh) = sessions::create(tx, holder, &settings, now_ms)?;
            audit.append(tx, &actor, Action::SessionCreated, &session.id, Some(&user_id))?;
            Ok((session, refresh, user_id))
        });
        let (session, refresh, user_id) = made.await?;
        sessions::tokens(&self.signer, &self.settings, session, &user_id, &refresh, now_ms)
    }

    /// Ends the session that a caller came with.
    ///
    /// # Errors
    /// `not_found` where it came with none of ours.
    pub async fn end_session(&self, scope: &Scope) -> Result<(), ServiceError> {
        let none = || ServiceError::not_found("This request has no session");
        let session = scope.context.auth.session.clone().ok_or_else(none)?;
        let (audit, actor, now_ms) = (self.audit().clone(), Actor::of(scope), self.clock.now_ms());
        let ended = self.database.write(move |tx| {
            sessions::find(tx, &session.id)?.ok_or_else(none)?;
            sessions::end(tx, &session.id, now_ms)?;
            audit.append(tx, &actor, Action::SessionRevoked, &session.id, None)
        });
        Ok(ended.await?)
    }
}

/// Whose a session for these credentials is, and in which namespace.
fn holder(connection: &Connection, identity: &Identity, now_ms: u64) -> Result<(String, String), Error> {
    let refused = || {
        let message = "A session is given for a password, a key or a session of this installation only";
        Error::from(ServiceError::forbidden(message))
    };
    let user = identity.user.as_ref().filter(|_| identity.authenticated).ok_or_else(refused)?;
    match &identity.api_key {
        Some(key) => {
            let found = keys::rows::find(connection, &key.id)?.filter(|found| found.key.user_id == user.id);
            let found = found.ok_or_else(refused)?;
            let namespace = found.key.namespace.clone();
            key_identity(found, now_ms).ok_or_else(refused)?;
            Ok((user.id.clone(), namespace))
        }
        None => {
            let found = enabled(users::find(connection, By::Id(&user.id))?).ok_or_else(refused)?;
            Ok((user.id.clone(), found.namespace))
        }
    }
}
