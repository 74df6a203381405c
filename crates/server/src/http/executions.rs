//! `GET` and `DELETE /executions/{id}`: what became of an execution, and its end.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use doer_core::id::ExecutionId;
use serde_json::{Value, json};

use super::error::{ApiError, ErrorCode};
use crate::{
    app::App,
    auth::{Caller, MayExecute},
    execute::{UsageBody, ms},
    executions::{Key, State as Execution},
};

/// The `{id}` of the path. A path that is not UTF-8 is refused like anything else.
pub struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// `GET /executions/{id}`
pub async fn get(app: State<Arc<App>>, caller: MayExecute, Id(id): Id) -> Result<Response, ApiError> {
    let state = app.runner.executions.get(&key(&caller.0, &id)).ok_or_else(|| not_found(&id))?;
    Ok(Json(told(&id, &state)).into_response())
}

/// `DELETE /executions/{id}`: cancels it; one that has ended already stays as it ended.
pub async fn delete(app: State<Arc<App>>, caller: MayExecute, Id(id): Id) -> Result<Response, ApiError> {
    let state = app.runner.executions.cancel(&key(&caller.0, &id)).ok_or_else(|| not_found(&id))?;
    let mut body = told(&id, &state);
    if let (Execution::Running { .. }, Value::Object(fields)) = (&state, &mut body) {
        fields.insert("state".to_owned(), "cancelling".into());
    }
    Ok(Json(body).into_response())
}

fn key(caller: &Caller, id: &str) -> Key {
    (caller.namespace.clone(), ExecutionId::from_text(id))
}

fn told(id: &str, state: &Execution) -> Value {
    match state {
        Execution::Running { started_at, .. } => json!({
            "success": true, "executionId": id, "state": "running", "startedAt": epoch_ms(*started_at),
        }),
        Execution::Finished(receipt) => json!({
            "success": true, "executionId": id, "state": "finished", "startedAt": epoch_ms(receipt.started_at),
            "outcome": receipt.verdict.name(), "executionTime": ms(receipt.usage.wall),
            "usage": UsageBody(&receipt.usage),
        }),
    }
}

fn epoch_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("Execution {id} not found"))
}
