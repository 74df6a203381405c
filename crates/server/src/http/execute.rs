//! `POST /execute` and `POST /eval`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, State},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use doer_sandbox::Console;

use super::{body::JsonBody, envelope::put, error::ApiError};
use crate::{
    app::App,
    auth::{Caller, MayExecute},
    execute::{Done, ExecuteRequest, Plan, Route, finished, stream},
};

const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");

/// How the caller wants to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object at the end.
    Json,
    /// Server-sent events.
    Events,
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let events = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/event-stream"));
        let asked = parts.headers.get_all(header::ACCEPT).iter().any(events);
        Ok(if asked { Self::Events } else { Self::Json })
    }
}

/// `POST /execute`
pub async fn execute(
    app: State<Arc<App>>,
    caller: MayExecute,
    form: Form,
    body: JsonBody,
) -> Result<Response, ApiError> {
    run(&app, &caller.0, Route::Execute, form, &body).await
}

/// `POST /eval`
pub async fn eval(app: State<Arc<App>>, caller: MayExecute, form: Form, body: JsonBody) -> Result<Response, ApiError> {
    run(&app, &caller.0, Route::Eval, form, &body).await
}

/// Everything of `/execute` but the execution, for benches to compare with.
#[cfg(feature = "bench-echo")]
pub async fn echo(State(app): State<Arc<App>>, caller: MayExecute, body: JsonBody) -> Result<Response, ApiError> {
    let plan = plan(&app, &caller.0, Route::Execute, &body)?;
    Ok(axum::Json(serde_json::json!({ "success": true, "result": plan.program.size_bytes() })).into_response())
}

async fn run(app: &App, caller: &Caller, route: Route, form: Form, body: &JsonBody) -> Result<Response, ApiError> {
    app.runner.available()?;
    let plan = plan(app, caller, route, body)?;
    if let Some(done) = app.runner.cached(&plan) {
        return match form {
            Form::Json => answer(&done),
            Form::Events => Ok(finished(&done)),
        };
    }
    let flight = app.runner.begin(&plan, caller)?;
    let id = plan.id.clone();
    let result = match form {
        // Held by this future: a caller that goes away drops it, and the execution with it.
        Form::Json => app.runner.run(plan, flight, Console::Capture).await.and_then(|done| answer(&done)),
        Form::Events => Ok(stream(&app.runner, plan, flight)),
    };
    result.map(|mut response| {
        put(response.headers_mut(), EXECUTION_ID, id.as_str());
        response
    })
}

fn plan(app: &App, caller: &Caller, route: Route, body: &JsonBody) -> Result<Plan, ApiError> {
    let request = ExecuteRequest::decode(&body.0)?;
    Plan::decide(request, caller, route, &app.config.limits)
}

fn answer(done: &Done) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(&done.response()).map_err(|error| ApiError::internal(&error))?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], Body::from(body)).into_response())
}
