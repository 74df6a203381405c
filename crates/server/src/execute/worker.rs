//! Calls of workers: admitted, counted and recorded like any other execution.

use std::{sync::Arc, time::Instant};

use doer_core::{
    fault::Termination,
    id::ExecutionId,
    ledger::Ledger,
    limits::{Limits, Rates},
    scope::Scope,
    scoped::{Grants, ScopedServices},
};
use doer_sandbox::{
    Answer, Answered, Console, Entrypoint, Error, Event, GuestError, Invocation, Outcome, Reply, Request, Surface,
    Usage,
    loader::{Key, LoadError, Stub},
};
use serde_json::value::RawValue;

use super::{context::guest_context, flight::Flight, runner::Runner, verdict::Verdict};
use crate::{
    admission::Admitted,
    auth::Caller,
    budget::Held,
    http::error::{ApiError, ErrorCode},
    workers::{Tail, Tailing},
};

/// A call of a worker, decided but for what is asked of it.
#[derive(Debug)]
pub struct WorkerCall {
    /// The worker.
    pub stub: Stub,
    /// Which of its exports.
    pub entrypoint: Entrypoint,
    /// What it may use.
    pub limits: Limits,
    /// What its namespace may use at once.
    pub rates: Rates,
    /// Services that it gets.
    pub grants: Grants,
    /// Do its requests go out?
    pub network: bool,
    /// `ctx`.
    pub context: Box<RawValue>,
    /// On whose behalf.
    pub scope: Arc<Scope>,
    /// Who listens to what it writes, where anybody does.
    pub tail: Option<Tail>,
    /// What it is registered as, where it is.
    pub registered: Option<Key>,
}

impl WorkerCall {
    /// A call on behalf of a caller, with all that the caller may use.
    ///
    /// # Errors
    /// `internal`.
    pub fn new(
        stub: Stub,
        caller: &Caller,
        limits: Limits,
        rates: Rates,
        props: Option<&RawValue>,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            stub,
            entrypoint: Entrypoint::default(),
            limits,
            rates,
            grants: Grants::of(caller.tier.services().iter().copied()),
            network: true,
            context: guest_context(caller, props)?,
            scope: Arc::clone(caller.scope()),
            tail: None,
            registered: None,
        })
    }
}

/// A call on its way.
struct Begun {
    flight: Flight,
    _admitted: Option<Admitted>,
    listening: Option<Tailing>,
}

impl Begun {
    fn land<A>(self, outcome: &Outcome<A>) {
        let verdict = Verdict::of(outcome);
        if let Some(listening) = self.listening {
            listening.ended(verdict.name(), outcome.answer.as_ref().err(), &outcome.usage);
        }
        self.flight.land(verdict, &outcome.usage);
    }
}

