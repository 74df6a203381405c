//! Requests per minute, by route and namespace: token buckets, full at first.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use doer_core::{tier::Namespace, time::Clock};

/// Buckets that are kept. A full one says as much as none, so those go first.
const MAX_BUCKETS: usize = 100_000;
const MINUTE_MS: u64 = 60_000;

/// How much of their rates callers have used.
pub(super) struct Rates {
    clock: Arc<dyn Clock>,
    buckets: DashMap<(usize, Namespace), Bucket>,
}

/// What is left, in sixty-thousandths of a request: one minute fills a bucket, one millisecond adds as many as
/// requests are allowed per minute.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at_ms: u64,
    per_minute: u64,
}

impl Bucket {
    fn full(per_minute: u32, at_ms: u64) -> Self {
        Self { left: u64::from(per_minute) * MINUTE_MS, at_ms, per_minute: per_minute.into() }
    }

    fn refill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms).min(MINUTE_MS);
        self.left = (self.left + passed * self.per_minute).min(self.per_minute * MINUTE_MS);
        // A clock that was set back adds nothing now, and goes on from there.
        self.at_ms = now_ms;
    }

    fn is_full(&self) -> bool {
        self.left == self.per_minute * MINUTE_MS
    }
}

impl Rates {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: DashMap::new() }
    }

    /// Takes one request; where there is none left, says how long until there is.
    pub(super) fn take(&self, route: usize, namespace: &Namespace, per_minute: u32) -> Result<(), Duration> {
        let now_ms = self.clock.now_ms();
        if self.buckets.len() >= MAX_BUCKETS {
            self.forget_full(now_ms);
        }
        let mut bucket =
            self.buckets.entry((route, namespace.clone())).or_insert_with(|| Bucket::full(per_minute, now_ms));
        bucket.refill(now_ms);
        match bucket.left.checked_sub(MINUTE_MS) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(Duration::from_millis((MINUTE_MS - bucket.left).div_ceil(bucket.per_minute))),
        }
    }

    fn forget_full(&self, now_ms: u64) {
        self.buckets.retain(|_, bucket| {
            bucket.refill(now_ms);
            !bucket.is_full()
        });
    }
}

#[cfg(test)]
mod tests {
    use doer_core::time::ManualClock;

    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace::parse(name).unwrap()
    }

    #[test]
    fn a_rate_is_a_burst_and_then_one_at_a_time() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let rates = Rates::new(clock.clone());
        let one = namespace("tenant:one");
        assert_eq!(rates.take(0, &one, 2), Ok(()));
        assert_eq!(rates.take(0, &one, 2), Ok(()));
        assert_eq!(rates.take(0, &one, 2), Err(Duration::from_secs(30)));
        assert_eq!(rates.take(0, &namespace("tenant:two"), 2), Ok(()), "another namespace");
        assert_eq!(rates.take(1, &one, 2), Ok(()), "another route");

        clock.advance(Duration::from_millis(29_999));
        assert_eq!(rates.take(0, &one, 2), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(rates.take(0, &one, 2), Ok(()));
        assert_eq!(rates.take(0, &one, 2), Err(Duration::from_secs(30)));
        clock.set(Duration::from_secs(1));
        assert_eq!(rates.take(0, &one, 2), Err(Duration::from_secs(30)), "a clock that was set back");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(rates.take(0, &one, 2), Ok(()));
        assert_eq!(rates.take(0, &one, 2), Ok(()));
        assert!(rates.take(0, &one, 2).is_err(), "no more than a minute's are kept");
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let rates = Rates::new(clock.clone());
        rates.take(0, &namespace("tenant:one"), 60).unwrap();
        rates.forget_full(clock.now_ms());
        assert_eq!(rates.buckets.len(), 1);
        clock.advance(Duration::from_secs(1));
        rates.forget_full(clock.now_ms());
        assert_eq!(rates.buckets.len(), 0);
    }
}
