//! Whose credentials are these? Keys and our own tokens are looked up each time, by primary key: what was revoked a
//! moment ago, by whichever process, opens nothing. Tokens of issuers are held against keys that are fetched.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use doer_core::{
    auth::{Identity, User},
    service::{Backend, ServiceError},
    tier::Tier,
    time::Clock,
};
use rusqlite::Connection;

use super::{
    Settings,
    audit::{Action, Actor, Audit},
    elsewhere::Elsewhere,
    foreign,
    issuers::{IssuerError, Issuers},
    passwords::Passwords,
    permission::tier_of,
    schema::MIGRATIONS,
    sessions::{self, StoredSession},
    tokens::Signer,
    users::{self, By, StoredUser},
};
use crate::{
    Database, Error,
    keys::{self, KeyStore, secret},
    tenants::Tenants,
};

/// A longer text is not even looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The authority of an installation: it knows its users, keys and sessions, and whom it believes beside itself.
pub struct Authority {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
    pub(super) signer: Signer,
    pub(super) passwords: Passwords,
    pub(super) issuers: Issuers,
    elsewhere: OnceLock<Elsewhere>,
    audit: Audit,
    tenants: Tenants,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("database", &self.database).finish_non_exhaustive()
    }
}

/// A user, for whoever runs the installation.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedUser {
    /// As the contract has it.
    pub user: User,
    /// May do nothing.
    pub disabled: bool,
    /// Whose it is.
    pub namespace: String,
}

/// An authority cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its database.
    #[error("the database of users and keys cannot be used")]
    Database(#[from] Error),
    /// An issuer of the configuration.
    #[error("the issuers cannot be configured")]
    Issuer(#[from] IssuerError),
}

impl Authority {
    /// Opens `path`, and makes it where there is none. A file in which an older doer kept keys is one, too: they go
    /// on to hold. `installation_key` is the secret from which the key of our tokens is made.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        path: &Path,
        installation_key: &[u8],
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Arc<Self>, OpenError> {
        let database = Database::open(path, MIGRATIONS)?;
        let audit = Audit::new(database.clone(), clock.clone(), settings.audit_records);
        Ok(Arc::new(Self {
            tenants: Tenants::new(database.clone(), audit.clone(), clock.clone())?,
            signer: Signer::new(installation_key),
            passwords: Passwords::new(&settings.sign_in),
            issuers: Issuers::new(settings.issuers.clone(), &clock)?,
            elsewhere: OnceLock::new(),
            audit,
            database,
            clock,
            settings,
        }))
    }

    /// Asks another `auth` as well, which knows users, keys and tokens that are not known here. Whoever was named first
    /// stays: there is one in an installation.
    pub fn ask_also(&self, auth: Arc<dyn Backend>) {
        let _ = self.elsewhere.set(Elsewhere::new(auth, self.clock.clone()));
    }

    /// What a credential proves: an API key, an access token of ours, a token of an issuer, or whatever another `auth`
    /// says of it. `None` where it proves nothing.
    ///
    /// # Errors
    /// `forbidden` where it holds, and its tenant is suspended; `service_unavailable` where an issuer's keys cannot
    /// be had, or the other `auth` does not answer; our own failures.
    pub async fn verify(&self, token: &str) -> Result<Option<Identity>, ServiceError> {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        let found = match self.of_ours(token)? {
            Some(ours) => ours,
            None => self.of_others(token).await?,
        };
        if let Some(user) = found.as_ref().and_then(|identity| identity.user.as_ref()) {
            self.admit_user(user)?;
        }
        Ok(found)
    }

    /// What a key or an access token of ours proves. `None` where it is none: others may know it.
    fn of_ours(&self, token: &str) -> Result<Option<Option<Identity>>, ServiceError> {
        let now_ms = self.clock.now_ms();
        if token.starts_with(secret::KEY) {
            return Ok(self.database.read_now(|connection| key(connection, token, now_ms))?);
        }
        let Some(claims) = self.signer.read(token) else { return Ok(None) };
        if !claims.holds_at(now_ms) {
            return Ok(Some(None));
        }
        Ok(Some(self.database.read_now(|connection| session(connection, &claims, now_ms))?))
    }

    async fn of_others(&self, token: &str) -> Result<Option<Identity>, ServiceError> {
        let mut found = self.issuers.verify(token, self.clock.now_ms()).await?;
        if let (None, Some(elsewhere)) = (&found, self.elsewhere()) {
            found = elsewhere.validate(token).await?;
        }
        if let Some(user) = found.as_ref().and_then(|identity| identity.user.as_ref()) {
            foreign::remember(&self.database, user).await?;
        }
        Ok(found)
    }

    /// The other `auth`, where there is one.
    pub(super) fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.get()
    }

    /// The record of what changed.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The tenants.
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The keys, for whoever starts an installation.
    pub fn keys(&self) -> KeyStore {
        KeyStore::new(self.database.clone(), self.clock.clone(), self.settings.audit_records)
    }

    /// Every user, by address.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn users(&self) -> Result<Vec<ListedUser>, ServiceError> {
        Ok(self.database.read(users::all).await?)
    }

    /// Forbids a user everything, or allows it again; says whether there is one. Their keys and sessions hold no
    /// longer, or again.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn set_disabled(&self, actor: Actor, user_id: &str, disabled: bool) -> Result<bool, ServiceError> {
        let (audit, id) = (self.audit.clone(), user_id.to_owned());
        let action = if disabled { Action::UserDisabled } else { Action::UserEnabled };
        let changed = self.database.write(move |tx| {
            let found =
                tx.execute("UPDATE users SET disabled = ?2 WHERE id = ?1", rusqlite::params![id, disabled])? == 1;
            if found {
                audit.append(tx, &actor, action, &id, None)?;
            }
            Ok(found)
        });
        Ok(changed.await?)
    }

    /// # Errors
    /// `forbidden` where the user's tenant is suspended.
    pub(super) fn admit_user(&self, user: &User) -> Result<(), ServiceError> {
        admit_to(&self.tenants, user)
    }
}

