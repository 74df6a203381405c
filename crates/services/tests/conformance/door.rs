//! A backend as a door: called as the server would call it, with nothing in between.

use async_trait::async_trait;
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    scope::Scope,
    service::{Arguments, Backend, Method},
    tier::Namespace,
};
use serde_json::{Map, Value, value::to_raw_value};

use crate::scenarios::{Answer, Door};

/// Calls a backend as an internal caller that works in the scenario's namespace.
pub struct Direct<'a>(pub &'a dyn Backend);

#[async_trait]
impl Door for Direct<'_> {
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer {
        let told = |error: doer_core::service::ServiceError| (error.code.name().to_owned(), error.message.into_owned());
        let arguments = Arguments::decode(method, Some(&to_raw_value(params).unwrap())).map_err(told)?;
        let scope = scope("admin", None).within(Namespace::parse(namespace).unwrap());
        let result = self.0.call(&scope, method, arguments).await.map_err(told)?;
        Ok(serde_json::from_str(result.get()).unwrap())
    }
}

/// A signed-in caller with a role, and with a tenant.
pub fn scope(role: &str, tenant: Option<&str>) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = Identity {
        authenticated: true,
        user: Some(User {
            id: format!("{role}-{}", tenant.unwrap_or("none")),
            email: format!("{role}@example.com"),
            name: None,
            role: Some(role.to_owned()),
            permissions: vec!["*".to_owned()],
            metadata: tenant.map(|id| ("tenantId".to_owned(), Value::from(id))).into_iter().collect(),
        }),
        session: None,
        api_key: None,
    };
    Scope::of(context)
}
