//! The routes of the API.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    envelope::{self, Envelope},
    error::{ApiError, ErrorCode},
    execute, executions, info,
};
use crate::app::App;

/// Every route, as `GET /` lists them.
pub const ENDPOINTS: [&str; 10] = [
    "GET /",
    "GET /health",
    "GET /livez",
    "GET /readyz",
    "GET /auth",
    "GET /limits",
    "POST /execute",
    "POST /eval",
    "GET /executions/{id}",
    "DELETE /executions/{id}",
];

/// The API.
pub fn api(app: &Arc<App>) -> Router {
    let router = Router::new()
        .route("/", get(info::root))
        .route("/health", get(info::health))
        .route("/livez", get(info::livez))
        .route("/readyz", get(info::readyz))
        .route("/auth", get(info::auth))
        .route("/limits", get(info::limits))
        .route("/execute", post(execute::execute))
        .route("/eval", post(execute::eval))
        .route("/executions/{id}", get(executions::get).delete(executions::delete));
    #[cfg(feature = "bench-echo")]
    let router = router.route("/echo", post(execute::echo));
    let router = router
        .layer(DefaultBodyLimit::max(app.config.server.body_limit_bytes))
        .with_state(Arc::clone(app));
    wrapped(router, app)
}

/// Puts around a router what both listeners have in common.
pub fn wrapped(router: Router, app: &App) -> Router {
    let envelope = Envelope {
        metrics: Arc::clone(&app.metrics),
        dev: app.authenticator.dev,
    };
    router
        .method_not_allowed_fallback(|| async { ApiError::new(ErrorCode::MethodNotAllowed, "Method not allowed") })
        .fallback(|| async { ApiError::new(ErrorCode::NotFound, "Route not found") })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(envelope, envelope::wrap))
}

/// A handler that panics fails its own request and nothing else.
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal_account(format!("panic: {}", message.unwrap_or("without a message"))).into_response()
}
