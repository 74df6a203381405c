//! `POST /webhooks/{provider}/{endpoint}`: events of providers. What makes one believable is its signature, not
//! credentials of ours.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::request::Parts,
};
use doer_services::webhooks::Refused;
use serde_json::{Value, json};

use super::{
    body::JsonBody,
    envelope::Peer,
    error::{ApiError, ErrorCode},
};
use crate::app::App;

/// Provider and endpoint out of the path.
pub struct Source {
    provider: String,
    endpoint: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((provider, endpoint))) => Ok(Self { provider, endpoint }),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// Takes an event; one that came before is taken again without a trace.
pub async fn receive(State(app): State<Arc<App>>, source: Source, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    let max_bytes = app.config.services.webhooks.max_event_bytes;
    let JsonBody { bytes, held: _held } = app.intake.read_any(body, max_bytes).await?;
    let text = |value: &axum::http::HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    let headers: Vec<(String, String)> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let ip = parts.extensions.get::<Peer>().map(|Peer(address)| address.ip().to_string());
    let received = app
        .platform
        .webhooks
        .receive(&source.provider, &source.endpoint, &headers, bytes.into(), ip.as_deref())
        .await
        .map_err(refusal)?;
    Ok(Json(json!({ "success": true, "id": received.id, "duplicate": received.duplicate })))
}

fn refusal(refused: Refused) -> ApiError {
    let code = match &refused {
        Refused::Unverified => ErrorCode::Unauthenticated,
        Refused::TooLarge { .. } => ErrorCode::BodyTooLarge,
        Refused::Full(_) => ErrorCode::RateLimit,
        Refused::Suspended => ErrorCode::Forbidden,
        // The service has logged why.
        Refused::Failed(_) => ErrorCode::Internal,
    };
    ApiError::new(code, refused.to_string())
}