impl Runner {
    /// Has a worker answer a request: the reply, whose body may still be on its way, or why there is none. Dropping the
    /// future cancels the execution; dropping the body breaks it off.
    ///
    /// # Errors
    /// `overloaded`, `concurrency_limit`, `not_found`, `internal`, and those of [`Runner::available`].
    pub async fn fetch_worker(
        &self,
        call: WorkerCall,
        request: Request,
        flight: Flight,
    ) -> Result<Result<Reply, GuestError>, ApiError> {
        let (stub, entrypoint) = (call.stub.clone(), call.entrypoint.clone());
        let (begun, invocation) = self.begin_run(call, flight).await?;
        let Answered { answer, run } = match stub.fetch(entrypoint, request, invocation).await {
            Ok(answered) => answered,
            Err(error) => return not_loaded(begun, error).map(|outcome| outcome.answer),
        };
        let over = run.is_over();
        let landing = async move {
            match run.ended().await {
                Ok(outcome) => begun.land(&outcome),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a worker's run failed after its answer");
                    begun.flight.fail();
                }
            }
        };
        // What is left of it ends before the server does.
        if over {
            landing.await
        } else {
            self.lifecycle.spawn(landing)
        }
        Ok(answer)
    }

    /// Calls a method of a worker. Dropping the future cancels the execution.
    ///
    /// # Errors
    /// As [`Runner::fetch_worker`].
    pub async fn call_worker(
        &self,
        call: WorkerCall,
        method: String,
        arguments: Box<RawValue>,
        flight: Flight,
    ) -> Result<Outcome<Answer>, ApiError> {
        let (stub, entrypoint) = (call.stub.clone(), call.entrypoint.clone());
        let (begun, invocation) = self.begin_run(call, flight).await?;
        match stub.call(entrypoint, method, arguments, invocation).await {
            Ok(outcome) => {
                begun.land(&outcome);
                Ok(outcome)
            }
            Err(error) => not_loaded(begun, error),
        }
    }

    /// Loads a worker and calls nothing of it: its code is compiled, and what is wrong with that is in the inner result.
    ///
    /// # Errors
    /// As [`Runner::fetch_worker`].
    pub async fn load_worker(&self, call: WorkerCall, flight: Flight) -> Result<Result<(), GuestError>, ApiError> {
        let (stub, wall) = (call.stub.clone(), call.limits.wall);
        let (begun, _) = self.begin_run(call, flight).await?;
        let answer = match tokio::time::timeout(wall, stub.loaded()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => return not_loaded(begun, error).map(|outcome: Outcome<()>| outcome.answer),
            Err(_) => Err(GuestError { code: Some(Termination::Timeout), ..GuestError::default() }),
        };
        let usage = Usage { wall: begun.flight.started.elapsed(), cold_start: true, ..Usage::default() };
        let outcome = Outcome { answer, logs: Vec::new(), truncated: false, requests: Vec::new(), usage };
        begun.land(&outcome);
        Ok(outcome.answer)
    }

    /// Enters a call as running; `body` is what it holds of the budget for bodies.
    ///
    /// # Errors
    /// None but `conflict`, which a new id does not meet.
    pub fn begin_call(&self, caller: &Caller, body: Held) -> Result<Flight, ApiError> {
        self.enter(ExecutionId::generate(), caller, body)
    }

    /// Admits a call, and says what its run is given.
    async fn begin_run(&self, call: WorkerCall, mut flight: Flight) -> Result<(Begun, Invocation), ApiError> {
        if let Err(error) = self.available() {
            flight.refuse();
            return Err(error);
        }
        flight.worker = call.registered.clone().map(|worker| self.metrics.worker_counts.place(worker));
        let started = Instant::now();
        let (flight, admitted) = self.admit(flight, &call.rates, call.limits.wall).await?;
        let services = self.services_of(&call);
        let WorkerCall { limits, context, tail, .. } = call;
        let (console, listening) = match tail {
            Some(tail) => {
                let (console, listening, listener) = tail.follow(&flight.id, self.clock.now_ms());
                self.lifecycle.spawn(listener);
                (console, Some(listening))
            }
            None => (Console::Capture, None),
        };
        let invocation = Invocation {
            // The stub puts what is asked in its place.
            event: Event::Execute(None),
            context,
            surface: Surface::Full,
            limits,
            started,
            services: Some(services),
            truncate: false,
            console,
            cancel: flight.cancel.clone(),
        };
        Ok((Begun { flight, _admitted: admitted, listening }, invocation))
    }

    fn services_of(&self, call: &WorkerCall) -> ScopedServices {
        let ledger = Arc::new(Ledger::new(call.limits.calls, call.limits.transfer_bytes, false));
        let services = ScopedServices::new(Arc::clone(&self.services), Arc::clone(&call.scope), call.grants, ledger);
        if call.network {
            return services;
        }
        services.confined("fetch is not permitted: the worker's globalOutbound is null")
    }
}

/// A worker that cannot be loaded: code that does not compile is the guest's failure.
fn not_loaded<A>(begun: Begun, error: LoadError) -> Result<Outcome<A>, ApiError> {
    let error = match error {
        LoadError::Code(error) => {
            let outcome = Outcome {
                answer: Err(Arc::unwrap_or_clone(error)),
                logs: Vec::new(),
                truncated: false,
                requests: Vec::new(),
                usage: Usage { wall: begun.flight.started.elapsed(), cold_start: true, ..Usage::default() },
            };
            begun.land(&outcome);
            return Ok(outcome);
        }
        error => error,
    };
    let flight = begun.flight;
    match error {
        LoadError::NotFound => {
            // It went between the look at it and its call.
            if let Some(place) = &flight.worker {
                flight.metrics.worker_counts.removed(place.worker());
            }
            flight.refuse();
            Err(ApiError::new(ErrorCode::NotFound, "Worker not found"))
        }
        LoadError::Host(error) if matches!(*error, Error::Full { .. }) => {
            flight.refuse();
            Err(ApiError::new(ErrorCode::Overloaded, "The server is full, try again"))
        }
        error => {
            flight.fail();
            Err(ApiError::internal(&error))
        }
    }
}
