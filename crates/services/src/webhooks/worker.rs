//! What moves by itself: one loop for deliveries and one for events, each waking when something is written and when
//! something becomes due, and one that forgets what is long done.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    State,
    lanes::{self, Busy, Claim, Kind, Settled},
    trim,
    waits::Waits,
};
use crate::Error;

/// Before the database is asked again after it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep: a clock that was set is noticed after it.
const MAX_SLEEP: Duration = Duration::from_mins(1);
/// How much longer than the attempt itself a claim holds: time to record what came of it.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Before an attempt that did not count is made again.
const NOT_NOW: Duration = Duration::from_secs(10);
/// Before a lane is looked at again whose owner may do nothing at present.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Characters of an error that are kept.
const MAX_ERROR_CHARS: usize = 500;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It went well, with this status of the answer.
    Done(Option<u16>),
    /// It failed.
    Failed {
        status: Option<u16>,
        error: String,
        /// What the other side asks for.
        retry_after: Option<Duration>,
    },
    /// It failed, and will for ever.
    Hopeless { status: Option<u16>, error: String },
    /// It could not be tried.
    NotNow(String),
    /// Nothing of its lane may be tried at present: it waits, however long that takes.
    Held(&'static str),
}

impl Outcome {
    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self::Failed { status: None, error: error.into(), retry_after: None }
    }
}

impl State {
    /// Does one kind of work until told to stop; what has begun then is waited for.
    pub(super) async fn work(self: Arc<Self>, kind: Kind, stopping: CancellationToken) {
        let busy = Arc::new(Mutex::new(Busy::default()));
        let mut running = JoinSet::new();
        while !stopping.is_cancelled() {
            while running.try_join_next().is_some() {}
            let sleep = match self.begin_due(kind, &busy, &mut running).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::error!(kind = kind.table(), error = &error as &dyn std::error::Error, "cannot claim work");
                    PAUSE
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.wake(kind).notified() => {}
                // A panic has been reported by the hook; its lease ends, and the work is done again.
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Begins everything that is due and has room; says how long nothing more becomes due.
    async fn begin_due(
        self: &Arc<Self>,
        kind: Kind,
        busy: &Arc<Mutex<Busy>>,
        running: &mut JoinSet<()>,
    ) -> Result<Duration, Error> {
        let (limits, lease) = (self.settings.concurrency, self.attempt_timeout(kind) + LEASE_MARGIN);
        loop {
            let (shared, now) = (busy.clone(), self.clock.now_ms());
            let claimed = self.database.write(move |transaction| {
                let claims = lanes::claim(transaction, kind, &shared, limits, now, millis(lease))?;
                Ok((claims, lanes::next_due(transaction, kind, now)?))
            });
            let (claims, next) = self.watched(claimed.await)?;
            if claims.is_empty() {
                let rested = busy.lock().unwrap_or_else(PoisonError::into_inner).next_rested();
                let next = next.into_iter().chain(rested).min();
                let sleep = next.map_or(MAX_SLEEP, |due| Duration::from_millis(due.saturating_sub(now)));
                return Ok(sleep.min(MAX_SLEEP));
            }
            for claim in claims {
                running.spawn(self.clone().attempt(kind, claim));
            }
        }
    }

    async fn attempt(self: Arc<Self>, kind: Kind, claim: Claim) {
        let attempted = match kind {
            Kind::Delivery => self.deliver(&claim).await,
            Kind::Event => self.hand_on(&claim).await,
        };
        let outcome = attempted.unwrap_or_else(|error| {
            tracing::error!(id = claim.id, error = &error as &dyn std::error::Error, "an attempt failed by our fault");
            Outcome::failed("Internal error")
        });
        let now = self.clock.now_ms();
        if let Outcome::Held(_) = outcome {
            claim.rest_lane(now + millis(LOOK_AGAIN));
        }
        let settled = settled(kind, claim.attempt, outcome, self.waits(kind), now);
        let keep = self.kept();
        let recorded = self.database.write(move |transaction| {
            lanes::settle(transaction, kind, &claim, &settled, now)?;
            trim::forget_finished(transaction, kind, &claim.namespace, keep, trim::AT_ONCE)
        });
        if let Err(error) = self.watched(recorded.await) {
            tracing::error!(error = &error as &dyn std::error::Error, "an outcome is not recorded; the lease ends it");
        }
    }

    fn waits(&self, kind: Kind) -> &Waits {
        match kind {
            Kind::Delivery => &self.settings.delivery_waits,
            Kind::Event => &self.settings.event_waits,
        }
    }

    fn attempt_timeout(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Delivery => self.settings.attempt_timeout,
            Kind::Event => self.settings.hand_on_timeout,
        }
    }

    /// Notes whether the database is well.
    pub(super) fn watched<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let failed = !matches!(result, Ok(_) | Err(Error::Refused(_)));
        self.failing.store(failed, Relaxed);
        result
    }
}

