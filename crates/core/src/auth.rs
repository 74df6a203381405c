//! Who is asking: one context, made once per request, handed to everything that needs it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::RequestId;

/// The caller of one request, as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthContext {
    /// What the credentials proved.
    pub auth: Identity,
    /// The server's own id of the request; a caller's `X-Request-ID` never stands here.
    pub request_id: RequestId,
    /// Milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// About the connection: `userAgent`, `ip` and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
}

/// What credentials proved; nothing of it is taken from anywhere else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Did valid credentials come with the request?
    pub authenticated: bool,
    /// Whose credentials they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The session, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The API key, where one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
}

/// A user of the platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Unique and never used again.
    pub id: String,
    /// Address.
    pub email: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `admin`, `service`, `tenant`, `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `resource:action`, `resource:*` or `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// Among it `tenantId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
}

/// A sign-in that lasts for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Milliseconds since the Unix epoch.
    pub expires_at: u64,
}

/// The key that a request came with; its secret is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it allows, at most.
    pub permissions: Vec<String>,
}

impl AuthContext {
    /// The context of a caller without credentials.
    pub fn anonymous(request_id: RequestId, timestamp: u64) -> Self {
        Self { auth: Identity::default(), request_id, timestamp, metadata: BTreeMap::new() }
    }

    /// The user's `metadata.tenantId`.
    pub fn tenant_id(&self) -> Option<&str> {
        self.auth.user.as_ref()?.metadata.get("tenantId")?.as_str().filter(|id| !id.is_empty())
    }

    /// Does the caller hold `permission`? A key holds what its own list and its owner's both hold.
    pub fn holds(&self, permission: &str) -> bool {
        let Some(user) = &self.auth.user else { return false };
        let owner = matches!(user.role.as_deref(), Some("admin")) || grants(&user.permissions, permission);
        match &self.auth.api_key {
            Some(key) => owner && grants(&key.permissions, permission),
            None => owner,
        }
    }

    /// What the caller holds, as a list: [`grants`] says of it what [`AuthContext::holds`] says.
    pub fn permissions(&self) -> Vec<String> {
        let Some(user) = &self.auth.user else { return Vec::new() };
        let own =
            if matches!(user.role.as_deref(), Some("admin")) { vec!["*".to_owned()] } else { user.permissions.clone() };
        let Some(key) = &self.auth.api_key else { return own };
        // Of two lists, what each has that the other grants.
        let both = key.permissions.iter().filter(|held| grants(&own, held));
        let rest = own.iter().filter(|held| grants(&key.permissions, held) && !key.permissions.contains(held));
        both.chain(rest).cloned().collect()
    }
}

/// Does a list with `*` and `resource:*` in it grant `permission`?
pub fn grants(held: &[String], permission: &str) -> bool {
    held.iter().any(|held| {
        held == "*"
            || held == permission
            || held
                .strip_suffix('*')
                .is_some_and(|resource| resource.ends_with(':') && permission.starts_with(resource))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn wildcards_cover_a_resource_and_nothing_beside_it() {
        assert!(grants(&list(&["*"]), "execute"));
        assert!(grants(&list(&["rpc:*"]), "rpc:db"));
        assert!(!grants(&list(&["rpc:*"]), "rpcx:db"));
        assert!(!grants(&list(&["rp*"]), "rpc:db"));
        assert!(!grants(&list(&[]), "execute"));
    }

    #[test]
    fn the_list_of_what_is_held_says_what_is_held() {
        let lists: [&[&str]; 6] =
            [&[], &["*"], &["rpc:*"], &["rpc:db", "execute"], &["rpc:db"], &["rpc:queue", "rpc:*"]];
        let keys: Vec<Option<&[&str]>> = lists.into_iter().map(Some).chain([None]).collect();
        for (role, own) in lists.iter().flat_map(|own| [("admin", own), ("user", own)]) {
            for key in &keys {
                let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
                context.auth.user = Some(User {
                    id: "u".to_owned(),
                    email: String::new(),
                    name: None,
                    role: Some(role.to_owned()),
                    permissions: list(own),
                    metadata: BTreeMap::new(),
                });
                context.auth.api_key =
                    key.map(|held| ApiKey { id: "k".to_owned(), name: "k".to_owned(), permissions: list(held) });
                for permission in ["*", "rpc:*", "rpc:db", "rpc:queue", "execute", "other"] {
                    let said = grants(&context.permissions(), permission);
                    assert_eq!(said, context.holds(permission), "{role} {own:?} {key:?} {permission}");
                }
            }
        }
    }
}
