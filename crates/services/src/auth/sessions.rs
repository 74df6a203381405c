//! Sessions: an access token for an hour, and a refresh token that is good once. One that comes twice was stolen, or
//! what replaced it was: then nobody may go on with that session.

use doer_core::{auth::Session, service::ServiceError};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Settings,
    schema::{number, stored},
};
use crate::{
    Error,
    keys::{Secret, secret},
};

/// Used refresh tokens that a session remembers: an older one is refused like any text.
const USED_KEPT: u32 = 100;

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// As the contract has it.
    pub session: Session,
    /// Whose it is.
    pub user_id: String,
    /// Whose user that is.
    pub namespace: String,
    /// The key that it was given for.
    pub key_id: Option<String>,
    /// Ended before its time.
    pub revoked: bool,
}

/// Whose a new session is.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The user.
    pub user_id: &'a str,
    /// Whose user that is.
    pub namespace: &'a str,
    /// The key that it is given for, where it is given for one.
    pub key_id: Option<&'a str>,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// The session goes on, with this refresh token.
    Goes(StoredSession, Secret),
    /// It was used before: the session is ended now.
    Stolen(StoredSession),
    /// It is none, or holds no more.
    Refused,
}

/// Begins a session; gives it and its refresh token. Ends the oldest of the user's where there are too many.
pub fn create(
    connection: &Connection,
    holder: Holder<'_>,
    settings: &Settings,
    now_ms: u64,
) -> Result<(Session, Secret), Error> {
    let Holder { user_id, namespace, key_id } = holder;
    let id = format!("ses_{}", uuid::Uuid::now_v7().simple());
    let expires_at = after(now_ms, settings.session);
    connection.execute(
        "INSERT INTO sessions (id, namespace, user_id, created_at, expires_at, key_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, namespace, user_id, stored(now_ms), stored(expires_at), key_id],
    )?;
    let surplus = "SELECT id FROM sessions WHERE user_id = ?1 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2";
    let limit = settings.sessions_per_user.max(1);
    connection
        .execute(&format!("DELETE FROM refresh_tokens WHERE session_id IN ({surplus})"), params![user_id, limit])?;
    connection.execute(&format!("DELETE FROM sessions WHERE id IN ({surplus})"), params![user_id, limit])?;
    let refresh = add_refresh_token(connection, &id, settings, now_ms)?;
    Ok((Session { id, expires_at }, refresh))
}

/// Uses a refresh token up.
pub fn refresh(
    connection: &Connection,
    token: &str,
    namespace: Option<&str>,
    settings: &Settings,
    now_ms: u64,
) -> Result<Refreshed, Error> {
    let Some(id) = secret::id_of(token, secret::REFRESH) else { return Ok(Refreshed::Refused) };
    let found = connection
        .prepare_cached("SELECT hash, session_id, expires_at, used_at IS NOT NULL FROM refresh_tokens WHERE id = ?1")?
        .query_row([id], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, number(row, 2)?, row.get::<_, bool>(3)?))
        })
        .optional()?;
    let Some((hash, session_id, expires_at, used)) = found else { return Ok(Refreshed::Refused) };
    if !secret::matches(token, &hash) {
        return Ok(Refreshed::Refused);
    }
    let session = find(connection, &session_id)?
        .filter(|session| !session.revoked && namespace.is_none_or(|namespace| namespace == session.namespace));
    let Some(mut session) = session else { return Ok(Refreshed::Refused) };
    if used {
        end(connection, &session_id, now_ms)?;
        return Ok(Refreshed::Stolen(session));
    }
    if now_ms >= expires_at {
        return Ok(Refreshed::Refused);
    }
    connection.execute("UPDATE refresh_tokens SET used_at = ?2 WHERE id = ?1", params![id, stored(now_ms)])?;
    connection.execute(
        "DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens
         WHERE session_id = ?1 AND used_at IS NOT NULL ORDER BY used_at DESC LIMIT -1 OFFSET ?2)",
        params![session_id, USED_KEPT],
    )?;
    session.session.expires_at = after(now_ms, settings.session);
    connection.execute(
        "UPDATE sessions SET expires_at = ?2 WHERE id = ?1",
        params![session_id, stored(session.session.expires_at)],
    )?;
    let token = add_refresh_token(connection, &session_id, settings, now_ms)?;
    Ok(Refreshed::Goes(session, token))
}

/// The session with that id.
pub fn find(connection: &Connection, id: &str) -> Result<Option<StoredSession>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, expires_at, user_id, namespace, revoked_at IS NOT NULL, key_id FROM sessions WHERE id = ?1",
    )?;
    let found = statement.query_row([id], |row| {
        Ok(StoredSession {
            session: Session { id: row.get(0)?, expires_at: number(row, 1)? },
            user_id: row.get(2)?,
            namespace: row.get(3)?,
            revoked: row.get(4)?,
            key_id: row.get(5)?,
        })
    });
    Ok(found.optional()?)
}

/// Ends a session of a namespace; says whether there was one.
pub fn revoke(connection: &Connection, id: &str, namespace: &str, now_ms: u64) -> Result<bool, Error> {
    let found = find(connection, id)?.filter(|session| session.namespace == namespace && !session.revoked);
    match found {
        Some(_) => end(connection, id, now_ms).map(|()| true),
        None => Ok(false),
    }
}

/// Ends a session, whosever it is.
pub fn end(connection: &Connection, id: &str, now_ms: u64) -> Result<(), Error> {
    connection.execute("UPDATE sessions SET revoked_at = ?2 WHERE id = ?1", params![id, stored(now_ms)])?;
    Ok(())
}

fn add_refresh_token(
    connection: &Connection,
    session_id: &str,
    settings: &Settings,
    now_ms: u64,
) -> Result<Secret, Error> {
    let token = Secret::generate(secret::REFRESH)?;
    let id = secret::id_of(token.reveal(), secret::REFRESH).unwrap_or_default();
    connection.execute(
        "INSERT INTO refresh_tokens (id, hash, session_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![id, secret::hash(token.reveal()), session_id, stored(after(now_ms, settings.refresh_token))],
    )?;
    Ok(token)
}

/// Milliseconds of a duration.
pub fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn after(now_ms: u64, duration: std::time::Duration) -> u64 {
    now_ms.saturating_add(millis(duration))
}

/// What a session gives its user when it is begun or refreshed.
pub fn tokens(
    signer: &super::tokens::Signer,
    settings: &Settings,
    session: Session,
    user_id: &str,
    refresh: &Secret,
    now_ms: u64,
) -> Result<doer_core::service::auth::SessionTokens, ServiceError> {
    let token = signer.sign(user_id, &session.id, now_ms, millis(settings.access_token))?;
    Ok(doer_core::service::auth::SessionTokens { session, token, refresh_token: refresh.reveal().to_owned() })
}
