//! `POST /rpc/{service}/{method}` and `POST /rpc`: the services for everyone who is not code in the sandbox.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use doer_core::{
    ledger::Ledger,
    scoped::{Grants, ScopedServices},
    service::{Method, Service},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    body::{JsonBody, UnreadBody, object},
    error::{ApiError, ErrorCode, ErrorFields},
};
use crate::{admission::Counted, app::App, auth::Caller};

/// Calls in one batch.
const MAX_BATCH: usize = 100;
/// Calls of a batch that run at the same time.
const AT_ONCE: usize = 16;

/// Parameters of one call.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallBody<'a> {
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// The answer to one call.
#[derive(Debug, Serialize)]
pub struct Success {
    success: bool,
    result: Box<RawValue>,
}

/// One call of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    id: Value,
    service: String,
    method: String,
    #[serde(default)]
    params: Option<Box<RawValue>>,
}

impl Entry {
    fn read(at: usize, json: &RawValue) -> Result<Self, ApiError> {
        // An array is no object, though serde takes it for one.
        if !json.get().starts_with('{') {
            return Err(ApiError::invalid(format_args!("[{at}]: must be an object")));
        }
        serde_json::from_str(json.get()).map_err(|error| ApiError::invalid(format_args!("[{at}]: {error}")))
    }
}

/// The answer to one call of a batch.
#[derive(Debug, Serialize)]
pub struct Answered {
    id: Value,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorFields<'static>>,
}

/// Service and method out of the path.
pub struct Target {
    service: String,
    method: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((service, method))) => Ok(Self { service, method }),
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

/// `POST /rpc/{service}/{method}`
pub async fn call(
    State(app): State<Arc<App>>,
    caller: Caller,
    target: Target,
    body: UnreadBody,
) -> Result<Json<Success>, ApiError> {
    let rates = app.runner.allowances.of(&caller).rates;
    app.runner.admission.count(&caller, &rates, Counted::Calls(1))?;
    let method = authorised(&caller, &target.service, &target.method)?;
    let JsonBody { bytes, held: _held } = app.intake.read(body, max_bytes(&app, &caller)).await?;
    let CallBody { params } = match bytes.trim_ascii() {
        [] => CallBody::default(),
        text => object(text)?,
    };
    let result = services(&app, &caller).dispatch(method, params).await?;
    Ok(Json(Success { success: true, result }))
}

/// `POST /rpc`: many calls, answered in order.
pub async fn batch(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: UnreadBody,
) -> Result<Json<Vec<Answered>>, ApiError> {
    let JsonBody { bytes, held: _held } = app.intake.read(body, max_bytes(&app, &caller)).await?;
    let entries: Vec<&RawValue> = serde_json::from_slice(&bytes).map_err(ApiError::invalid)?;
    if entries.len() > MAX_BATCH {
        return Err(ApiError::invalid(format_args!("a batch has at most {MAX_BATCH} calls")));
    }
    let entries: Vec<Entry> =
        entries.iter().enumerate().map(|(at, entry)| Entry::read(at, entry)).collect::<Result<_, _>>()?;
    let rates = app.runner.allowances.of(&caller).rates;
    let number = u32::try_from(entries.len()).unwrap_or(u32::MAX).max(1);
    app.runner.admission.count(&caller, &rates, Counted::Calls(number))?;
    let services = services(&app, &caller);
    let answers = entries.into_iter().map(|entry| answer(&services, &caller, entry));
    Ok(Json(stream::iter(answers).buffered(AT_ONCE).collect().await))
}

async fn answer(services: &ScopedServices, caller: &Caller, entry: Entry) -> Answered {
    let result = match authorised(caller, &entry.service, &entry.method) {
        Ok(method) => services.dispatch(method, entry.params.as_deref()).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    match result {
        Ok(result) => Answered { id: entry.id, success: true, result: Some(result), error: None },
        Err(error) => Answered {
            id: entry.id,
            success: false,
            result: None,
            error: Some(error.logged(caller.request_id()).into_fields(caller.request_id())),
        },
    }
}

/// The method, where the caller's credentials allow its service. What does not exist is told before that: the
/// table is no secret.
///
/// # Errors
/// `not_found`, `forbidden`.
pub fn authorised(caller: &Caller, service: &str, method: &str) -> Result<&'static Method, ApiError> {
    let found = Service::from_name(service).and_then(|service| service.method(method));
    let method =
        found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("Method {service}.{method} not found")))?;
    caller.require(&format!("rpc:{}", method.service))?;
    Ok(method)
}

/// The services, as far as the caller's tier has them.
pub fn services(app: &App, caller: &Caller) -> ScopedServices {
    let grants = Grants::of(caller.tier.services().iter().copied());
    // Calls from outside have no budget to be charged to: their rate is what holds them.
    let ledger = Arc::new(Ledger::new(0, 0, false));
    ScopedServices::new(Arc::clone(&app.platform.services), Arc::clone(caller.scope()), grants, ledger)
}

/// As much as one execution may move.
pub fn max_bytes(app: &App, caller: &Caller) -> usize {
    let bytes = app.runner.allowances.of(caller).limits.transfer_bytes;
    usize::try_from(bytes).unwrap_or(usize::MAX).min(app.config.server.body_limit_bytes)
}
