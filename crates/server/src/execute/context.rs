//! `ctx` as guests see it; the guest adds `waitUntil` and `exports` itself.

use doer_core::{auth::User, tier::Namespace};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{auth::Caller, http::error::ApiError};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    props: Option<&'a RawValue>,
    user: Option<&'a User>,
    namespace: &'a Namespace,
    authenticated: bool,
    request_id: &'a str,
}

/// The JSON object for a caller's code.
///
/// # Errors
/// `internal`; only where a context cannot be written as JSON, which none is known to do.
pub fn guest_context(caller: &Caller, props: Option<&RawValue>) -> Result<Box<RawValue>, ApiError> {
    // As far as the credentials go: an API key may hold less than its owner.
    let permissions = caller.context.permissions();
    let user = caller.context.auth.user.as_ref().map(|user| User { permissions, ..user.clone() });
    let context = Context {
        // As in a worker without props: an empty object, so that reading one is not an error.
        props: Some(props.unwrap_or(empty()?)),
        user: user.as_ref(),
        namespace: &caller.namespace,
        authenticated: caller.context.auth.authenticated,
        request_id: caller.request_id(),
    };
    to_raw_value(&context).map_err(|error| ApiError::internal(&error))
}

/// The JSON object for code that somebody reaches who is nobody that doer knows: code runs for its namespace then.
///
/// # Errors
/// As [`guest_context`].
pub fn visitor_context(caller: &Caller) -> Result<Box<RawValue>, ApiError> {
    let context = Context {
        props: Some(empty()?),
        user: None,
        namespace: &caller.namespace,
        authenticated: false,
        request_id: caller.request_id(),
    };
    to_raw_value(&context).map_err(|error| ApiError::internal(&error))
}

fn empty() -> Result<&'static RawValue, ApiError> {
    serde_json::from_str("{}").map_err(|error| ApiError::internal(&error))
}
