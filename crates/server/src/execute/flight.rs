//! An execution from its admission to its end. However it ends, by being dropped too, it is logged, counted
//! and leaves a receipt exactly once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doer_core::{fault::Termination, id::ExecutionId};
use doer_sandbox::Usage;
use tokio_util::sync::CancellationToken;

use super::{response::ms, verdict::Verdict};
use crate::{
    auth::Caller,
    budget::Held,
    executions::{Receipt, Ticket},
    telemetry::{Metrics, Place},
};

/// A running execution.
#[derive(Debug)]
pub struct Flight {
    /// Its entry; taken when it ends.
    pub ticket: Option<Ticket>,
    /// Ends it from outside.
    pub cancel: CancellationToken,
    /// Its id.
    pub id: ExecutionId,
    /// Who asked for it.
    pub caller: Caller,
    /// Since the Unix epoch.
    pub started_at: Duration,
    /// For the time it took, where the sandbox could not say.
    pub started: Instant,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is counted too, as a run of a worker by id.
    pub worker: Option<Place>,
    /// Code and input take as much memory as the body did that they came in, until it ends.
    pub body: Held,
}

impl Flight {
    /// It came to an end.
    pub fn land(mut self, verdict: Verdict, usage: &Usage) {
        self.close(verdict, usage);
    }

    /// We failed.
    pub fn fail(self) {
        let usage = Usage { wall: self.started.elapsed(), ..Usage::default() };
        self.land(Verdict::HostError, &usage);
    }

    /// It was refused before it began.
    pub fn refuse(mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.forget();
        }
    }

    fn close(&mut self, verdict: Verdict, usage: &Usage) {
        let Some(ticket) = self.ticket.take() else { return };
        // Never code, input or keys: only what it was and what it cost.
        tracing::info!(
            execution = %self.id,
            request = self.caller.request_id(),
            client_request = self.caller.client_request_id(),
            namespace = %self.caller.namespace,
            tier = %self.caller.tier,
            worker = self.worker.as_ref().map(|place| &*place.worker().id),
            outcome = verdict.name(),
            wall_ms = ms(usage.wall),
            cpu_ms = ms(usage.cpu),
            fuel = usage.fuel,
            peak_memory_bytes = usage.peak_memory_bytes,
            output_bytes = usage.output_bytes,
            cold_start = usage.cold_start,
            "execution"
        );
        self.metrics.execution(verdict, self.caller.tier, usage);
        if let Some(worker) = &self.worker {
            self.metrics.worker_counts.ended(worker, verdict, usage);
        }
        ticket.finish(Receipt { started_at: self.started_at, verdict, usage: usage.clone() });
    }
}

impl Drop for Flight {
    /// Dropped before it ended: whoever waited for it has gone.
    fn drop(&mut self) {
        let usage = Usage { wall: self.started.elapsed(), ..Usage::default() };
        self.close(Verdict::Terminated(Termination::Cancelled), &usage);
    }
}
