//! `POST /mcp`: the transport "streamable HTTP", without sessions.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, Request, request::Parts},
    response::Response,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{
    body::{JsonBody, UnreadBody},
    envelope::put,
    error::ApiError,
    execute::max_body_bytes,
};
use crate::{
    app::App,
    auth::Caller,
    mcp::{Call, Key, Server},
};

/// Clients repeat it with each request. Nothing is kept under it: it tells two clients of one caller apart.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Of a message, what has to be known before it is answered.
#[derive(Debug, Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled<'a> {
    #[serde(borrow)]
    request_id: &'a RawValue,
}

/// `POST /mcp`
pub async fn post(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut parts: Parts,
    body: UnreadBody,
) -> Result<Response, ApiError> {
    let JsonBody { bytes, held } = app.intake.read(body, max_body_bytes(&app, &caller)).await?;
    // What is no message is refused by the transport, in the words of the protocol.
    let message: Message<'_> = serde_json::from_slice(&bytes).unwrap_or_default();
    let session = parts.headers.get(&SESSION).and_then(|value| value.to_str().ok());
    let method = message.method.as_deref();
    let cancelled = CancellationToken::new();
    let running = match (method, message.id) {
        (Some("tools/call"), Some(id)) => {
            Key::of(&caller, session, id).and_then(|key| app.calls.enter(key, cancelled.clone()))
        }
        (Some("notifications/cancelled"), _) => {
            let params = message.params.and_then(|params| serde_json::from_str::<Cancelled<'_>>(params.get()).ok());
            if let Some(key) = params.and_then(|params| Key::of(&caller, session, params.request_id)) {
                app.calls.cancel(&key);
            }
            None
        }
        _ => None,
    };
    let opens = method == Some("initialize");
    parts.extensions.insert(Arc::new(Call { caller, cancelled, running, held }));
    let size = bytes.len();
    let answer = transport(&app, size).handle(Request::from_parts(parts, Body::from(bytes))).await;
    let mut response = answer.map(Body::new);
    if opens && response.status().is_success() {
        put(response.headers_mut(), SESSION, doer_core::id::RequestId::generate().as_str());
    }
    Ok(response)
}

/// The protocol. `Host` and `Origin` were looked at by the envelope, as for every route.
fn transport(app: &Arc<App>, max_bytes: usize) -> StreamableHttpService<Server, NeverSessionManager> {
    let server = Server { app: Arc::clone(app) };
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_legacy_session_mode(false)
        .with_max_request_body_bytes(max_bytes);
    StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
}
