//! `POST /execute` and `POST /eval`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, State},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use doer_sandbox::Console;

use super::{
    body::{JsonBody, UnreadBody},
    envelope::put,
    error::ApiError,
};
use crate::{
    admission::Counted,
    app::App,
    auth::{Caller, MayExecute},
    budget::Held,
    execute::{Done, ExecuteRequest, Plan, Route, finished, stream},
};

/// Of a body: for input, props and the names of things.
const BESIDE_CODE: u64 = 2 << 20;
/// On every answer that ran code.
pub const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");

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
        let texts = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let asked = texts.flat_map(|text| text.split(',')).any(asks_for_events);
        Ok(if asked { Self::Events } else { Self::Json })
    }
}

/// Is this one of the ranges in `Accept` event streams, by name, and not with `q=0`, which is a no?
fn asks_for_events(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"));
    named && !parts.any(is_no)
}

fn is_no(parameter: &str) -> bool {
    let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.and_then(|(_, weight)| weight.trim().parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
}

/// `POST /execute`
pub async fn execute(
    app: State<Arc<App>>,
    caller: MayExecute,
    form: Form,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    run(&app, &caller.0, Route::Execute, form, body).await
}

/// `POST /eval`
pub async fn eval(
    app: State<Arc<App>>,
    caller: MayExecute,
    form: Form,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    run(&app, &caller.0, Route::Eval, form, body).await
}

/// Everything of `/execute` but the execution, for benches to compare with.
#[cfg(feature = "bench-echo")]
pub async fn echo(State(app): State<Arc<App>>, caller: MayExecute, body: UnreadBody) -> Result<Response, ApiError> {
    let (plan, _held) = plan(&app, &caller.0, Route::Execute, body).await?;
    Ok(axum::Json(serde_json::json!({ "success": true, "result": plan.program.size_bytes() })).into_response())
}

async fn run(app: &App, caller: &Caller, route: Route, form: Form, body: UnreadBody) -> Result<Response, ApiError> {
    app.runner.available()?;
    let (plan, held) = plan(app, caller, route, body).await?;
    app.runner.admission.count(caller, &plan.rates, Counted::Execution)?;
    if let Some(done) = app.runner.cached(&plan) {
        return match form {
            Form::Json => answer(&done),
            Form::Events => Ok(finished(&done)),
        };
    }
    let flight = app.runner.begin(&plan, caller, held)?;
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

/// The body itself is let go; the part of the budget stands for what was made of it.
async fn plan(app: &App, caller: &Caller, route: Route, body: UnreadBody) -> Result<(Plan, Held), ApiError> {
    let JsonBody { bytes, held } = app.intake.read(body, max_body_bytes(app, caller)).await?;
    let request = ExecuteRequest::decode(&bytes)?;
    Ok((Plan::decide(request, caller, route, &app.runner.allowances.of(caller))?, held))
}

/// As much as the code that the caller may send, as base64, and something for all the rest.
pub fn max_body_bytes(app: &App, caller: &Caller) -> usize {
    let code = app.runner.allowances.of(caller).limits.code_bytes;
    let bytes = code.div_ceil(3).saturating_mul(4).saturating_add(BESIDE_CODE);
    usize::try_from(bytes).unwrap_or(usize::MAX).min(app.config.server.body_limit_bytes)
}

fn answer(done: &Done) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(&done.response()).map_err(|error| ApiError::internal(&error))?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], Body::from(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_asks_for_events_by_name() {
        for yes in
            ["text/event-stream", " Text/Event-Stream ", "text/event-stream;q=0.1", "text/event-stream; a=b; Q=1"]
        {
            assert!(asks_for_events(yes), "{yes}");
        }
        for no in ["", "*/*", "text/*", "text/event-streams", "text/event-stream;q=0", "text/event-stream; Q = 0.000"] {
            assert!(!asks_for_events(no), "{no}");
        }
    }
}
