//! `execute` and `eval`: the routes of the same names, with console lines as notifications.

#![allow(deprecated, reason = "the clients of today know logging, and nothing in its place")]

use std::sync::Arc;

use doer_sandbox::Console;
use rmcp::{
    RoleServer,
    model::{CallToolResult, ContentBlock, JsonObject, LoggingLevel, LoggingMessageNotificationParam, ProtocolVersion},
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Call;
use crate::{
    admission::Counted,
    app::App,
    auth::MayExecute,
    budget::Held,
    execute::{Done, ExecuteRequest, Plan, Route},
    http::error::ApiError,
};

/// Runs code to its end, or until nobody waits for it.
///
/// # Errors
/// Those of the route.
pub async fn run(
    app: &App,
    call: &Call,
    route: Route,
    arguments: JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ApiError> {
    let caller = MayExecute::check(call.caller.clone(), app.config.auth.anonymous_execution)?.0;
    app.runner.available()?;
    let body = serde_json::to_vec(&arguments).map_err(|error| ApiError::internal(&error))?;
    let plan = Plan::decide(ExecuteRequest::decode(&body)?, &caller, route, &app.runner.allowances.of(&caller))?;
    drop((arguments, body));
    app.runner.admission.count(&caller, &plan.rates, Counted::Execution)?;
    if let Some(done) = app.runner.cached(&plan) {
        return Ok(told(&done));
    }
    // The body's part of the budget is the call's, which outlives the run.
    let flight = app.runner.begin(&plan, &caller, Held::default())?;
    let cancel = flight.cancel.clone();
    let _gone = cancel.clone().drop_guard();
    let (sender, lines) = mpsc::unbounded_channel();
    let (finish, done) = oneshot::channel();
    let runner = Arc::clone(&app.runner);
    // In a task of its own, so that a client that reads slowly does not hold up its timers.
    app.lifecycle.spawn(async move {
        // Nobody may be left to hear it.
        let _ = finish.send(runner.run(plan, flight, Console::Stream(sender)).await);
    });
    let forward = async {
        let wanted = wants_lines(context);
        let mut lines = lines;
        while let Some(line) = lines.recv().await {
            if wanted {
                notify(context, line).await;
            }
        }
        done.await.unwrap_or_else(|_| Err(ApiError::internal_account("the execution's task died")))
    };
    tokio::pin!(forward);
    let done = tokio::select! {
        done = &mut forward => done,
        // The run ends, and what it wrote until then is told.
        () = call.cancelled.cancelled() => {
            cancel.cancel();
            forward.await
        }
        () = context.ct.cancelled() => {
            cancel.cancel();
            forward.await
        }
    };
    Ok(told(&done?))
}

/// Newer clients say with each request whether they want lines; older ones get them.
fn wants_lines(context: &RequestContext<RoleServer>) -> bool {
    let newer = |version: ProtocolVersion| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str();
    context.meta.log_level().is_some() || !context.protocol_version().is_some_and(newer)
}

async fn notify(context: &RequestContext<RoleServer>, line: String) {
    let level = match line.as_str() {
        line if line.starts_with("[error]") => LoggingLevel::Error,
        line if line.starts_with("[warn]") => LoggingLevel::Warning,
        _ => LoggingLevel::Info,
    };
    let message = LoggingMessageNotificationParam::new(level, Value::from(line)).with_logger("console");
    // Of a client that has gone nothing is expected.
    let _ = context.peer.notify_logging_message(message).await;
}

/// The answer of the route as structured content; as text what a model reads: the result or the error, and the lines.
/// A result that is nested more deeply than values are read is there as text only.
fn told(done: &Done) -> CallToolResult {
    let (text, logs) = match &done.outcome {
        Ok(kept) => (kept.result.get().to_owned(), &kept.logs),
        Err(failed) => {
            let error = &failed.error;
            let heading = format!("{}: {}", error.name, error.message);
            let stack = error.stack.as_deref().filter(|stack| !stack.is_empty());
            (stack.map_or_else(|| heading.clone(), |stack| format!("{heading}\n{stack}")), &failed.logs)
        }
    };
    let mut content = vec![ContentBlock::text(text)];
    if !logs.is_empty() {
        content.push(ContentBlock::text(format!("Console:\n{}", logs.join("\n"))));
    }
    let mut result = match done.outcome {
        Ok(_) => CallToolResult::success(content),
        Err(_) => CallToolResult::error(content),
    };
    result.structured_content = serde_json::to_value(done.response()).ok();
    result
}
