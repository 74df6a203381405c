//! Credentials in, context out. Credentials that do not verify are refused, never taken as none.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    time::Clock,
};
use doer_services::auth::Authority;
use serde_json::Value;

use super::{
    credentials::{Credentials, find},
    origin, text,
};
use crate::http::{
    envelope::{Peer, client_id},
    error::{ApiError, ErrorCode},
};

/// The caller's own id of its request, among the metadata.
pub const CLIENT_REQUEST_ID: &str = "clientRequestId";
/// Where the request belongs in the caller's trace, among the metadata; forwarded calls carry it on.
const TRACEPARENT: &str = "traceparent";

/// Finds out who is asking.
pub struct Authenticator {
    /// Who knows users, keys and sessions.
    pub authority: Arc<Authority>,
    /// The time of requests.
    pub clock: Arc<dyn Clock>,
    /// Development mode: callers without credentials are admins.
    pub dev: bool,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("dev", &self.dev).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// The context of a request.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthenticated`] for credentials that do not verify; [`ErrorCode::Forbidden`] where a cookie came
    /// with a request from another origin, or the caller's tenant is suspended.
    pub async fn context(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: Option<Peer>,
        id: RequestId,
    ) -> Result<AuthContext, ApiError> {
        let mut context = AuthContext::anonymous(id, self.clock.now_ms());
        context.auth = match find(headers) {
            Some(Credentials::Key(key)) => self.verify(key).await?,
            Some(Credentials::Session(token)) => {
                origin::check(method, headers)?;
                self.verify(token).await?
            }
            Some(Credentials::Malformed) => return Err(unauthenticated()),
            None if self.dev => developer(),
            None => Identity::default(),
        };
        if let Some(agent) = text(headers, "user-agent") {
            context.metadata.insert("userAgent".to_owned(), Value::from(agent));
        }
        if let Some(Ok(client_id)) = client_id(headers).map(|id| id.to_str()) {
            context.metadata.insert(CLIENT_REQUEST_ID.to_owned(), Value::from(client_id));
        }
        if let Some(trace) = text(headers, TRACEPARENT).filter(|trace| is_traceparent(trace)) {
            context.metadata.insert(TRACEPARENT.to_owned(), Value::from(trace));
        }
        if let Some(Peer(address)) = peer {
            context.metadata.insert("ip".to_owned(), Value::from(address.ip().to_canonical().to_string()));
        }
        Ok(context)
    }

    async fn verify(&self, token: &str) -> Result<Identity, ApiError> {
        self.authority.verify(token).await?.ok_or_else(unauthenticated)
    }
}

/// As W3C Trace Context has it: version, trace, span and flags in hexadecimal.
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// The built-in admin of development mode and of the command line.
pub fn developer() -> Identity {
    Identity {
        authenticated: true,
        user: Some(User {
            id: "dev".to_owned(),
            email: "dev@localhost".to_owned(),
            name: None,
            role: Some("admin".to_owned()),
            permissions: vec!["*".to_owned()],
            metadata: Default::default(),
        }),
        session: None,
        api_key: None,
    }
}

/// Credentials prove nothing.
pub fn unauthenticated() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "Invalid credentials")
}

#[cfg(test)]
mod tests {
    use doer_core::{
        tier::{Namespace, Tier},
        time::SystemClock,
    };
    use doer_services::{auth::Settings, keys::NewKey};

    use super::*;

    fn authenticator(dir: &tempfile::TempDir, dev: bool) -> Authenticator {
        let clock = Arc::new(SystemClock);
        let authority = Authority::open(&dir.path().join("auth.db"), b"key", clock.clone(), Settings::default());
        Authenticator { authority: authority.unwrap(), clock, dev }
    }

    async fn ask(authenticator: &Authenticator, name: &'static str, value: &str) -> Result<AuthContext, ApiError> {
        let mut headers = HeaderMap::new();
        if !name.is_empty() {
            headers.insert(name, value.parse().unwrap());
        }
        authenticator.context(&Method::GET, &headers, None, RequestId::from_text("req_1")).await
    }

    #[tokio::test]
    async fn invalid_credentials_are_never_anonymous() {
        let dir = tempfile::tempdir().unwrap();
        for dev in [false, true] {
            let authenticator = authenticator(&dir, dev);
            for (name, value) in [("authorization", "Bearer x"), ("x-api-key", ""), ("cookie", "session=a")] {
                let code = ask(&authenticator, name, value).await.unwrap_err().code;
                assert_eq!(code, ErrorCode::Unauthenticated, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn a_key_gives_its_owners_tier_and_namespace() {
        let dir = tempfile::tempdir().unwrap();
        let authenticator = authenticator(&dir, false);
        let key = NewKey {
            name: "ci".to_owned(),
            user_id: "usr_1".to_owned(),
            email: "ada@example.com".to_owned(),
            role: "tenant".to_owned(),
            tenant: Some("acme".to_owned()),
            permissions: vec!["execute".to_owned()],
            expires_at: None,
        };
        let (_, secret) = authenticator.authority.keys().create(key, 0).unwrap();
        for (name, value) in
            [("authorization", format!("Bearer {}", secret.reveal())), ("x-api-key", secret.reveal().to_owned())]
        {
            let context = ask(&authenticator, name, &value).await.unwrap();
            assert_eq!(Tier::of(&context), Tier::Tenant);
            assert_eq!(Namespace::of(&context).as_str(), "tenant:acme");
            assert!(context.holds("execute") && !context.holds("admin"));
        }
    }

    #[tokio::test]
    async fn without_credentials_only_development_mode_knows_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let anonymous = ask(&authenticator(&dir, false), "", "").await.unwrap();
        assert_eq!((anonymous.auth.authenticated, Namespace::of(&anonymous).as_str()), (false, "session:req_1"));
        let developer = ask(&authenticator(&dir, true), "", "").await.unwrap();
        assert_eq!(Tier::of(&developer), Tier::Internal);
    }

    #[test]
    fn a_trace_is_taken_only_in_its_form() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for other in ["", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-1-2-3", "a\r\nb"] {
            assert!(!is_traceparent(other), "{other}");
        }
    }
}
