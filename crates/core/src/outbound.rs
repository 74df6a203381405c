//! Requests to the outside, and the policy that stands before them.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{scope::Scope, service::ServiceError};

/// A request that somebody wants sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// In upper case.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names in lower case; values are Latin-1 text.
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<Bytes>,
    /// What becomes of redirects.
    pub redirect: Redirect,
}

/// What becomes of redirects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Followed, 20 at most; the policy holds for each.
    #[default]
    Follow,
    /// Given back.
    Manual,
    /// An error.
    Error,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// The whole body, decompressed.
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: String,
    /// Was there a redirect?
    pub redirected: bool,
}

/// Sends requests under a policy.
#[async_trait]
pub trait Egress: Send + Sync + 'static {
    /// Sends a request on behalf of `scope`. A body of more than `max_body_bytes` is an error.
    ///
    /// # Errors
    /// `forbidden` where the policy does not allow it, naming the policy; `invalid_request`; `upstream_error`; `timeout`.
    async fn send(
        &self,
        scope: &Scope,
        request: HttpRequest,
        max_body_bytes: u64,
    ) -> Result<HttpResponse, ServiceError>;
}

/// Nothing may leave.
#[derive(Debug, Clone, Copy)]
pub struct NoEgress;

#[async_trait]
impl Egress for NoEgress {
    async fn send(&self, _: &Scope, _: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        Err(ServiceError::forbidden("fetch is not permitted: no egress policy allows network access here"))
    }
}
