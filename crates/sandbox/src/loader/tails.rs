//! Workers that are told of the runs of another: what it wrote, what it threw, and how it ended.

use std::sync::Arc;

use doer_core::{
    fault::Termination,
    ledger::Ledger,
    scoped::ScopedServices,
    time::{Clock, SystemClock},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    neighbours::Neighbours,
    stub::{Origin, Stub},
};
use crate::{Answer, Answered, Entrypoint, Event, GuestError, Invocation, Outcome, Usage, account::Account};

/// Tells the tails of one run of its end. Dropped before that, it tells them that the run was cancelled.
pub(super) struct Tails(Option<Watched>);

struct Watched {
    neighbours: Arc<Neighbours>,
    account: Arc<Account>,
    event: Value,
    began_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TailEvent<'a> {
    event: &'a Value,
    event_timestamp: u64,
    logs: Vec<Value>,
    exceptions: Vec<Value>,
    outcome: &'static str,
    truncated: bool,
    cpu_time: f64,
    wall_time: f64,
}

impl Tails {
    /// What is told of an event: no body of anything.
    pub(super) fn event(event: &Event) -> Value {
        match event {
            Event::Execute(_) => Value::Null,
            Event::Fetch(entrypoint, request) => {
                let request = json!({"method": request.method, "url": request.url});
                json!({"type": "fetch", "entrypoint": entrypoint.0, "request": request})
            }
            Event::Call(entrypoint, method, _) | Event::CallCloned(entrypoint, method, _) => {
                json!({"type": "rpc", "entrypoint": entrypoint.0, "rpcMethod": method})
            }
            Event::Handle(entrypoint, handler, _) => json!({"type": handler, "entrypoint": entrypoint.0}),
        }
    }

    pub(super) fn new(neighbours: Arc<Neighbours>, account: Arc<Account>, event: Value) -> Self {
        let began_ms = SystemClock.now_ms();
        Self(Some(Watched { neighbours, account, event, began_ms }))
    }

    /// The run has ended.
    pub(super) fn ended(mut self, outcome: &Outcome<()>) {
        if let Some(watched) = self.0.take() {
            watched.tell(outcome.answer.as_ref().err(), &outcome.logs, outcome.truncated, &outcome.usage);
        }
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        if let Some(watched) = self.0.take() {
            let (logs, truncated, usage) = watched.account.close();
            let code = Some(Termination::Cancelled);
            let cancelled = GuestError { name: "AbortError".to_owned(), code, ..GuestError::default() };
            watched.tell(Some(&cancelled), &logs, truncated, &usage);
        }
    }
}

impl Watched {
    fn tell(&self, error: Option<&GuestError>, logs: &[String], truncated: bool, usage: &Usage) {
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        let told = TailEvent {
            event: &self.event,
            event_timestamp: self.began_ms,
            logs: logs.iter().map(|line| log(line)).collect(),
            // Who was ended from outside has thrown nothing.
            exceptions: error.filter(|error| error.code.is_none()).map(exception).into_iter().collect(),
            outcome: error.map_or("ok", outcome_name),
            truncated,
            cpu_time: milliseconds(usage.cpu),
            wall_time: milliseconds(usage.wall),
        };
        let Ok(told) = serde_json::value::to_raw_value(&[told]) else { return };
        for binding in self.neighbours.tails() {
            let Ok(stub) = self.neighbours.bound(binding) else { continue };
            let event = Event::Handle(Entrypoint(binding.entrypoint.clone()), "tail".to_owned(), told.clone());
            // It has a budget of its own: the run that it is told of may have used all of that one's.
            let limits = binding.limits.lowered(self.account.limits);
            let ledger = Arc::new(Ledger::new(limits.calls, limits.transfer_bytes, false));
            let services = self.neighbours.services.as_ref().map(|services: &ScopedServices| services.charging(ledger));
            let mut invocation = self.neighbours.invocation(event, limits, services);
            // Whoever cancelled the run has not cancelled this one.
            invocation.cancel = Default::default();
            let origin = Origin { props: binding.props.clone(), is_tail: true, own_grants: true, ..Origin::default() };
            self.neighbours.runtime.spawn(run(stub, invocation, origin));
        }
    }
}

async fn run(stub: Stub, invocation: Invocation, origin: Origin) {
    let answered: Result<Answered<Answer>, _> = stub.run(invocation, origin).await;
    match answered {
        Ok(Answered { answer: Err(error), .. }) => {
            tracing::debug!(name = error.name, message = error.message, "a tail worker failed");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "a tail worker could not be run"),
    }
}

fn log(line: &str) -> Value {
    let levels = [("[warn] ", "warn"), ("[error] ", "error")];
    let found = levels.iter().find_map(|(prefix, level)| Some((*level, line.strip_prefix(prefix)?)));
    let (level, message) = found.unwrap_or(("log", line));
    json!({"level": level, "message": [message]})
}

fn exception(error: &GuestError) -> Value {
    json!({"name": error.name, "message": error.message, "stack": error.stack})
}

fn outcome_name(error: &GuestError) -> &'static str {
    match error.code {
        None => "exception",
        Some(Termination::CpuLimit | Termination::StartupLimit | Termination::FuelExhausted) => "exceededCpu",
        Some(Termination::MemoryLimit) => "exceededMemory",
        Some(Termination::Timeout) => "exceededWallTime",
        Some(Termination::OutputLimit) => "exceededOutput",
        Some(Termination::CallLimit) => "exceededCalls",
        Some(Termination::Cancelled) => "canceled",
    }
}
