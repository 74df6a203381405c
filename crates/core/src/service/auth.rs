//! `auth`: users, sessions, keys and permissions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Page, Service};
use crate::auth::{ApiKey, Session, User};

contract! {
    /// Users, sessions, API keys and permissions of the installation. Nobody can grant more than they hold. Users and
    /// keys belong to the namespace that made them, and only callers of that namespace see them.
    trait Auth for Service::Auth;

    /// Says whose a token is: an API key, an access token of ours, or a token of a configured issuer.
    read validate_token = "validateToken"(ValidateToken {
        /// The token, without `Bearer`.
        token: String,
    }) -> Validation;

    /// Signs a user in: a session, an access token for an hour, and a refresh token for 30 days.
    write create_session = "createSession"(CreateSession {
        /// The user's id.
        user_id: String,
    }) -> SessionTokens, fails with [NotFound, Forbidden];

    /// Makes an API key. Its secret is in this answer and nowhere else, ever again.
    write create_api_key = "createApiKey"(CreateApiKey {
        /// What to call it.
        name: String,
        /// What it allows: `resource:action`, `resource:*` or `*`; nothing that the caller does not hold.
        permissions: Vec<String>,
        /// Whose it is, and how long it holds.
        options: Option<ApiKeyOptions>,
    }) -> CreatedApiKey, fails with [Forbidden, NotFound, Quota];

    /// Does the caller hold a permission?
    read check_permission = "checkPermission"(CheckPermission {
        /// `resource:action`.
        permission: String,
    }) -> bool;

    /// Keys, without their secrets, the newest first.
    read list_api_keys = "listApiKeys"(ListApiKeys {
        /// Which of them.
        options: Option<ListOptions>,
    }) -> Page<ApiKeyInfo>;

    /// Ends a key for ever; says whether there was one that held.
    write revoke_api_key = "revokeApiKey"(RevokeApiKey {
        /// Its id.
        id: String,
    }) -> bool;

    /// A new access token and a new refresh token for an old refresh token, which is used up by that. One that was
    /// used up before has been stolen: its session is revoked.
    write refresh_session = "refreshSession"(RefreshSession {
        /// The refresh token.
        refresh_token: String,
    }) -> SessionTokens, fails with [Forbidden];

    /// Ends a session; says whether there was one.
    write revoke_session = "revokeSession"(RevokeSession {
        /// Its id.
        session_id: String,
    }) -> bool;

    /// Makes a user in the caller's namespace.
    write create_user = "createUser"(CreateUser {
        /// The user's address, which no other user has.
        email: String,
        /// What else is known of them.
        options: Option<UserOptions>,
    }) -> User, fails with [Conflict, Forbidden, Quota];

    /// A user, or null.
    read get_user = "getUser"(GetUser {
        /// Their id or address.
        id: String,
    }) -> Option<User>;

    /// Gives a user a permission, which the caller must hold.
    write grant_permission = "grantPermission"(GrantPermission {
        /// The user's id.
        user_id: String,
        /// `resource:action`, `resource:*` or `*`.
        permission: String,
    }) -> User, fails with [NotFound, Forbidden];

    /// Takes a permission from a user.
    write revoke_permission = "revokePermission"(RevokePermission {
        /// The user's id.
        user_id: String,
        /// As it was granted.
        permission: String,
    }) -> User, fails with [NotFound, Forbidden];
}

/// What a token proves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Does it prove anything?
    pub valid: bool,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The session that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The key that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
    /// Why it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A session and the tokens for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTokens {
    /// The session.
    pub session: Session,
    /// Access token: a JWT, good for an hour.
    pub token: String,
    /// Refresh token: good once, within 30 days.
    pub refresh_token: String,
}

/// Whose a key is, and how long it holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiKeyOptions {
    /// A user of the namespace; the caller where absent, which is possible in the caller's own namespace only.
    pub user_id: Option<String>,
    /// Milliseconds since the Unix epoch; for ever where absent.
    pub expires_at: Option<u64>,
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedApiKey {
    /// Its secret: `sk_live_` and 43 characters.
    pub key: String,
    /// The rest.
    #[serde(flatten)]
    pub info: ApiKeyInfo,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyInfo {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Whose it is.
    pub user_id: String,
    /// What it allows, at most.
    pub permissions: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch; null means never.
    pub expires_at: Option<u64>,
    /// Milliseconds since the Unix epoch; null means that it holds.
    pub revoked_at: Option<u64>,
}

/// What is known of a user beside the address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UserOptions {
    /// Display name.
    pub name: Option<String>,
    /// `admin`, `service`, `tenant` or `user`; `user` where absent. Only an admin makes admins and services.
    pub role: Option<String>,
    /// Nothing that the caller does not hold.
    pub permissions: Vec<String>,
    /// Anything; `tenantId` names the user's tenant.
    pub metadata: BTreeMap<String, Value>,
    /// For signing in by `POST /session`; at least 12 characters. Without one only tokens and keys open anything.
    pub password: Option<String>,
    /// Made, and may do nothing until an operator allows it.
    pub disabled: bool,
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListOptions {
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
}
