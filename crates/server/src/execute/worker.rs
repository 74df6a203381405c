//! Calls of workers: admitted, counted and recorded like any other execution.

use std::{future::Future, sync::Arc, time::Instant};

use doer_core::{
    id::ExecutionId,
    ledger::Ledger,
    limits::{Limits, Rates},
    outbound::HttpRequest,
    scope::Scope,
    scoped::{Grants, ScopedServices},
};
use doer_sandbox::{
    Answer, Console, Entrypoint, Error, Event, Invocation, Outcome, Surface, Usage, WholeReply,
    loader::{LoadError, Stub},
};
use serde_json::value::RawValue;

use super::{context::guest_context, flight::Flight, runner::Runner, verdict::Verdict};
use crate::{
    auth::Caller,
    budget::Held,
    http::error::{ApiError, ErrorCode},
    workers::Tail,
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
        })
    }
}

impl Runner {
    /// Has a worker answer a request. Dropping the future cancels the execution.
    ///
    /// # Errors
    /// `overloaded`, `concurrency_limit`, `not_found`, `internal`, and those of [`Runner::available`].
    pub async fn fetch_worker(
        &self,
        call: WorkerCall,
        request: HttpRequest,
        flight: Flight,
    ) -> Result<Outcome<WholeReply>, ApiError> {
        let ask =
            |stub: Stub, entrypoint, invocation| async move { stub.fetch_whole(entrypoint, request, invocation).await };
        self.run_stub(call, flight, ask).await
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
        let ask = |stub: Stub, entrypoint, invocation| async move {
            stub.call(entrypoint, method, arguments, invocation).await
        };
        self.run_stub(call, flight, ask).await
    }

    /// Enters a call as running; `body` is what it holds of the budget for bodies.
    ///
    /// # Errors
    /// None but `conflict`, which a new id does not meet.
    pub fn begin_call(&self, caller: &Caller, body: Held) -> Result<Flight, ApiError> {
        self.enter(ExecutionId::generate(), caller, body)
    }

    async fn run_stub<A, F, R>(&self, call: WorkerCall, flight: Flight, ask: F) -> Result<Outcome<A>, ApiError>
    where
        F: FnOnce(Stub, Entrypoint, Invocation) -> R,
        R: Future<Output = Result<Outcome<A>, LoadError>>,
    {
        if let Err(error) = self.available() {
            flight.refuse();
            return Err(error);
        }
        let started = Instant::now();
        let (flight, _admitted) = self.admit(flight, &call.rates, call.limits.wall).await?;
        let services = self.services_of(&call);
        let WorkerCall { stub, entrypoint, limits, context, tail, .. } = call;
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
        let outcome = match ask(stub, entrypoint, invocation).await {
            Ok(outcome) => outcome,
            Err(LoadError::Code(error)) => Outcome {
                answer: Err(Arc::unwrap_or_clone(error)),
                logs: Vec::new(),
                truncated: false,
                requests: Vec::new(),
                usage: Usage { wall: started.elapsed(), cold_start: true, ..Usage::default() },
            },
            Err(error) => return Err(not_loaded(flight, &error)),
        };
        let verdict = Verdict::of(&outcome);
        if let Some(listening) = listening {
            listening.ended(verdict.name(), outcome.answer.as_ref().err(), &outcome.usage);
        }
        flight.land(verdict, &outcome.usage);
        Ok(outcome)
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

fn not_loaded(flight: Flight, error: &LoadError) -> ApiError {
    match error {
        LoadError::NotFound => {
            flight.refuse();
            ApiError::new(ErrorCode::NotFound, "Worker not found")
        }
        LoadError::Host(error) if matches!(**error, Error::Full { .. }) => {
            flight.refuse();
            ApiError::new(ErrorCode::Overloaded, "The server is full, try again")
        }
        LoadError::Host(error) => {
            flight.fail();
            ApiError::internal(&**error)
        }
        LoadError::Factory(_) | LoadError::Code(_) => {
            flight.fail();
            ApiError::internal(error)
        }
    }
}
