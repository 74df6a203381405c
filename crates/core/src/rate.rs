//! A rate per minute, as the generic cell rate algorithm has it: one number, the time at which all that was taken
//! will have been paid for. A whole minute's worth may come at once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);

/// What was taken of a rate. Times are those of whatever clock its owner goes by, always the same one.
#[derive(Debug, Default)]
pub struct Rate {
    paid_until: Mutex<Duration>,
}

impl Rate {
    /// Takes `number` of `limit` per minute.
    ///
    /// # Errors
    /// The time after which there is room for them.
    pub fn take(&self, number: u32, limit: u32, now: Duration) -> Result<(), Duration> {
        let Some(each) = MINUTE.checked_div(limit) else { return Err(MINUTE) };
        let mut paid_until = self.paid_until();
        // Never more than a minute ahead: else nothing could be had of a clock that was set back until it is there again.
        *paid_until = (*paid_until).clamp(now, now + MINUTE);
        let until = *paid_until + each * number;
        let ahead = until - now;
        if ahead > MINUTE {
            return Err(ahead - MINUTE);
        }
        *paid_until = until;
        Ok(())
    }

    /// How many could be taken now.
    pub fn left(&self, limit: u32, now: Duration) -> u32 {
        let Some(each) = MINUTE.checked_div(limit) else { return 0 };
        let ahead = self.paid_until().saturating_sub(now);
        let left = (MINUTE.saturating_sub(ahead)).as_nanos() / each.as_nanos().max(1);
        u32::try_from(left).unwrap_or(u32::MAX).min(limit)
    }

    /// Has everything been paid for?
    pub fn is_idle(&self, now: Duration) -> bool {
        *self.paid_until() <= now
    }

    fn paid_until(&self) -> MutexGuard<'_, Duration> {
        self.paid_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_one_at_a_time() {
        let rate = Rate::default();
        assert_eq!(rate.left(60, NOW), 60);
        rate.take(60, 60, NOW).unwrap();
        assert_eq!(rate.left(60, NOW), 0);
        assert_eq!(rate.take(1, 60, NOW), Err(SECOND));
        rate.take(1, 60, NOW + SECOND).unwrap();
        assert!(!rate.is_idle(NOW + 60 * SECOND));
        assert!(rate.is_idle(NOW + 61 * SECOND));
        rate.take(60, 60, NOW + 3600 * SECOND).unwrap();
        assert!(rate.take(1, 60, NOW + 3600 * SECOND).is_err(), "no more than a minute's are kept");
    }

    #[test]
    fn of_nothing_nothing_is_to_be_had() {
        assert!(Rate::default().take(1, 0, NOW).is_err());
        assert!(Rate::default().take(3, 2, NOW).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_costs_a_minute_at_most() {
        let rate = Rate::default();
        rate.take(2, 2, NOW).unwrap();
        assert_eq!(rate.take(1, 2, SECOND), Err(30 * SECOND));
        rate.take(1, 2, 31 * SECOND).unwrap();
    }
}