fn settled(kind: Kind, attempt: u32, outcome: Outcome, waits: &Waits, now_ms: u64) -> Settled {
    let at = |wait: Duration| Some(now_ms + millis(wait));
    let (status, due_at, last_status, error) = match outcome {
        Outcome::Done(status) => (kind.done(), None, status, None),
        Outcome::Hopeless { status, error } => ("dead", None, status, Some(error)),
        Outcome::Failed { status, error, retry_after } => match waits.after(attempt) {
            Some(wait) => ("failed", at(wait.max(retry_after.unwrap_or_default())), status, Some(error)),
            None => ("dead", None, status, Some(error)),
        },
        Outcome::NotNow(error) => return put_off(attempt, at(NOT_NOW), error),
        // Due at once; it is the lane that rests.
        Outcome::Held(error) => return put_off(attempt, Some(now_ms), error.to_owned()),
    };
    Settled { status, due_at, attempts: attempt, last_status, last_error: error.map(shortened) }
}

/// After an attempt that does not count.
fn put_off(attempt: u32, due_at: Option<u64>, error: String) -> Settled {
    let attempts = attempt - 1;
    let status = if attempts == 0 { "pending" } else { "failed" };
    Settled { status, due_at, attempts, last_status: None, last_error: Some(shortened(error)) }
}

fn shortened(error: String) -> String {
    match error.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => format!("{}...", &error[..end]),
        None => error,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits() -> Waits {
        Waits { list: vec![Duration::from_secs(5), Duration::from_mins(5)], jitter_percent: 0 }
    }

    fn failed(retry_after: Option<Duration>) -> Outcome {
        Outcome::Failed { status: Some(503), error: "no".to_owned(), retry_after }
    }

    #[test]
    fn a_failure_is_tried_again_until_there_is_no_wait_left() {
        let after = |attempt| settled(Kind::Delivery, attempt, failed(None), &waits(), 1000);
        assert_eq!((after(1).status, after(1).due_at), ("failed", Some(6_000)));
        assert_eq!((after(2).status, after(2).due_at), ("failed", Some(301_000)));
        assert_eq!((after(3).status, after(3).due_at), ("dead", None));
    }

    #[test]
    fn retry_after_puts_off_and_never_hurries() {
        let after = |wait| settled(Kind::Delivery, 1, failed(Some(wait)), &waits(), 0).due_at;
        assert_eq!(after(Duration::from_secs(60)), Some(60_000));
        assert_eq!(after(Duration::from_secs(1)), Some(5_000));
    }

    #[test]
    fn what_could_not_be_tried_does_not_count() {
        let settled = settled(Kind::Event, 3, Outcome::NotNow("full".to_owned()), &waits(), 0);
        assert_eq!((settled.status, settled.attempts, settled.due_at), ("failed", 2, Some(10_000)));
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        assert_eq!(shortened("ä".repeat(MAX_ERROR_CHARS)).len(), 2 * MAX_ERROR_CHARS);
        assert_eq!(shortened("ä".repeat(MAX_ERROR_CHARS + 1)), "ä".repeat(MAX_ERROR_CHARS) + "...");
    }
}
