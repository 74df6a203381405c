//! `GET /workers/{id}/tail`: calls and logs of a worker as they happen, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderValue,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::{Id, not_found};
use crate::{
    app::App,
    auth::Caller,
    http::error::{ApiError, ErrorCode},
    workers::key,
};

/// A comment this often keeps proxies from closing a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /workers/{id}/tail`
pub async fn tail(State(app): State<Arc<App>>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    caller.require("workers:read")?;
    let workers = &app.platform.workers;
    workers.known(&caller.namespace, &id).await?.ok_or_else(|| not_found(&id))?;
    let heard = workers.tails.listen(key(&caller.namespace, &id));
    let heard = heard.ok_or_else(|| ApiError::new(ErrorCode::ConcurrencyLimit, "Too many listen to this worker"))?;
    // The end of the server is the end of it: nothing that it waits for would come.
    let events = stream::unfold((heard, app.lifecycle.draining()), |(mut heard, draining)| async move {
        let event = tokio::select! {
            event = heard.recv() => event,
            () = draining.cancelled() => return None,
        };
        let event = match event {
            Ok(event) => named(event.name, &event.data),
            Err(RecvError::Lagged(missed)) => named("missed", &json!({ "events": missed })),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(event), (heard, draining)))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // nginx holds answers back unless told not to.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn named(name: &str, data: &serde_json::Value) -> Event {
    // Values always serialise.
    Event::default().event(name).json_data(data).unwrap_or_default()
}
