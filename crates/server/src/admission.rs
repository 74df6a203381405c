//! How much of the server a namespace may use: executions at once with a bounded queue before them, and how many
//! within a minute. One gate per namespace, forgotten when nobody uses it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use doer_core::{limits::Rates, rate::Rate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    auth::Caller,
    http::error::{ApiError, ErrorCode},
};

/// After so many entries idle gates are looked for.
const SWEEP_ABOVE: usize = 10_000;

/// The gates of all namespaces.
#[derive(Debug)]
pub struct Admission {
    gates: DashMap<String, Arc<Gate>>,
    /// Rates go by the time since then, which nobody sets.
    start: Instant,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// An execution.
    Execution,
    /// So many service calls over HTTP.
    Calls(u32),
}

#[derive(Debug)]
struct Gate {
    running: Arc<Semaphore>,
    /// Permits that exist, as the allowance had it when it was last looked at.
    size: AtomicU32,
    waiting: AtomicU32,
    executions: Rate,
    calls: Rate,
}

/// The right to run one execution; others of the namespace wait until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
}

impl Default for Admission {
    fn default() -> Self {
        Self { gates: DashMap::new(), start: Instant::now() }
    }
}

impl Admission {
    /// Counts against the rate of a caller's namespace.
    ///
    /// # Errors
    /// `rate_limit`, with the time after which there is room again.
    pub fn count(&self, caller: &Caller, rates: &Rates, counted: Counted) -> Result<(), ApiError> {
        let (limit, number, what) = match counted {
            Counted::Execution => (rates.executions_per_minute, 1, "executions"),
            Counted::Calls(number) => (rates.calls_per_minute, number, "calls"),
        };
        let Some(limit) = limit else { return Ok(()) };
        let gate = self.gate(caller, rates);
        let rate = match counted {
            Counted::Execution => &gate.executions,
            Counted::Calls(_) => &gate.calls,
        };
        rate.take(number, limit, self.start.elapsed()).map_err(|wait| {
            let message = format!("Rate limit exceeded: {limit} {what} per minute");
            ApiError::new(ErrorCode::RateLimit, message).after(wait)
        })
    }

    /// Waits until the namespace has room for one more execution, `patience` at most.
    ///
    /// # Errors
    /// `concurrency_limit` where too many wait already; `None` where patience came to its end.
    pub async fn enter(
        &self,
        caller: &Caller,
        rates: &Rates,
        patience: Duration,
    ) -> Result<Option<Admitted>, ApiError> {
        let gate = self.gate(caller, rates);
        if let Ok(permit) = gate.running.clone().try_acquire_owned() {
            return Ok(Some(Admitted { _permit: permit }));
        }
        let full = || {
            let message = format!(
                "Concurrency limit exceeded: {} executions run and {} wait in this namespace",
                rates.concurrency, rates.waiting
            );
            ApiError::new(ErrorCode::ConcurrencyLimit, message).after(Duration::from_secs(1))
        };
        let _place = Place::take(&gate.waiting, rates.waiting).ok_or_else(full)?;
        match tokio::time::timeout(patience, gate.running.clone().acquire_owned()).await {
            Ok(permit) => Ok(permit.ok().map(|permit| Admitted { _permit: permit })),
            Err(_) => Ok(None),
        }
    }

    /// Executions of the caller's namespace that run now, and what is left of its rate.
    pub fn state(&self, caller: &Caller, rates: &Rates) -> State {
        let gate = self.gate(caller, rates);
        let now = self.start.elapsed();
        let free = u32::try_from(gate.running.available_permits()).unwrap_or(u32::MAX);
        State {
            running: gate.size.load(Ordering::Relaxed).saturating_sub(free),
            executions_left: rates.executions_per_minute.map(|limit| gate.executions.left(limit, now)),
            calls_left: rates.calls_per_minute.map(|limit| gate.calls.left(limit, now)),
        }
    }

    fn gate(&self, caller: &Caller, rates: &Rates) -> Arc<Gate> {
        if self.gates.len() > SWEEP_ABOVE {
            let now = self.start.elapsed();
            // Held by the map alone, and nothing in it that a new one would not say as well.
            self.gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.is_idle(now));
        }
        let gate = self.gates.entry(caller.counted_as()).or_insert_with(|| Arc::new(Gate::new(rates.concurrency)));
        gate.resize(rates.concurrency);
        Arc::clone(&gate)
    }
}

