//! Workers that are told what happened: tasks, messages of queues, events of providers. Nobody waits for an answer, but
//! for whether it went well.

use std::time::Duration;

use doer_core::{
    id::WorkerId,
    outbound::{HttpRequest, Redirect},
    run::{Happening, RunError, WorkerTarget},
    scope::Scope,
};
use doer_sandbox::{Answer, Entrypoint, GuestError, Outcome, Reply, worker::EVENTS};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    background::{result, run_error},
    done::Done,
    runner::Runner,
};
use crate::{auth::Caller, budget::Held};

impl Runner {
    pub(super) async fn tell_worker(
        &self,
        scope: &Scope,
        target: &WorkerTarget,
        what: Happening,
        event: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        let caller = Caller::from(scope.clone());
        if !caller.tier.executes_arbitrary_code() {
            return Err(failed("Code execution not available on your plan"));
        }
        let id = WorkerId::parse(&target.id).map_err(|error| failed(error.to_string()))?;
        let known = self.workers.known(&caller.namespace, &id).await.map_err(|error| run_error(error.into()))?;
        let known = known.ok_or_else(|| failed(format!("Worker {id} not found")))?;
        let allowance = self.allowances.of(&caller);
        let told = json!({ "kind": what.name(), "entrypoint": target.entrypoint });
        let mut call = self.workers.call(&caller, &id, &known, &allowance, told).map_err(run_error)?;
        if let Some(timeout) = timeout {
            call.limits.wall = call.limits.wall.min(timeout);
        }
        let flight = self.begin_call(&caller, Held::default()).map_err(run_error)?;
        let execution = flight.id.clone();
        match what {
            Happening::Webhook => {
                call.entrypoint = Entrypoint(target.entrypoint.clone());
                let most = call.limits.output_bytes;
                let reply = self.fetch_worker(call, request(&event).into(), flight).await.map_err(run_error)?;
                accepted(reply, most).await
            }
            Happening::Scheduled | Happening::Queue => {
                call.entrypoint = Entrypoint(Some(EVENTS.to_owned()));
                let arguments = to_raw_value(&json!([target.entrypoint, event]));
                let arguments = arguments.map_err(|error| failed(error.to_string()))?;
                let told = self.call_worker(call, what.name().to_owned(), arguments, flight).await;
                let outcome: Outcome<Answer> = told.map_err(run_error)?;
                result(Done::new(outcome, execution, false))
            }
        }
    }
}

/// An event of a provider, as it would have come to the worker itself.
fn request(event: &Value) -> HttpRequest {
    let part = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    HttpRequest {
        method: "POST".to_owned(),
        url: format!("http://webhooks/{}/{}", part("provider"), part("endpoint")),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(event.to_string().into()),
        redirect: Redirect::Manual,
    }
}

async fn accepted(reply: Result<Reply, GuestError>, most: u64) -> Result<Box<RawValue>, RunError> {
    match reply {
        Ok(Reply { head, body }) => {
            // Nobody wants it, but who does not read it breaks the run off.
            let _ = body.collect(most).await;
            match head.status {
                200..300 => Ok(RawValue::NULL.to_owned()),
                status => Err(failed(format!("The worker answered with status {status}"))),
            }
        }
        Err(error) => {
            let cancelled = error.code == Some(doer_core::fault::Termination::Cancelled);
            Err(RunError { message: format!("{}: {}", error.name, error.message), counts: !cancelled })
        }
    }
}

/// It would come again: the attempt counts.
fn failed(message: impl Into<String>) -> RunError {
    RunError { message: message.into(), counts: true }
}
