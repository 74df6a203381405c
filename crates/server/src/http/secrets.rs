//! `/secrets`: values of a namespace that code can use and nobody can read.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::{JsonBody, UnreadBody, object},
    error::{ApiError, ErrorCode},
};
use crate::{app::App, auth::Caller};

/// A value and what JSON adds to it.
const MAX_BODY_BYTES: usize = 512 << 10;

/// The `{name}` of the path.
pub struct Name(String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewValue {
    value: String,
}

/// `PUT /secrets/{name}`
pub async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    body: UnreadBody,
) -> Result<StatusCode, ApiError> {
    caller.require("secrets:write")?;
    let JsonBody { bytes, held: _held } = app.intake.read(body, MAX_BODY_BYTES).await?;
    let NewValue { value } = object(&bytes)?;
    app.platform.secrets.put(caller.scope(), &name, &value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /secrets/{name}`
pub async fn delete(State(app): State<Arc<App>>, caller: Caller, Name(name): Name) -> Result<StatusCode, ApiError> {
    caller.require("secrets:write")?;
    if app.platform.secrets.delete(&caller.namespace, &name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(ErrorCode::NotFound, format!("Secret {name} not found")))
}

/// `GET /secrets`: names, and nothing of their values.
pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.require("secrets:read")?;
    let secrets = app.platform.secrets.list(&caller.namespace).await?;
    Ok(Json(json!({ "success": true, "secrets": secrets })))
}
