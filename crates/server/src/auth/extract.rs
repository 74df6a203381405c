//! Callers as axum extractors: authorisation is a value that a handler holds.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use doer_core::{id::RequestId, tier::Tier};

use super::Caller;
use crate::{
    app::App,
    http::{
        envelope::Peer,
        error::{ApiError, ErrorCode},
    },
};

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
        let peer = parts.extensions.get::<Peer>().copied();
        let caller = Self::new(app.authenticator.context(&parts.method, &parts.headers, peer, id).await?);
        Ok(caller)
    }
}

/// A caller that may run code.
#[derive(Debug, Clone)]
pub struct MayExecute(pub Caller);

impl MayExecute {
    /// Checks tier and permission.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`].
    pub fn check(caller: Caller, public_execution: bool) -> Result<Self, ApiError> {
        let forbidden = |message: &'static str| ApiError::new(ErrorCode::Forbidden, message);
        let by_tier = caller.tier.executes_arbitrary_code() || (caller.tier == Tier::Public && public_execution);
        if !by_tier {
            return Err(forbidden("Code execution not available on your plan. Upgrade to execute custom code."));
        }
        caller.require("execute")?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for MayExecute {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Self::check(Caller::from_request_parts(parts, app).await?, app.config.auth.anonymous_execution)
    }
}

#[cfg(test)]
mod tests {
    use doer_core::auth::{ApiKey, AuthContext, Identity, User};

    use super::*;

    fn caller(role: Option<&str>, permissions: &[&str], key: Option<&[&str]>) -> Caller {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
        if let Some(role) = role {
            context.auth = Identity {
                authenticated: true,
                user: Some(User {
                    id: "u".to_owned(),
                    email: "u@example.com".to_owned(),
                    name: None,
                    role: Some(role.to_owned()),
                    permissions: owned(permissions),
                    metadata: Default::default(),
                }),
                session: None,
                api_key: key.map(|list| ApiKey { id: "k".to_owned(), name: "k".to_owned(), permissions: owned(list) }),
            };
        }
        Caller::new(context)
    }

    fn may(caller: Caller, public_execution: bool) -> bool {
        MayExecute::check(caller, public_execution).is_ok()
    }

    #[test]
    fn tier_and_permission_both_count() {
        assert!(may(caller(Some("admin"), &[], None), false));
        assert!(may(caller(Some("tenant"), &["execute"], Some(&["execute"])), false));
        assert!(!may(caller(Some("tenant"), &["execute"], Some(&["rpc:*"])), false), "the key's list");
        assert!(!may(caller(Some("tenant"), &["rpc:*"], Some(&["*"])), false), "its owner's list");
        assert!(!may(caller(Some("admin"), &["*"], Some(&["rpc:db"])), false), "an admin's lesser key");
        assert!(!may(caller(Some("user"), &["execute"], None), false), "the tier");
    }

    #[test]
    fn the_public_tier_runs_code_only_where_configured() {
        assert!(!may(caller(None, &[], None), false));
        assert!(may(caller(None, &[], None), true));
        assert!(may(caller(Some("user"), &["execute"], None), true), "signing in takes nothing away");
    }
}