/// What of its rates a namespace uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Executions that run.
    pub running: u32,
    /// Executions that could begin now; `None` is any number.
    pub executions_left: Option<u32>,
    /// Calls that could be made now; `None` is any number.
    pub calls_left: Option<u32>,
}

impl Gate {
    fn new(concurrency: u32) -> Self {
        Self {
            running: Arc::new(Semaphore::new(concurrency as usize)),
            size: AtomicU32::new(concurrency),
            waiting: AtomicU32::new(0),
            executions: Rate::default(),
            calls: Rate::default(),
        }
    }

    /// A tenant may be given more, or less, while its executions run.
    fn resize(&self, concurrency: u32) {
        let before = self.size.swap(concurrency, Ordering::AcqRel);
        if concurrency > before {
            self.running.add_permits((concurrency - before) as usize);
        } else if concurrency < before {
            // Those in use come back as too many; they are taken out with the next look.
            let taken = self.running.forget_permits((before - concurrency) as usize);
            let missing = before - concurrency - u32::try_from(taken).unwrap_or(u32::MAX);
            self.size.fetch_add(missing, Ordering::AcqRel);
        }
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.running.available_permits() == self.size.load(Ordering::Relaxed) as usize
            && self.executions.is_idle(now)
            && self.calls.is_idle(now)
    }
}

/// A place in the queue; leaving it gives it back.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicU32, limit: u32) -> Option<Self> {
        let taken = waiting.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |now| (now < limit).then_some(now + 1));
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::{auth::AuthContext, id::RequestId};

    use super::*;

    fn caller() -> Caller {
        Caller::new(AuthContext::anonymous(RequestId::generate(), 0))
    }

    fn rates(concurrency: u32, waiting: u32, per_minute: Option<u32>) -> Rates {
        Rates { concurrency, waiting, executions_per_minute: per_minute, calls_per_minute: per_minute }
    }

    #[tokio::test(start_paused = true)]
    async fn executions_beyond_the_limit_wait_and_beyond_the_queue_are_refused() {
        let admission = Admission::default();
        let rates = rates(1, 1, None);
        let second = Duration::from_secs(1);
        let first = admission.enter(&caller(), &rates, second).await.unwrap().unwrap();
        assert_eq!(admission.state(&caller(), &rates).running, 1);
        let caller_of_second = caller();
        let mut waiting = Box::pin(admission.enter(&caller_of_second, &rates, second));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let refused = admission.enter(&caller(), &rates, second).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::ConcurrencyLimit);
        drop(first);
        assert!(waiting.await.unwrap().is_some());
        assert_eq!(admission.state(&caller(), &rates).running, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let admission = Admission::default();
        let rates = rates(0, 1, None);
        assert!(admission.enter(&caller(), &rates, Duration::from_secs(5)).await.unwrap().is_none());
    }

    #[test]
    fn a_rate_is_one_namespaces_and_says_when_to_come_back() {
        let admission = Admission::default();
        let rates = rates(1, 1, Some(2));
        admission.count(&caller(), &rates, Counted::Execution).unwrap();
        admission.count(&caller(), &rates, Counted::Execution).unwrap();
        let refused = admission.count(&caller(), &rates, Counted::Execution).unwrap_err();
        assert_eq!(refused.message, "Rate limit exceeded: 2 executions per minute");
        assert!(refused.retry_after.is_some());
        admission.count(&caller(), &rates, Counted::Calls(2)).unwrap();
        assert!(admission.count(&caller(), &rates, Counted::Calls(1)).is_err());
    }

    #[tokio::test]
    async fn a_gate_can_be_made_smaller_while_it_is_in_use() {
        let admission = Admission::default();
        let second = Duration::from_secs(1);
        let held = admission.enter(&caller(), &rates(2, 0, None), second).await.unwrap();
        let other = admission.enter(&caller(), &rates(2, 0, None), second).await.unwrap();
        assert!(admission.enter(&caller(), &rates(1, 0, None), second).await.is_err());
        drop((held, other));
        let one = admission.enter(&caller(), &rates(1, 0, None), second).await.unwrap();
        assert!(one.is_some());
        assert!(admission.enter(&caller(), &rates(1, 0, None), second).await.is_err());
    }
}
