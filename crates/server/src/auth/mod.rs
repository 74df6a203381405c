//! Who is asking, and what they may do.

mod authenticator;
mod credentials;
mod extract;

use axum::http::HeaderMap;
use doer_core::{
    auth::AuthContext,
    tier::{Namespace, Tier},
};

pub use authenticator::{Authenticator, developer};
pub use extract::MayExecute;

/// A caller, with what follows from who it is. An extractor: a handler that takes one cannot forget to ask.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What the credentials proved.
    pub context: AuthContext,
    /// How far it is trusted.
    pub tier: Tier,
    /// What is its own.
    pub namespace: Namespace,
}

impl Caller {
    /// Works out what follows from a context.
    pub fn new(context: AuthContext) -> Self {
        Self { tier: Tier::of(&context), namespace: Namespace::of(&context), context }
    }

    /// The id of the request, as text.
    pub fn request_id(&self) -> &str {
        self.context.request_id.as_str()
    }

    /// The caller's own id of the request, for logs only.
    pub fn client_request_id(&self) -> Option<&str> {
        self.context.metadata.get(authenticator::CLIENT_REQUEST_ID)?.as_str()
    }
}

/// A header's value, where it is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
