//! An execution as server-sent events: `start`, a `log` for each line as it is written, one `result`.
//!
//! The execution runs in a task of its own, so that a client that reads slowly does not hold up its timers;
//! one that goes away cancels it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::HeaderValue,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use doer_sandbox::Console;
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::{done::Done, flight::Flight, plan::Plan, runner::Runner};
use crate::http::error::ApiError;

/// A comment this often keeps proxies from closing a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Running {
    lines: mpsc::UnboundedReceiver<String>,
    done: oneshot::Receiver<Result<Done, ApiError>>,
    request_id: String,
    /// Dropped with the stream, which the client's going does.
    _cancel: DropGuard,
}

enum Stage {
    Start(String, Running),
    Running(Running),
    Over,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    execution_id: &'a str,
}

/// Starts the execution and answers with its events.
pub fn stream(runner: &Arc<Runner>, plan: Plan, flight: Flight) -> Response {
    let (sender, lines) = mpsc::unbounded_channel();
    let (finish, done) = oneshot::channel();
    let id = plan.id.to_string();
    let running = Running {
        lines,
        done,
        request_id: flight.caller.request_id().to_owned(),
        _cancel: flight.cancel.clone().drop_guard(),
    };
    let task = Arc::clone(runner);
    runner.lifecycle.spawn(async move {
        let done = task.run(plan, flight, Console::Stream(sender)).await;
        // Nobody may be left to hear it.
        let _ = finish.send(done);
    });
    respond(events(Stage::Start(id, running)))
}

fn respond(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // nginx holds answers back unless told not to.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The same events for an answer from the result cache.
pub fn finished(done: &Done) -> Response {
    let start = event("start", &Start { execution_id: done.id.as_str() });
    let result = event("result", &done.response());
    respond(stream::iter([start, result].map(Ok)))
}

fn events(first: Stage) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(first, |stage| async move {
        let (event, next) = match stage {
            Stage::Start(id, running) => (event("start", &Start { execution_id: &id }), Stage::Running(running)),
            Stage::Running(mut running) => match running.lines.recv().await {
                Some(line) => (event("log", &line), Stage::Running(running)),
                // The sandbox has dropped its end: nothing more is written.
                None => (result(running).await, Stage::Over),
            },
            Stage::Over => return None,
        };
        Some((Ok(event), next))
    })
}

async fn result(running: Running) -> Event {
    let done = running.done.await.unwrap_or_else(|_| Err(ApiError::internal_account("the execution's task died")));
    match done {
        Ok(done) => event("result", &done.response()),
        Err(error) => {
            if let Some(account) = &error.account {
                tracing::error!(request = %running.request_id, error = &**account, "request failed");
            }
            event("result", &error.body(&running.request_id))
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Our own types always serialise; an event without data would still end the stream properly.
    Event::default().event(name).json_data(data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_execution_keeps_its_stream_open_until_the_client_goes() {
        let (sender, lines) = mpsc::unbounded_channel();
        let (_finish, done) = oneshot::channel();
        let token = CancellationToken::new();
        let running = Running { lines, done, request_id: String::new(), _cancel: token.clone().drop_guard() };
        let mut body = respond(events(Stage::Start("exec_1".to_owned(), running))).into_body().into_data_stream();
        let mut next = async || String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();

        assert_eq!(next().await, "event: start\ndata: {\"executionId\":\"exec_1\"}\n\n");
        let before = tokio::time::Instant::now();
        assert!(next().await.starts_with(':'), "a comment");
        assert_eq!(before.elapsed().as_secs(), 15);
        sender.send("a\nb".to_owned()).unwrap();
        assert_eq!(next().await, "event: log\ndata: \"a\\nb\"\n\n");

        assert!(!token.is_cancelled());
        drop(body);
        assert!(token.is_cancelled());
    }
}
