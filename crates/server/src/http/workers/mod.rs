//! `/workers`: code under an id, and calls of it.

mod call;
mod conditions;
mod fetch;
pub(super) mod headers;
mod manage;
mod put;
mod tail;

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{Uri, request::Parts},
};
use doer_core::{fault::Termination, id::WorkerId};
use doer_sandbox::GuestError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ApiError, ErrorCode, Place};

pub use call::call;
pub use fetch::{fetch, respond};
pub use manage::{delete, get, list, rollback};
pub use put::put;
pub use tail::tail;

/// The `{id}` of the path; other parts of it are left to whoever needs them.
pub struct Id(pub WorkerId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        #[derive(serde::Deserialize)]
        struct OfPath {
            id: String,
        }
        let Path(OfPath { id }) = Path::<OfPath>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        WorkerId::parse(&id).map(Self).map_err(|error| ApiError::invalid(format_args!("id: {error}")))
    }
}

/// The query of a URL, all of whose parameters are known.
fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let query = Query::<T>::try_from_uri(uri);
    query.map(|Query(query)| query).map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

/// A request, as a tail tells it: what comes after a `?` may be a secret.
pub fn asked(method: &str, url: &str) -> Value {
    let url = url.split('?').next().unwrap_or_default();
    json!({ "kind": "fetch", "method": method, "url": url })
}

fn not_found(id: &WorkerId) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("Worker {id} not found"))
}

/// A worker's failure, told to those who may see its code.
fn failure(error: GuestError) -> ApiError {
    let code = error.code.map_or(ErrorCode::GuestError, ErrorCode::from);
    told(code, error)
}

/// Code that cannot be loaded. What was not its own doing is no verdict on it.
fn unloadable(error: GuestError) -> ApiError {
    match error.code {
        Some(Termination::Timeout | Termination::Cancelled) => {
            ApiError::new(ErrorCode::Overloaded, "The code could not be loaded in time, try again")
        }
        Some(_) | None => told(ErrorCode::InvalidCode, error),
    }
}

fn told(code: ErrorCode, error: GuestError) -> ApiError {
    let GuestError { name, message, stack, line, column, .. } = error;
    let message = if name.is_empty() { message } else { format!("{name}: {message}") };
    ApiError::new(code, message).at(Place { path: None, line, column, stack })
}
