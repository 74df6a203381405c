//! Requests per minute, by route and namespace.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use doer_core::{rate::Rate, tier::Namespace, time::Clock};

/// Rates that are kept. An idle one says as much as none, so those go first.
const MAX_RATES: usize = 100_000;

/// How much of their rates callers have used.
pub(super) struct Rates {
    clock: Arc<dyn Clock>,
    rates: DashMap<(usize, Namespace), Rate>,
}

impl Rates {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rates: DashMap::new() }
    }

    /// Takes one request; where there is none left, says how long until there is.
    pub(super) fn take(&self, route: usize, namespace: &Namespace, per_minute: u32) -> Result<(), Duration> {
        let now = self.clock.now();
        if self.rates.len() >= MAX_RATES {
            self.forget_idle(now);
        }
        self.rates.entry((route, namespace.clone())).or_default().take(1, per_minute, now)
    }

    fn forget_idle(&self, now: Duration) {
        self.rates.retain(|_, rate| !rate.is_idle(now));
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
    fn a_rate_is_of_one_route_and_one_namespace() {
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
    }

    #[test]
    fn idle_rates_are_forgotten() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let rates = Rates::new(clock.clone());
        rates.take(0, &namespace("tenant:one"), 60).unwrap();
        rates.forget_idle(clock.now());
        assert_eq!(rates.rates.len(), 1);
        clock.advance(Duration::from_secs(1));
        rates.forget_idle(clock.now());
        assert_eq!(rates.rates.len(), 0);
    }
}