/// # Errors
/// `forbidden` where the user's tenant is suspended. Who is trusted with all tenants belongs to none.
pub fn admit_to(tenants: &Tenants, user: &User) -> Result<(), ServiceError> {
    match users::tenant(user) {
        Some(tenant) if tier_of(user) != Tier::Internal => tenants.admit(tenant),
        _ => Ok(()),
    }
}

/// What a key of ours proves now; `None` where it is none.
fn key(connection: &Connection, token: &str, now_ms: u64) -> Result<Option<Option<Identity>>, Error> {
    let Some(id) = secret::id_of(token, secret::KEY) else { return Ok(None) };
    let found = keys::rows::find(connection, id)?.filter(|found| secret::matches(token, &found.hash));
    Ok(found.map(|found| key_identity(found, now_ms)))
}

/// What a key stands for now: its owner as they are at present, and nothing where either has ended.
pub fn key_identity(found: keys::rows::Found, now_ms: u64) -> Option<Identity> {
    if !found.key.holds_at(now_ms) {
        return None;
    }
    if !found.key.local {
        return Some(found.key.into_identity());
    }
    let owner = found.owner.filter(|owner| !owner.disabled)?;
    Some(found.key.of(owner.user))
}

/// What a token of ours proves now.
fn session(connection: &Connection, claims: &super::tokens::Claims, now_ms: u64) -> Result<Option<Identity>, Error> {
    let session = sessions::find(connection, &claims.sid)?
        .filter(|session| !session.revoked && session.user_id == claims.sub && now_ms < session.session.expires_at);
    match session {
        Some(session) => session_identity(connection, &session, now_ms),
        None => Ok(None),
    }
}

/// Whom a session stands for now: its user as they are at present, with what the key holds that it was given for.
/// Nobody where either has ended.
pub fn session_identity(
    connection: &Connection,
    session: &StoredSession,
    now_ms: u64,
) -> Result<Option<Identity>, Error> {
    let identity = match &session.key_id {
        Some(id) => keys::rows::find(connection, id)?
            .filter(|found| found.key.user_id == session.user_id)
            .and_then(|found| key_identity(found, now_ms)),
        None => enabled(users::find(connection, By::Id(&session.user_id))?).map(|user| Identity {
            authenticated: true,
            user: Some(user.user),
            session: None,
            api_key: None,
        }),
    };
    Ok(identity.map(|identity| Identity { session: Some(session.session.clone()), ..identity }))
}

/// A user who may do something.
pub fn enabled(user: Option<StoredUser>) -> Option<StoredUser> {
    user.filter(|user| !user.disabled)
}
