//! The routes of the API.

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    envelope::{self, Envelope},
    error::{ApiError, ErrorCode, panicked},
    execute, executions, info, mcp, openapi, rpc, secrets, session, webhooks, workers,
};
use crate::app::App;

/// Every route, as `GET /` lists them.
pub const ENDPOINTS: [&str; 29] = [
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
    "POST /rpc/{service}/{method}",
    "POST /rpc",
    "POST /session",
    "DELETE /session",
    "GET /secrets",
    "PUT /secrets/{name}",
    "DELETE /secrets/{name}",
    "GET /workers",
    "GET /workers/{id}",
    "PUT /workers/{id}",
    "DELETE /workers/{id}",
    "POST /workers/{id}/rollback",
    "GET /workers/{id}/tail",
    "ANY /workers/{id}/fetch/{path}",
    "POST /workers/{id}/rpc/{method}",
    "POST /webhooks/{provider}/{endpoint}",
    "POST /mcp",
    "GET /types.d.ts",
    "GET /openapi.json",
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
        .route("/executions/{id}", get(executions::get).delete(executions::delete))
        .route("/rpc/{service}/{method}", post(rpc::call))
        .route("/rpc", post(rpc::batch))
        .route("/session", post(session::create).delete(session::delete))
        .route("/secrets", get(secrets::list))
        .route("/secrets/{name}", put(secrets::put).delete(secrets::delete))
        .route("/workers", get(workers::list))
        .route("/workers/{id}", get(workers::get).put(workers::put).delete(workers::delete))
        .route("/workers/{id}/rollback", post(workers::rollback))
        .route("/workers/{id}/tail", get(workers::tail))
        .route("/workers/{id}/fetch", any(workers::fetch))
        .route("/workers/{id}/fetch/", any(workers::fetch))
        .route("/workers/{id}/fetch/{*path}", any(workers::fetch))
        .route("/workers/{id}/rpc/{method}", post(workers::call))
        .route("/webhooks/{provider}/{endpoint}", post(webhooks::receive))
        .route("/mcp", post(mcp::post))
        .route("/types.d.ts", get(openapi::types))
        .route("/openapi.json", get(openapi::document));
    #[cfg(feature = "bench-echo")]
    let router = router.route("/echo", post(execute::echo));
    wrapped(router.with_state(Arc::clone(app)), Envelope::of(app))
}

/// Puts around a router what both listeners have in common.
pub fn wrapped(router: Router, envelope: Envelope) -> Router {
    router
        .method_not_allowed_fallback(|| async { ApiError::new(ErrorCode::MethodNotAllowed, "Method not allowed") })
        .fallback(|| async { ApiError::new(ErrorCode::NotFound, "Route not found") })
        .layer(CatchPanicLayer::custom(failed))
        .layer(from_fn_with_state(envelope, envelope::wrap))
}

/// A handler that panics fails its own request and nothing else.
fn failed(panic: Box<dyn Any + Send>) -> Response {
    panicked(&*panic).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{Request, StatusCode, header},
    };
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        http::body::UnreadBody,
        telemetry::{Metrics, WorkerCounts},
    };

    async fn answer(request: Request<Body>) -> (StatusCode, Value) {
        let router = Router::new()
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("out of cheese")
                    }
                }),
            )
            .route("/json", post(|_: UnreadBody| async { "{}" }));
        let metrics = Metrics::new(Arc::new(WorkerCounts::new(0)));
        let envelope = Envelope { metrics: Arc::new(metrics), dev: false };
        let response = wrapped(router, envelope).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body: Value = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap();
        if !parts.status.is_success() {
            assert_eq!(body["success"], false);
            assert_eq!(body["error"]["requestId"], parts.headers["x-request-id"].to_str().unwrap());
        }
        (parts.status, body)
    }

    async fn refusal(request: Request<Body>) -> (u16, String) {
        let (status, body) = answer(request).await;
        (status.as_u16(), body["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    fn post_json(content_type: &str, body: &'static str) -> Request<Body> {
        Request::post("/json").header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_request_and_tells_nothing() {
        let (status, body) = answer(Request::get("/panic").body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error"]["code"], "internal");
        assert!(!body.to_string().contains("cheese"));
    }

    #[tokio::test]
    async fn whatever_is_refused_has_the_envelope() {
        let to = |method: &str, path: &str| Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(refusal(to("GET", "/nope")).await, (404, "not_found".to_owned()));
        assert_eq!(refusal(to("DELETE", "/json")).await, (405, "method_not_allowed".to_owned()));
        assert_eq!(refusal(post_json("text/plain", "{}")).await, (415, "unsupported_media_type".to_owned()));
        assert_eq!(answer(post_json("application/json", "{}")).await.0, StatusCode::OK);
    }
}
