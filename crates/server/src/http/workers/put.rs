//! `PUT /workers/{id}`: code is read, really loaded, and then stored.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use doer_sandbox::worker::{InvalidCode, WorkerCode};
use doer_services::workers::{EntrypointInfo, Expected, NewCode, Written};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Id,
    conditions::{etag, expected},
    manage::written,
    query, unloadable,
};
use crate::{
    admission::Counted,
    app::App,
    auth::{Caller, MayExecute},
    budget::Held,
    execute::WorkerCall,
    http::{
        body::{JsonBody, UnreadBody},
        envelope,
        error::{ApiError, ErrorCode, Place},
        execute::{EXECUTION_ID, max_body_bytes},
    },
    workers::{Found, inspection},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    #[serde(default)]
    replace: bool,
}

/// `PUT /workers/{id}`
pub async fn put(
    State(app): State<Arc<App>>,
    MayExecute(caller): MayExecute,
    Id(id): Id,
    uri: Uri,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    caller.require("workers:write")?;
    app.runner.available()?;
    let Replace { replace } = query(&uri)?;
    let expected = expected(&headers, replace, Expected::SameOrNone)?;
    let JsonBody { bytes, held } = app.intake.read(body, max_body_bytes(&app, &caller)).await?;
    let code = read(&app, &caller, &bytes)?;
    drop(bytes);

    let hash = code.hash();
    let current = app.platform.workers.store.get(&caller.namespace, &id).await?.filter(|there| there.hash == hash);
    // What is there was loaded before.
    let (entrypoints, ran) = match current {
        Some(there) => (there.entrypoints, None),
        None => {
            let (entrypoints, execution) = inspect(&app, &caller, &code, held).await?;
            (entrypoints, Some(execution))
        }
    };
    let new = NewCode { hash, json: code.to_json(), entrypoints };
    let done = app.platform.workers.put(caller.scope(), &id, new, expected).await?;
    let status = if matches!(done, Written::Created(_)) { StatusCode::CREATED } else { StatusCode::OK };
    let info = written(&id, done)?;
    let tag = etag(&info.hash);
    let mut response = (status, tag.map(|tag| [tag]), Json(super::manage::told(&info)?)).into_response();
    if let Some(execution) = ran {
        envelope::put(response.headers_mut(), EXECUTION_ID, &execution);
    }
    Ok(response)
}

fn read(app: &App, caller: &Caller, bytes: &[u8]) -> Result<WorkerCode, ApiError> {
    let json = std::str::from_utf8(bytes).map_err(ApiError::invalid)?;
    let code = app.platform.workers.decode(json).map_err(invalid)?;
    let (size, most) = (code.size_bytes(), app.runner.allowances.of(caller).limits.code_bytes);
    if size > most {
        let message = format!("Code size {size} bytes exceeds maximum {most} bytes for your tier");
        return Err(ApiError::new(ErrorCode::CodeTooLarge, message));
    }
    Ok(code)
}

fn invalid(error: InvalidCode) -> ApiError {
    let path = (!error.path.is_empty()).then(|| error.path.clone());
    ApiError::invalid(error).at(Place { path, ..Place::default() })
}

/// Loads the code and evaluates its top level, as a call would; gives what can be called, and the id of the execution.
async fn inspect(
    app: &App,
    caller: &Caller,
    code: &WorkerCode,
    body: Held,
) -> Result<(Vec<EntrypointInfo>, String), ApiError> {
    let allowance = app.runner.allowances.of(caller);
    let loadable = code.loadable(allowance.limits).map_err(invalid)?;
    app.runner.admission.count(caller, &allowance.rates, Counted::Execution)?;
    let is_component = code.is_component();
    let loadable = if is_component { loadable } else { inspection(code, loadable) };
    // Nobody is told that it was looked at.
    let loadable = doer_sandbox::loader::Code { tails: Vec::new(), ..loadable };
    let stub = app.platform.workers.anonymous(&caller.namespace, loadable)?;
    let mut call = WorkerCall::new(stub, caller, code.limits.lowered(allowance.limits), allowance.rates, None)?;
    call.grants = code.services().unwrap_or(call.grants);
    let flight = app.runner.begin_call(caller, body)?;
    let id = flight.id.to_string();
    if is_component {
        let loaded = app.runner.load_worker(call, flight).await?;
        let fetch = EntrypointInfo { name: "default".to_owned(), methods: vec!["fetch".to_owned()] };
        return loaded.map(|()| (vec![fetch], id.clone())).map_err(|error| unloadable(error).ran(&id));
    }
    let outcome = app.runner.call_worker(call, "entrypoints".to_owned(), no_arguments()?, flight).await?;
    let failed = |error: ApiError| error.ran(&id);
    let answer = outcome.answer.map_err(unloadable).map_err(failed)?;
    match Found::read(&answer.result) {
        Found::Entrypoints(entrypoints) => Ok((entrypoints, id)),
        Found::Unusable(why) => {
            Err(failed(ApiError::new(ErrorCode::InvalidCode, format!("The worker cannot be called: {why}"))))
        }
    }
}

fn no_arguments() -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string("[]".to_owned()).map_err(|error| ApiError::internal(&error))
}
