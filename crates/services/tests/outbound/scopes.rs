//! Callers.

use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    scope::Scope,
    tier::Namespace,
};

/// A signed-in caller with a role, in a tenant.
pub fn scope(role: &str, tenant: &str) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = Identity {
        authenticated: true,
        user: Some(User {
            id: "u1".to_owned(),
            email: "someone@example.com".to_owned(),
            name: None,
            role: Some(role.to_owned()),
            permissions: vec!["db:read".to_owned(), "db:write".to_owned()],
            metadata: [("tenantId".to_owned(), tenant.into())].into(),
        }),
        session: None,
        api_key: None,
    };
    Scope::of(context)
}

/// An administrator.
pub fn admin() -> Scope {
    scope("admin", "none")
}

/// An administrator, working in a tenant's namespace.
pub fn admin_in(namespace: &str) -> Scope {
    admin().within(Namespace::parse(namespace).unwrap())
}
