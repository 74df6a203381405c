//! Everything that is decided before code runs: what it is, what it may use, who asked.

use std::{sync::Arc, time::Duration};

use doer_core::{
    id::ExecutionId,
    limits::{Allowance, Limits, Rates},
    scope::Scope,
    scoped::Grants,
    service::Service,
};
use doer_sandbox::{Program, Surface};
use serde_json::value::RawValue;

use super::{
    cache_key::CacheKey,
    context::guest_context,
    program,
    request::{ExecuteRequest, RequestedLimits},
};
use crate::{
    auth::Caller,
    http::error::{ApiError, ErrorCode},
};

/// What holds where a request says nothing, or the tier's, whichever is less.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const ID_MAX: usize = 128;
const CACHE_KEY_MAX: usize = 512;
/// What loads other code: no service, and selected like one.
const LOADER: &str = "LOADER";

/// Which of the two routes was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST /execute`
    Execute,
    /// `POST /eval`: no bindings, no context, no network.
    Eval,
}

/// A run, fully decided.
#[derive(Debug)]
pub struct Plan {
    /// The code.
    pub program: Program,
    /// `input`.
    pub input: Option<Box<RawValue>>,
    /// `ctx`.
    pub context: Box<RawValue>,
    /// What the code sees.
    pub surface: Surface,
    /// What it may use.
    pub limits: Limits,
    /// Cut output rather than fail.
    pub truncate: bool,
    /// Collect logs.
    pub capture_console: bool,
    /// Answer with `requests`.
    pub capture_fetch: bool,
    /// Its id.
    pub id: ExecutionId,
    /// On whose behalf.
    pub scope: Arc<Scope>,
    /// Services that the code gets.
    pub grants: Grants,
    /// May it load other code?
    pub loader: bool,
    /// What its namespace may use at once.
    pub rates: Rates,
    /// Where its result is kept.
    pub cache_key: Option<CacheKey>,
}

impl Plan {
    /// Decides a request, held against what the caller is allowed.
    ///
    /// # Errors
    /// `invalid_request`, `forbidden`, `code_too_large`.
    pub fn decide(
        mut request: ExecuteRequest<'_>,
        caller: &Caller,
        route: Route,
        allowance: &Allowance,
    ) -> Result<Self, ApiError> {
        let program = program::take(&mut request)?;
        let (grants, loader) = grant(&request, caller, route, allowance.loader)?;
        let tier = allowance.limits;
        let size = program.size_bytes();
        if size > tier.code_bytes {
            let message = format!("Code size {size} bytes exceeds maximum {} bytes for your tier", tier.code_bytes);
            return Err(ApiError::new(ErrorCode::CodeTooLarge, message));
        }
        let limits = lowered(tier, request.timeout_ms, request.limits)?;
        let id = match &request.execution_id {
            Some(id) => own_id(id)?,
            None => ExecutionId::generate(),
        };
        let cache_key = match &request.cache_key {
            Some(key) if key.is_empty() || key.len() > CACHE_KEY_MAX => {
                return Err(ApiError::invalid(format_args!("cacheKey: must have 1 to {CACHE_KEY_MAX} bytes")));
            }
            Some(key) => Some(CacheKey::of(key, &program, &request, (grants, loader), &limits, caller, route)),
            None => None,
        };
        Ok(Self {
            program,
            input: request.input.map(ToOwned::to_owned),
            context: guest_context(caller, request.props)?,
            surface: match route {
                Route::Execute => Surface::Full,
                Route::Eval => Surface::Pure,
            },
            limits,
            truncate: request.truncate,
            capture_console: request.capture_console,
            capture_fetch: request.capture_fetch && route == Route::Execute,
            id,
            scope: Arc::clone(caller.scope()),
            grants,
            loader,
            rates: allowance.rates,
            cache_key,
        })
    }
}

/// The services that the code gets, and whether it gets the loader: what was asked for, all of which the caller must
/// have; else all that the caller has.
fn grant(
    request: &ExecuteRequest<'_>,
    caller: &Caller,
    route: Route,
    loader: bool,
) -> Result<(Grants, bool), ApiError> {
    let available = Grants::of(caller.tier.services().iter().copied());
    if route == Route::Eval {
        // Refused rather than ignored: pure evaluation has neither.
        if request.bindings.as_ref().is_some_and(|bindings| !bindings.is_empty()) {
            return Err(ApiError::invalid("bindings: /eval has none"));
        }
        if request.props.is_some() {
            return Err(ApiError::invalid("props: /eval has no ctx"));
        }
        return Ok((Grants::default(), false));
    }
    let Some(asked) = &request.bindings else { return Ok((available, loader)) };
    let known = |name: &String| Service::from_name(name).filter(|service| available.has(*service));
    let is_loader = |name: &String| loader && name == LOADER;
    let denied = asked.iter().filter(|name| known(name).is_none() && !is_loader(name));
    let denied: Vec<&str> = denied.map(String::as_str).collect();
    if !denied.is_empty() {
        let message = format!("Access denied to bindings: {}. Available: {available}", denied.join(", "));
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    Ok((Grants::of(asked.iter().filter_map(known)), asked.iter().any(is_loader)))
}

/// The tier's limits, lowered by the request. Only a timeout above the tier's is refused; the rest is clamped.
fn lowered(tier: Limits, timeout_ms: Option<u64>, asked: RequestedLimits) -> Result<Limits, ApiError> {
    let wall = match timeout_ms.map(Duration::from_millis) {
        None => tier.wall.min(DEFAULT_TIMEOUT),
        Some(Duration::ZERO) => return Err(ApiError::invalid("timeout: must be at least 1 ms")),
        Some(asked) if asked > tier.wall => {
            let message =
                format!("Timeout {}ms exceeds maximum {}ms for your tier", asked.as_millis(), tier.wall.as_millis());
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        Some(asked) => asked,
    };
    let cpu = asked.cpu_ms.map_or(tier.cpu, |ms| tier.cpu.min(Duration::from_millis(ms)));
    Ok(Limits {
        wall,
        cpu,
        startup_cpu: tier.startup_cpu.min(cpu),
        fuel: asked.fuel.map_or(tier.fuel, |fuel| tier.fuel.min(fuel)),
        memory_bytes: asked.memory_mb.map_or(tier.memory_bytes, |mb| tier.memory_bytes.min(mb.saturating_mul(1 << 20))),
        output_bytes: asked.output_bytes.map_or(tier.output_bytes, |bytes| tier.output_bytes.min(bytes)),
        calls: asked.calls.map_or(tier.calls, |calls| tier.calls.min(calls)),
        transfer_bytes: tier.transfer_bytes,
        code_bytes: tier.code_bytes,
    })
}

/// A caller's own id; it travels in paths, headers and logs.
fn own_id(id: &str) -> Result<ExecutionId, ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(plain) || id.bytes().all(|byte| byte == b'.') {
        let what = format_args!("executionId: must have 1 to {ID_MAX} letters, digits or any of - _ . :");
        return Err(ApiError::invalid(what));
    }
    Ok(ExecutionId::from_text(id))
}

#[cfg(test)]
mod tests;
