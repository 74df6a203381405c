//! What is known of a key beside its secret.

use std::collections::BTreeMap;

use doer_core::auth::{ApiKey, Identity, User};
use serde_json::Value;

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// Whose it is.
    pub user_id: String,
    /// Their address.
    pub email: String,
    /// `admin`, `service`, `tenant` or `user`.
    pub role: String,
    /// The tenant that the owner belongs to.
    pub tenant: Option<String>,
    /// `resource:action`, `resource:*` or `*`.
    pub permissions: Vec<String>,
    /// Milliseconds since the Unix epoch; absent means never.
    pub expires_at: Option<u64>,
}

/// A key as it is stored, without its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The first characters of its random part.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Whose it is.
    pub user_id: String,
    /// Their address.
    pub email: String,
    /// `admin`, `service`, `tenant` or `user`.
    pub role: String,
    /// The tenant that the owner belongs to.
    pub tenant: Option<String>,
    /// `resource:action`, `resource:*` or `*`.
    pub permissions: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch; absent means never.
    pub expires_at: Option<u64>,
    /// Milliseconds since the Unix epoch; absent means that it holds.
    pub revoked_at: Option<u64>,
}

impl KeyRecord {
    /// Does it open anything at `now_ms`?
    pub fn holds_at(&self, now_ms: u64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires| now_ms < expires)
    }

    /// What a request with this key has proved. Keys made on the command line have an owner that holds
    /// what the key holds.
    pub fn into_identity(self) -> Identity {
        let metadata: BTreeMap<String, Value> =
            self.tenant.map(|tenant| ("tenantId".to_owned(), Value::String(tenant))).into_iter().collect();
        Identity {
            authenticated: true,
            user: Some(User {
                id: self.user_id,
                email: self.email,
                name: None,
                role: Some(self.role),
                permissions: self.permissions.clone(),
                metadata,
            }),
            session: None,
            api_key: Some(ApiKey { id: self.id, name: self.name, permissions: self.permissions }),
        }
    }
}
