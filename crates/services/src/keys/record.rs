//! What is known of a key beside its secret.

use std::collections::BTreeMap;

use doer_core::{
    auth::{ApiKey, AuthContext, Identity, User},
    id::RequestId,
    service::auth::ApiKeyInfo,
    tier::Namespace,
};
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
    /// Where it was made.
    pub namespace: String,
    /// Is its owner a stored user? Then it opens what that user may do at present; else what stands here.
    pub local: bool,
}

impl KeyRecord {
    /// Does it open anything at `now_ms`?
    pub fn holds_at(&self, now_ms: u64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires| now_ms < expires)
    }

    /// What a request with this key has proved, where its owner is nothing but what stands here: one made on the
    /// command line, which holds what the key holds.
    pub fn into_identity(self) -> Identity {
        let owner = owner(&self.user_id, &self.email, &self.role, self.tenant.as_deref(), &self.permissions);
        self.of(owner)
    }

    /// What a request with this key has proved, where its owner is `user`.
    pub fn of(self, user: User) -> Identity {
        let api_key = ApiKey { id: self.id, name: self.name, permissions: self.permissions };
        Identity { authenticated: true, user: Some(user), session: None, api_key: Some(api_key) }
    }

    /// The same without what is of no use to callers.
    pub fn into_info(self) -> ApiKeyInfo {
        ApiKeyInfo {
            id: self.id,
            name: self.name,
            user_id: self.user_id,
            permissions: self.permissions,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

impl NewKey {
    /// The namespace that its owner works in.
    pub fn namespace(&self) -> Namespace {
        let owner = owner(&self.user_id, &self.email, &self.role, self.tenant.as_deref(), &self.permissions);
        let mut context = AuthContext::anonymous(RequestId::from_text(""), 0);
        context.auth.authenticated = true;
        context.auth.user = Some(owner);
        Namespace::of(&context)
    }
}

fn owner(id: &str, email: &str, role: &str, tenant: Option<&str>, permissions: &[String]) -> User {
    let metadata: BTreeMap<String, Value> =
        tenant.map(|tenant| ("tenantId".to_owned(), Value::from(tenant))).into_iter().collect();
    User {
        id: id.to_owned(),
        email: email.to_owned(),
        name: None,
        role: Some(role.to_owned()),
        permissions: permissions.to_vec(),
        metadata,
    }
}
