//! What is around every answer of both listeners: ids, the guard of development mode, the body of errors,
//! and a count.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use doer_core::id::RequestId;

use super::error::ApiError;
use crate::{app::App, dev, telemetry::Metrics};

/// Our id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The caller's id of a request, given back.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
const CLIENT_ID_MAX: usize = 128;

/// What the envelope needs.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Development mode?
    pub dev: bool,
}

impl Envelope {
    /// The one around both of an app's listeners.
    pub fn of(app: &App) -> Self {
        Self { metrics: Arc::clone(&app.metrics), dev: app.authenticator.dev }
    }
}

/// The peer of a connection, as the listener saw it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The middleware.
pub async fn wrap(State(envelope): State<Envelope>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::generate();
    let client_id = client_id(request.headers()).cloned();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(id.clone());

    let checked = dev::check(envelope.dev, request.headers(), request.uri());
    let mut response = match checked.and_then(|()| one_host(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };

    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        write_error(&mut response, &error.logged(id.as_str()), &id);
    }
    put(response.headers_mut(), REQUEST_ID, id.as_str());
    if let Some(client_id) = client_id {
        response.headers_mut().insert(CLIENT_REQUEST_ID, client_id);
    }
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    envelope.metrics.request(route, response.status());
    tracing::debug!(
        request = %id, %method, route, status = response.status().as_u16(),
        ms = started.elapsed().as_secs_f64() * 1000.0, "request"
    );
    response
}

/// RFC 9112, 3.2: what names two hosts names none. Whoever stands before this server may have looked at the other one.
fn one_host(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get_all(header::HOST).iter().count() {
        0 | 1 => Ok(()),
        _ => Err(ApiError::invalid("more than one Host")),
    }
}

fn write_error(response: &mut Response, error: &ApiError, id: &RequestId) {
    // Strings and booleans always serialise.
    let body = serde_json::to_vec(&error.body(id.as_str())).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body);
}

/// Puts an id made of plain characters; any other would not be a header.
pub fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The caller's own id of a request. It goes into answers and logs, so only where it cannot do harm there.
pub fn client_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(REQUEST_ID).filter(|value| is_harmless(value))
}

fn is_harmless(value: &HeaderValue) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let bytes = value.as_bytes();
    !bytes.is_empty() && bytes.len() <= CLIENT_ID_MAX && bytes.iter().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_given_back_only_where_harmless() {
        let id = |text: &'static str| is_harmless(&HeaderValue::from_static(text));
        assert!(id("abc-123_X.y:z/1+2="));
        assert!(!id(""));
        assert!(!id("a b"));
        assert!(!id("<script>"));
        assert!(!is_harmless(&HeaderValue::from_str(&"a".repeat(129)).unwrap()));
    }
}
