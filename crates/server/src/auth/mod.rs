//! Who is asking, and what they may do.

mod authenticator;
pub mod credentials;
mod extract;
pub mod origin;

use std::{ops::Deref, sync::Arc};

use axum::http::HeaderMap;
use doer_core::{auth::AuthContext, scope::Scope};

use crate::http::error::{ApiError, ErrorCode};

pub use authenticator::{Authenticator, developer, unauthenticated};
pub use extract::MayExecute;

/// A caller: the scope that everything it asks for is done in. An extractor: a handler that takes one cannot forget
/// to ask.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Scope>);

impl Deref for Caller {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.0
    }
}

impl From<Scope> for Caller {
    fn from(scope: Scope) -> Self {
        Self(Arc::new(scope))
    }
}

impl Caller {
    /// Works out what follows from a context.
    pub fn new(context: AuthContext) -> Self {
        Self(Arc::new(Scope::of(context)))
    }

    /// The scope to keep.
    pub const fn scope(&self) -> &Arc<Scope> {
        &self.0
    }

    /// The caller's own id of the request, for logs only.
    pub fn client_request_id(&self) -> Option<&str> {
        self.context.metadata.get(authenticator::CLIENT_REQUEST_ID)?.as_str()
    }

    /// Refuses a caller with credentials that do not hold `permission`. Without credentials there is no list to look
    /// into: the tier decides.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`].
    pub fn require(&self, permission: &str) -> Result<(), ApiError> {
        if self.context.auth.authenticated && !self.context.holds(permission) {
            return Err(ApiError::new(ErrorCode::Forbidden, format!("Permission required: {permission}")));
        }
        Ok(())
    }

    /// Whom rates and concurrency are counted for: the namespace, or the address of a caller without credentials,
    /// whose namespace is new for each request.
    pub fn counted_as(&self) -> String {
        if self.context.auth.authenticated {
            return self.namespace.as_str().to_owned();
        }
        let address = self.context.metadata.get("ip").and_then(|ip| ip.as_str()).and_then(|ip| ip.parse().ok());
        match address {
            // Whoever has one address of IPv6 has a whole network of them.
            Some(std::net::IpAddr::V6(ip)) => format!("address:{:x?}", &ip.segments()[..4]),
            Some(std::net::IpAddr::V4(ip)) => format!("address:{ip}"),
            None => "address:unknown".to_owned(),
        }
    }
}

/// A header's value, where it is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use doer_core::id::RequestId;
    use serde_json::Value;

    use super::*;

    #[test]
    fn callers_without_credentials_are_counted_by_their_network() {
        let counted = |ip: &str| {
            let mut context = AuthContext::anonymous(RequestId::generate(), 0);
            context.metadata.insert("ip".to_owned(), Value::from(ip));
            Caller::new(context).counted_as()
        };
        assert_eq!(counted("192.0.2.7"), "address:192.0.2.7");
        assert_eq!(counted("2001:db8:1:2:3::4"), counted("2001:db8:1:2:ffff::1"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
    }
}
