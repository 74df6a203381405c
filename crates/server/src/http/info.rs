//! What the server says of itself and of its caller.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use doer_core::{
    service::{Health, Service},
    tier::Permissions,
};
use serde_json::{Value, json};

use super::router::ENDPOINTS;
use crate::{app::App, auth::Caller};

/// Name and version in answers.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const DESCRIPTION: &str = "A self-hosted server that runs code you do not trust";

/// `GET /`
pub async fn root(caller: Caller) -> Json<Value> {
    let auth = &caller.context.auth;
    Json(json!({
        "name": "doer",
        "version": VERSION,
        "description": DESCRIPTION,
        "authenticated": auth.authenticated,
        "user": auth.user.as_ref().map_or("anonymous", |user| &user.email),
        "services": Service::ALL,
        "endpoints": ENDPOINTS,
    }))
}

/// `GET /health`
pub async fn health(State(app): State<Arc<App>>) -> Json<Value> {
    let services: BTreeMap<Service, Health> =
        Service::ALL.into_iter().map(|service| (service, app.platform.services.health(service))).collect();
    Json(json!({
        "status": if app.is_ready() && !services.values().any(|health| *health == Health::Degraded) { "ok" } else { "degraded" },
        "version": VERSION,
        "features": { "execution": app.config.execution.enabled, "dev": app.authenticator.dev },
        "services": services,
    }))
}

/// `GET /livez`: the process answers.
pub async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /readyz`: new work is welcome.
pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    if app.is_ready() {
        (StatusCode::OK, Json(json!({ "status": "ok" })))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "draining" })))
    }
}

/// `GET /auth`
pub async fn auth(State(app): State<Arc<App>>, caller: Caller) -> Json<Value> {
    let permissions = Permissions::of(&caller.context);
    let may_execute = permissions.can_execute_arbitrary_code || app.config.auth.anonymous_execution;
    Json(json!({
        "authenticated": caller.context.auth.authenticated,
        "user": caller.context.auth.user,
        "tier": caller.tier,
        "namespace": caller.namespace,
        "bindings": permissions.allowed_bindings,
        "limits": limits_of(&app, &caller),
        "features": {
            "canAccessInternal": permissions.can_access_internal,
            "canBypassRateLimit": permissions.can_bypass_rate_limit,
            "canExecuteArbitraryCode": may_execute,
        },
    }))
}

/// `GET /limits`
pub async fn limits(State(app): State<Arc<App>>, caller: Caller) -> Json<Value> {
    let allowance = app.runner.allowances.of(&caller);
    let state = app.runner.admission.state(&caller, &allowance.rates);
    let quota = allowance.quota;
    Json(json!({
        "tier": caller.tier,
        "namespace": caller.namespace,
        "limits": limits_of(&app, &caller),
        "now": {
            "runningExecutions": state.running,
            "executionsLeftThisMinute": state.executions_left,
            "callsLeftThisMinute": state.calls_left,
        },
        "quotas": {
            "dbBytes": quota.db_bytes,
            "queueMessages": quota.queue_messages,
            "queueBytes": quota.queue_bytes,
            "consumers": quota.consumers,
            "tasks": quota.tasks,
            "mailsPerDay": quota.mails_per_day,
            "endpoints": quota.endpoints,
            "sources": quota.sources,
            "deliveries": quota.deliveries,
            "users": quota.users,
            "apiKeys": quota.api_keys,
            "secrets": quota.secrets,
            "workers": quota.workers,
            "workerBytes": quota.worker_bytes,
        },
    }))
}

fn limits_of(app: &App, caller: &Caller) -> Value {
    let allowance = app.runner.allowances.of(caller);
    let (limits, rates) = (allowance.limits, allowance.rates);
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    json!({
        "maxExecutionTime": ms(limits.wall),
        "maxConcurrentExecutions": rates.concurrency,
        "cpuMs": ms(limits.cpu),
        "startupCpuMs": ms(limits.startup_cpu),
        "fuel": limits.fuel,
        "memoryBytes": limits.memory_bytes,
        "outputBytes": limits.output_bytes,
        "calls": limits.calls,
        "transferBytes": limits.transfer_bytes,
        "codeBytes": limits.code_bytes,
        "executionsPerMinute": rates.executions_per_minute,
        "callsPerMinute": rates.calls_per_minute,
    })
}
