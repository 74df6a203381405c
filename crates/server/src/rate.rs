//! A rate per minute, as the generic cell rate algorithm has it: one number, the time at which all that was taken
//! will have been paid for. A whole minute's worth may come at once.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);

/// What was taken of a rate.
#[derive(Debug, Default)]
pub struct Rate {
    paid_until: Mutex<Option<Instant>>,
}

impl Rate {
    /// Takes `number` of `limit` per minute.
    ///
    /// # Errors
    /// The time after which there is room for them.
    pub fn take(&self, number: u32, limit: u32, now: Instant) -> Result<(), Duration> {
        let Some(each) = MINUTE.checked_div(limit) else { return Err(MINUTE) };
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = paid_until.map_or(now, |until| until.max(now));
        let until = from + each * number;
        let ahead = until.saturating_duration_since(now);
        if ahead > MINUTE {
            return Err(ahead - MINUTE);
        }
        *paid_until = Some(until);
        Ok(())
    }

    /// How many could be taken now.
    pub fn left(&self, limit: u32, now: Instant) -> u32 {
        let Some(each) = MINUTE.checked_div(limit) else { return 0 };
        let paid_until = *self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = paid_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let left = (MINUTE.saturating_sub(ahead)).as_nanos() / each.as_nanos().max(1);
        u32::try_from(left).unwrap_or(u32::MAX).min(limit)
    }

    /// Has everything been paid for?
    pub fn is_idle(&self, now: Instant) -> bool {
        self.paid_until.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_one_at_a_time() {
        let (rate, now) = (Rate::default(), Instant::now());
        assert_eq!(rate.left(60, now), 60);
        rate.take(60, 60, now).unwrap();
        assert_eq!(rate.left(60, now), 0);
        assert_eq!(rate.take(1, 60, now), Err(Duration::from_secs(1)));
        rate.take(1, 60, now + Duration::from_secs(1)).unwrap();
        assert!(!rate.is_idle(now + Duration::from_secs(60)));
        assert!(rate.is_idle(now + Duration::from_secs(61)));
    }

    #[test]
    fn of_nothing_nothing_is_to_be_had() {
        assert!(Rate::default().take(1, 0, Instant::now()).is_err());
        assert!(Rate::default().take(3, 2, Instant::now()).is_err());
    }
}
