//! Runs plans: admission, the result cache, the sandbox, and what is told of it afterwards.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doer_core::{
    id::ExecutionId,
    ledger::Ledger,
    limits::Rates,
    scoped::{ScopedServices, Services},
    time::Clock,
};
use doer_sandbox::{Console, Error, Event, Invocation, Outcome, Program, Sandbox, Usage};
use tokio_util::sync::CancellationToken;

use super::{cache::ResultCache, cache_key::CacheKey, done::Done, flight::Flight, plan::Plan, verdict::Verdict};
use crate::{
    admission::{Admission, Admitted},
    allowances::Allowances,
    auth::Caller,
    budget::Held,
    executions::Executions,
    http::error::{ApiError, ErrorCode},
    lifecycle::Lifecycle,
    telemetry::Metrics,
    workers::Workers,
};

/// Runs plans.
pub struct Runner {
    /// Absent where `execution.enabled = false`.
    pub sandbox: Option<Sandbox>,
    /// What code may reach.
    pub services: Arc<Services>,
    /// Workers by id, for what is told to them.
    pub workers: Arc<Workers>,
    /// What callers are allowed.
    pub allowances: Arc<Allowances>,
    /// How much of the server each namespace uses.
    pub admission: Admission,
    /// Who runs and who ran.
    pub executions: Arc<Executions>,
    /// Results kept.
    pub cache: ResultCache,
    /// Where runs are counted.
    pub metrics: Arc<Metrics>,
    /// For receipts.
    pub clock: Arc<dyn Clock>,
    /// Whether new work is taken, and until when running work may run.
    pub lifecycle: Lifecycle,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("enabled", &self.sandbox.is_some()).finish_non_exhaustive()
    }
}

impl Runner {
    /// Is code run at all, now?
    ///
    /// # Errors
    /// `loader_unavailable`, or `service_unavailable` while draining.
    pub fn available(&self) -> Result<&Sandbox, ApiError> {
        let Some(sandbox) = &self.sandbox else {
            return Err(ApiError::new(ErrorCode::LoaderUnavailable, "Worker Loader not available"));
        };
        if self.lifecycle.is_draining() {
            return Err(ApiError::new(ErrorCode::ServiceUnavailable, "The server is shutting down"));
        }
        Ok(sandbox)
    }

    /// The kept answer to a plan, where there is one.
    pub fn cached(&self, plan: &Plan) -> Option<Done> {
        let key = plan.cache_key.as_ref()?;
        let kept = self.cache.get(key, Instant::now());
        self.metrics.result_cache(kept.is_some());
        Some(Done {
            outcome: Ok(kept?),
            usage: Usage::default(),
            id: plan.id.clone(),
            cache_hit: true,
            // Nothing ran, so nothing was asked for.
            requests: plan.capture_fetch.then(Vec::new),
        })
    }

    /// Enters a plan as running; `body` is what it holds of the budget for bodies.
    ///
    /// # Errors
    /// `conflict` where its id is taken.
    pub fn begin(&self, plan: &Plan, caller: &Caller, body: Held) -> Result<Flight, ApiError> {
        self.enter(plan.id.clone(), caller, body)
    }

    /// Enters an execution as running.
    ///
    /// # Errors
    /// As [`Runner::begin`].
    pub fn enter(&self, id: ExecutionId, caller: &Caller, body: Held) -> Result<Flight, ApiError> {
        let cancel = self.lifecycle.execution_token();
        let started_at = self.clock.now();
        let key = (caller.namespace.clone(), id.clone());
        let Some(ticket) = self.executions.begin(key, started_at, cancel.clone()) else {
            return Err(ApiError::new(ErrorCode::Conflict, format!("Execution {id} exists already")));
        };
        Ok(Flight {
            ticket: Some(ticket),
            cancel,
            id,
            caller: caller.clone(),
            started_at,
            started: Instant::now(),
            metrics: Arc::clone(&self.metrics),
            worker: None,
            body,
        })
    }

    /// Waits until the namespace of an execution has room for it, `patience` at most.
    ///
    /// # Errors
    /// `concurrency_limit`; the execution is refused then.
    pub async fn admit(
        &self,
        flight: Flight,
        rates: &Rates,
        patience: Duration,
    ) -> Result<(Flight, Option<Admitted>), ApiError> {
        // Where patience comes to its end, or the run is cancelled meanwhile, the sandbox says so in its own words.
        let admitted = tokio::select! {
            admitted = self.admission.enter(&flight.caller, rates, patience) => admitted,
            () = flight.cancel.cancelled() => Ok(None),
        };
        match admitted {
            Ok(admitted) => Ok((flight, admitted)),
            Err(error) => {
                flight.refuse();
                Err(error)
            }
        }
    }

    /// Runs a plan to its end. Dropping the future cancels the execution.
    ///
    /// # Errors
    /// `overloaded`, `internal`, and those of [`Runner::available`].
    pub async fn run(&self, plan: Plan, flight: Flight, console: Console) -> Result<Done, ApiError> {
        let sandbox = match self.available() {
            Ok(sandbox) => sandbox,
            Err(error) => {
                flight.refuse();
                return Err(error);
            }
        };
        let started = Instant::now();
        let (flight, _admitted) = self.admit(flight, &plan.rates, plan.limits.wall).await?;
        let (id, cache_key, capture_fetch) = (plan.id.clone(), plan.cache_key, plan.capture_fetch);
        let services = self.scoped(&plan);
        let (program, invocation) = invocation(plan, Some(services), console, flight.cancel.clone(), started);
        match sandbox.execute(program, invocation).await {
            Ok(outcome) => {
                flight.land(Verdict::of(&outcome), &outcome.usage);
                Ok(self.keep(outcome, id, cache_key, capture_fetch))
            }
            Err(error @ Error::Full { .. }) => {
                flight.refuse();
                tracing::debug!(%error, "refused");
                Err(ApiError::new(ErrorCode::Overloaded, "The server is full, try again"))
            }
            Err(
                error @ (Error::Engine { .. }
                | Error::Protocol(_)
                | Error::Compiler(_)
                | Error::Panicked
                | Error::Io { .. }),
            ) => {
                flight.fail();
                Err(ApiError::internal(&error))
            }
        }
    }

    /// The services as a plan's code has them.
    fn scoped(&self, plan: &Plan) -> ScopedServices {
        let ledger = Ledger::new(plan.limits.calls, plan.limits.transfer_bytes, plan.capture_fetch);
        ScopedServices::new(Arc::clone(&self.services), Arc::clone(&plan.scope), plan.grants, Arc::new(ledger))
    }

    fn keep(&self, outcome: Outcome, id: ExecutionId, cache_key: Option<CacheKey>, capture_fetch: bool) -> Done {
        let done = Done::new(outcome, id, capture_fetch);
        if let (Some(key), Ok(kept)) = (cache_key, &done.outcome) {
            self.cache.put(key, Arc::clone(kept), Instant::now());
        }
        done
    }
}

/// What the sandbox is told of a plan.
pub fn invocation(
    plan: Plan,
    services: Option<ScopedServices>,
    console: Console,
    cancel: CancellationToken,
    started: Instant,
) -> (Program, Invocation) {
    let invocation = Invocation {
        services,
        started,
        event: Event::Execute(plan.input),
        context: plan.context,
        surface: plan.surface,
        limits: plan.limits,
        truncate: plan.truncate,
        console: if plan.capture_console { console } else { Console::Discard },
        cancel,
    };
    (plan.program, invocation)
}
