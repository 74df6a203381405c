//! What is registered: told, set back, removed.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use doer_core::id::WorkerId;
use doer_services::workers::{Expected, WorkerInfo, Written};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    Id,
    conditions::{etag, expected},
    not_found, query,
};
use crate::{
    app::App,
    auth::Caller,
    http::{
        body::{JsonBody, UnreadBody, object},
        error::{ApiError, ErrorCode},
    },
};

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;
const MAX_BODY_BYTES: usize = 4 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u32>,
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(default)]
    code: bool,
    version: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `GET /workers`
pub async fn list(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Result<Json<Value>, ApiError> {
    caller.require("workers:read")?;
    let Page { limit, offset } = query(&uri)?;
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format_args!("limit: must be 1 to {MAX_PAGE}")));
    }
    let page = app.platform.workers.store.list(&caller.namespace, limit, offset).await?;
    Ok(Json(json!({ "success": true, "data": page.data, "pagination": page.pagination })))
}

/// `GET /workers/{id}`
pub async fn get(State(app): State<Arc<App>>, caller: Caller, Id(id): Id, uri: Uri) -> Result<Response, ApiError> {
    caller.require("workers:read")?;
    let Detail { code, version } = query(&uri)?;
    if version.is_some() && !code {
        return Err(ApiError::invalid("version: belongs to ?code=true"));
    }
    let store = &app.platform.workers.store;
    let info = store.get(&caller.namespace, &id).await?.ok_or_else(|| not_found(&id))?;
    let versions = store.versions(&caller.namespace, &id).await?;
    let mut told = told(&info)?;
    told["versions"] = serde_json::to_value(versions).map_err(|error| ApiError::internal(&error))?;
    let tag = etag(&info.hash).map(|tag| [tag]);
    if !code {
        return Ok((tag, Json(told)).into_response());
    }
    let stored = store.code(&caller.namespace, &id, version).await?.ok_or_else(|| no_version(&id))?;
    let code = RawValue::from_string(stored.json).map_err(|error| ApiError::internal(&error))?;
    Ok((tag, Json(WithCode { worker: told, code })).into_response())
}

#[derive(Serialize)]
struct WithCode {
    #[serde(flatten)]
    worker: Value,
    code: Box<RawValue>,
}

/// `DELETE /workers/{id}`
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    caller.require("workers:write")?;
    let Nothing {} = query(&uri)?;
    let expected = expected(&headers, false, Expected::Anything)?;
    let done = app.platform.workers.delete(&caller.namespace, &id, expected).await?;
    written(&id, done).map(|_| StatusCode::NO_CONTENT)
}

/// `POST /workers/{id}/rollback`
pub async fn rollback(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    uri: Uri,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    caller.require("workers:write")?;
    let Nothing {} = query(&uri)?;
    let expected = expected(&headers, false, Expected::Anything)?;
    let JsonBody { bytes, held: _held } = app.intake.read(body, MAX_BODY_BYTES).await?;
    let Rollback { version } = match bytes.trim_ascii() {
        [] => Rollback::default(),
        text => object(text)?,
    };
    let done = app.platform.workers.rollback(&caller.namespace, &id, version, expected).await?;
    let info = written(&id, done)?;
    Ok((etag(&info.hash).map(|tag| [tag]), Json(told(&info)?)).into_response())
}

/// The worker that was written, or why it was not.
pub fn written(id: &WorkerId, written: Written) -> Result<WorkerInfo, ApiError> {
    match written {
        Written::Created(info) | Written::Replaced(info) | Written::Unchanged(info) => Ok(info),
        Written::Other(hash) => Err(ApiError::new(
            ErrorCode::Conflict,
            format!("Worker {id} exists with other code: send If-Match: \"{hash}\", or ?replace=true"),
        )),
        Written::Unexpected => {
            Err(ApiError::new(ErrorCode::PreconditionFailed, format!("Worker {id} is not what If-Match says")))
        }
        Written::NoWorker => Err(not_found(id)),
        Written::NoVersion => Err(no_version(id)),
    }
}

/// A worker, as it is told.
pub fn told(info: &WorkerInfo) -> Result<Value, ApiError> {
    let mut told = serde_json::to_value(info).map_err(|error| ApiError::internal(&error))?;
    told["success"] = true.into();
    Ok(told)
}

fn no_version(id: &WorkerId) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("Worker {id} has no such version, or not any more"))
}
