//! `POST /workers/{id}/rpc/{method}`: a method of an entrypoint, as `/execute` answers.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use doer_sandbox::{Entrypoint, worker::WorkerLimits};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Id, not_found};
use crate::{
    admission::Counted,
    app::App,
    auth::Caller,
    execute::{Done, guest_context},
    http::{
        body::{JsonBody, UnreadBody, object},
        envelope::put,
        error::ApiError,
        execute::EXECUTION_ID,
        rpc::max_bytes,
    },
};

const MAX_NAME_BYTES: usize = 256;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallBody<'a> {
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    entrypoint: Option<String>,
    #[serde(borrow)]
    props: Option<&'a RawValue>,
    #[serde(borrow)]
    limits: Option<&'a RawValue>,
}

/// `POST /workers/{id}/rpc/{method}`
pub async fn call(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Path((_, method)): Path<(String, String)>,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    caller.require("workers:invoke")?;
    app.runner.available()?;
    if method.len() > MAX_NAME_BYTES {
        return Err(ApiError::invalid(format_args!("method: must have 1 to {MAX_NAME_BYTES} bytes")));
    }
    let allowance = app.runner.allowances.of(&caller);
    app.runner.admission.count(&caller, &allowance.rates, Counted::Execution)?;
    let workers = &app.platform.workers;
    let known = workers.known(&caller.namespace, &id).await?.ok_or_else(|| not_found(&id))?;
    let JsonBody { bytes, held } = app.intake.read(body, max_bytes(&app, &caller)).await?;
    let asked: CallBody<'_> = match bytes.trim_ascii() {
        [] => CallBody::default(),
        text => object(text)?,
    };
    let limits = asked.limits.map(|limits| WorkerLimits::decode("limits", limits)).transpose();
    let limits = limits.map_err(ApiError::invalid)?.unwrap_or_default().lowered(known.limits(allowance.limits));

    let what = json!({ "kind": "rpc", "method": method, "entrypoint": asked.entrypoint });
    let mut call = workers.call(&caller, &id, &known, &allowance, what)?;
    (call.limits, call.context) = (limits, guest_context(&caller, asked.props)?);
    call.entrypoint = Entrypoint(asked.entrypoint.map(checked).transpose()?);
    let arguments = arguments(asked.params)?;
    drop(bytes);
    let flight = app.runner.begin_call(&caller, held)?;
    let execution = flight.id.clone();
    let outcome = app.runner.call_worker(call, method, arguments, flight).await?;
    let done = Done::new(outcome, execution, false);
    let mut response = Json(done.response()).into_response();
    put(response.headers_mut(), EXECUTION_ID, done.id.as_str());
    Ok(response)
}

fn checked(entrypoint: String) -> Result<String, ApiError> {
    if (1..=MAX_NAME_BYTES).contains(&entrypoint.len()) && !entrypoint.contains('\0') {
        return Ok(entrypoint);
    }
    Err(ApiError::invalid(format_args!("entrypoint: must have 1 to {MAX_NAME_BYTES} bytes, and no NUL")))
}

fn arguments(params: Option<&RawValue>) -> Result<Box<RawValue>, ApiError> {
    match params {
        Some(params) if params.get().starts_with('[') => Ok(params.to_owned()),
        Some(_) => Err(ApiError::invalid("params: must be an array")),
        None => RawValue::from_string("[]".to_owned()).map_err(|error| ApiError::internal(&error)),
    }
}
