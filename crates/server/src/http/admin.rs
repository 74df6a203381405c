//! The admin listener: for operators and their tools, on loopback by default.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{envelope::Envelope, error::ApiError, info, router::wrapped};
use crate::app::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Its routes.
pub fn admin(app: &Arc<App>) -> Router {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(info::livez))
        .route("/readyz", get(info::readyz))
        .with_state(Arc::clone(app));
    wrapped(router, Envelope::of(app))
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let stats = app.runner.sandbox.as_ref().map(doer_sandbox::Sandbox::stats).unwrap_or_default();
    let encoded = app.metrics.encode(stats, app.intake.budget.taken(), app.platform.workers.stats());
    let text = encoded.map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
