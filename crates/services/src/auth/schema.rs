//! The database of the service: users, sessions, keys, tenants, and the record of what changed.
//!
//! The command line and a running server share the file: what one writes, the other sees with its next statement.

use rusqlite::Row;
use serde::de::DeserializeOwned;

use crate::Error;

/// Applied in order. The first is all there was when only keys were kept, so that such a file opens here.
pub const MIGRATIONS: &[&str] = &[KEYS, USERS, ELSEWHERE];

const KEYS: &str = "CREATE TABLE keys (
    id          TEXT PRIMARY KEY NOT NULL,
    hash        BLOB NOT NULL,
    name        TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    tenant      TEXT,
    permissions TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID";

const USERS: &str = "
-- `local`: the owner is a row of `users`, and what that row says now is what counts.
ALTER TABLE keys ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN local INTEGER NOT NULL DEFAULT 0;
UPDATE keys SET namespace = CASE
    WHEN role IN ('admin', 'service') THEN '*'
    WHEN tenant IS NOT NULL THEN 'tenant:' || tenant
    ELSE 'user:' || user_id
END;
CREATE INDEX keys_by_age ON keys (namespace, created_at, id);
CREATE INDEX keys_holding ON keys (namespace, expires_at) WHERE revoked_at IS NULL;
CREATE INDEX keys_of_tenant ON keys (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX keys_of_user ON keys (user_id);

CREATE TABLE users (
    id          TEXT PRIMARY KEY NOT NULL,
    namespace   TEXT NOT NULL,
    email       TEXT NOT NULL UNIQUE,
    name        TEXT,
    role        TEXT NOT NULL,
    permissions TEXT NOT NULL,
    metadata    TEXT NOT NULL,
    tenant      TEXT,
    password    TEXT,
    disabled    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_of_namespace ON users (namespace);
CREATE INDEX users_of_tenant ON users (tenant) WHERE tenant IS NOT NULL;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY NOT NULL,
    namespace  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id, created_at, id);
CREATE INDEX sessions_of_namespace ON sessions (namespace);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    id         TEXT PRIMARY KEY NOT NULL,
    hash       BLOB NOT NULL,
    session_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id, used_at);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Counting rows would take the longer, the more there are.
CREATE TABLE tallies (
    namespace TEXT NOT NULL,
    kind      TEXT NOT NULL,
    n         INTEGER NOT NULL,
    PRIMARY KEY (namespace, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies SELECT namespace, 'keys', count(*) FROM keys GROUP BY namespace;
CREATE TRIGGER key_made AFTER INSERT ON keys BEGIN
    INSERT INTO tallies VALUES (new.namespace, 'keys', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER key_gone AFTER DELETE ON keys BEGIN
    UPDATE tallies SET n = n - 1 WHERE namespace = old.namespace AND kind = 'keys';
END;
CREATE TRIGGER user_made AFTER INSERT ON users BEGIN
    INSERT INTO tallies VALUES (new.namespace, 'users', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER user_gone AFTER DELETE ON users BEGIN
    UPDATE tallies SET n = n - 1 WHERE namespace = old.namespace AND kind = 'users';
END;

CREATE TABLE attempts (
    subject       TEXT PRIMARY KEY NOT NULL,
    failures      INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    last_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_age ON attempts (last_at);

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    namespace  TEXT NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail     TEXT
) STRICT;
CREATE INDEX audit_of_namespace ON audit (namespace, id);
CREATE INDEX audit_by_age ON audit (at);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit records do not change');
END;

CREATE TABLE tenants (
    id         TEXT PRIMARY KEY NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleting')),
    reason     TEXT,
    overrides  TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Namespaces of a tenant whose deletion was begun.
CREATE TABLE tenant_remains (
    tenant    TEXT NOT NULL,
    namespace TEXT NOT NULL,
    PRIMARY KEY (tenant, namespace)
) STRICT, WITHOUT ROWID;
-- Says whether what was read of `tenants` is still so, at the price of reading one row.
CREATE TABLE generations (of TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO generations VALUES ('tenants', 0);
CREATE TRIGGER tenant_made AFTER INSERT ON tenants BEGIN
    UPDATE generations SET n = n + 1 WHERE of = 'tenants';
END;
CREATE TRIGGER tenant_changed AFTER UPDATE ON tenants BEGIN
    UPDATE generations SET n = n + 1 WHERE of = 'tenants';
END;
CREATE TRIGGER tenant_gone AFTER DELETE ON tenants BEGIN
    UPDATE generations SET n = n + 1 WHERE of = 'tenants';
END;
";

const ELSEWHERE: &str = "
-- The key that a session was given for: it holds what the key holds, and ends with it.
ALTER TABLE sessions ADD COLUMN key_id TEXT;
CREATE INDEX sessions_of_key ON sessions (key_id) WHERE key_id IS NOT NULL;

-- Users that others vouch for, as far as they were seen and belong to a tenant: with it their own namespaces stand and
-- fall.
CREATE TABLE foreign_users (id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX foreign_users_of_tenant ON foreign_users (tenant);
";

/// SQLite's integers are signed.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was never negative when it was written.
pub fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// The same, where there may be none.
pub fn maybe_number(row: &Row<'_>, column: usize) -> Result<Option<u64>, rusqlite::Error> {
    row.get::<_, Option<i64>>(column).map(|found| found.map(i64::unsigned_abs))
}

/// JSON of a column.
pub fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { column, source })
}

/// JSON for a column.
pub fn to_json<T: serde::Serialize>(value: &T, column: &'static str) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { column, source })
}
