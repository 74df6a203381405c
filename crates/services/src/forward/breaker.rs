//! A circuit breaker: a service that keeps failing is left alone for a while, and then asked by one call at a time
//! until it answers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doer_core::time::Clock;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures one after another that open it. 5 by default.
    pub failures: u32,
    /// How long no call is tried then. 30 s by default.
    pub open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(30) }
    }
}

/// Lets calls through as long as they mostly succeed.
pub(super) struct Breaker {
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls go through; so many have failed since one succeeded.
    Closed { failures: u32 },
    /// No call goes through until then, in milliseconds since the Unix epoch.
    Open { until_ms: u64 },
    /// One call is under way, to see whether the others may.
    HalfOpen,
}

/// Of one call that was let through. Dropped without being settled it says nothing: a caller that goes away must not
/// be able to close a service to everyone else.
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Well,
    Failed,
    Unknown,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Lets a call through, or says how long until one may.
    pub(super) fn admit(&self) -> Result<Permit<'_>, Duration> {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => {}
            State::Open { until_ms } => match until_ms.saturating_sub(self.clock.now_ms()) {
                0 => *state = State::HalfOpen,
                // A clock that was set back must not keep it open for longer than it opens for.
                left_ms => return Err(Duration::from_millis(left_ms).min(self.settings.open)),
            },
            State::HalfOpen => return Err(Duration::from_secs(1).min(self.settings.open)),
        }
        Ok(Permit { breaker: self, outcome: Outcome::Unknown })
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed { .. })
    }

    fn settle(&self, outcome: Outcome) {
        let mut state = self.state();
        let open_for = |wait: Duration| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            State::Open { until_ms: self.clock.now_ms().saturating_add(wait_ms) }
        };
        *state = match (*state, outcome) {
            // The answer to a call from before it opened says nothing of now.
            (open @ State::Open { .. }, _) => open,
            (_, Outcome::Well) => State::Closed { failures: 0 },
            // The next call may find out.
            (State::HalfOpen, Outcome::Unknown) => open_for(Duration::ZERO),
            (State::HalfOpen, Outcome::Failed) => open_for(self.settings.open),
            (closed @ State::Closed { .. }, Outcome::Unknown) => closed,
            (State::Closed { failures }, Outcome::Failed) if failures + 1 >= self.settings.failures => {
                open_for(self.settings.open)
            }
            (State::Closed { failures }, Outcome::Failed) => State::Closed { failures: failures + 1 },
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The call is over; did the service answer as it should?
    pub(super) fn settle(mut self, well: bool) {
        self.outcome = if well { Outcome::Well } else { Outcome::Failed };
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.breaker.settle(self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::time::ManualClock;

    use super::*;

    fn breaker() -> (Breaker, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let settings = BreakerSettings { failures: 2, open: Duration::from_secs(30) };
        (Breaker::new(settings, clock.clone()), clock)
    }

    fn fail(breaker: &Breaker) {
        breaker.admit().ok().unwrap().settle(false);
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let (breaker, clock) = breaker();
        fail(&breaker);
        breaker.admit().ok().unwrap().settle(true);
        fail(&breaker);
        assert!(breaker.is_closed(), "a success in between");
        fail(&breaker);
        assert!(!breaker.is_closed());
        assert_eq!(breaker.admit().err(), Some(Duration::from_secs(30)));
        clock.advance(Duration::from_millis(29_999));
        assert_eq!(breaker.admit().err(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn one_call_at_a_time_finds_out_whether_it_may_close() {
        let (breaker, clock) = breaker();
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_secs(30));
        let probe = breaker.admit().ok().unwrap();
        assert_eq!(breaker.admit().err(), Some(Duration::from_secs(1)));
        probe.settle(false);
        assert_eq!(breaker.admit().err(), Some(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        breaker.admit().ok().unwrap().settle(true);
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_caller_that_goes_away_changes_nothing_for_others() {
        let (breaker, clock) = breaker();
        for _ in 0..10 {
            drop(breaker.admit());
        }
        assert!(breaker.is_closed());
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_secs(30));
        drop(breaker.admit());
        assert!(breaker.admit().is_ok(), "the next one may find out");
    }

    #[test]
    fn a_late_success_does_not_close_it() {
        let (breaker, _) = breaker();
        let early = breaker.admit().ok().unwrap();
        fail(&breaker);
        fail(&breaker);
        early.settle(true);
        assert!(!breaker.is_closed());
    }
}
