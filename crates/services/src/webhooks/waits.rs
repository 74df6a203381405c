//! When something that failed is tried again: after the waits of a list, which has an end, as Standard Webhooks has it.

use std::time::Duration;

use chrono::DateTime;

/// The longest that an answer's `Retry-After` can put the next attempt off.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Waits between attempts; after the last one it is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// Before the second attempt, the third, and so on.
    pub list: Vec<Duration>,
    /// Each wait is longer by up to so many percent, by chance, so that what failed together does not come back together.
    pub jitter_percent: u32,
}

impl Waits {
    /// How long to wait after attempt number `attempt`, counted from one, has failed; `None` where it was the last.
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
        let wait = *self.list.get(index)?;
        Some(wait + wait * self.jitter_percent * u32::from(chance()) / (100 * u32::from(u8::MAX)))
    }
}

/// Any byte. Without randomness there is no jitter, and the retry still comes.
fn chance() -> u8 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => byte[0],
        Err(_) => 0,
    }
}

/// What `Retry-After` asks for, seconds or a date ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)),
/// bounded by a day. `None` where it says neither.
pub(super) fn retry_after(value: &str, now_ms: u64) -> Option<Duration> {
    let asked = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTime::parse_from_rfc2822(value.trim()).ok()?;
            Duration::from_millis(u64::try_from(date.timestamp_millis()).ok()?.saturating_sub(now_ms))
        }
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_list_and_end_with_it() {
        let waits = Waits { list: vec![Duration::from_secs(5), Duration::from_mins(5)], jitter_percent: 0 };
        assert_eq!(waits.after(1), Some(Duration::from_secs(5)));
        assert_eq!(waits.after(2), Some(Duration::from_mins(5)));
        assert_eq!(waits.after(3), None);
        assert_eq!(waits.after(0), None);
    }

    #[test]
    fn jitter_only_adds_and_within_its_bound() {
        let waits = Waits { list: vec![Duration::from_hours(14)], jitter_percent: 10 };
        let waits: Vec<_> = (0..200).filter_map(|_| waits.after(1)).collect();
        assert!(waits.iter().all(|wait| (Duration::from_hours(14)..=Duration::from_mins(14 * 66)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        assert_eq!(retry_after("120", 0), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("999999999", 0), Some(MAX_RETRY_AFTER));
        let noon = 784_111_777_000;
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", noon), Some(Duration::from_mins(1)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:40:37 GMT", noon), Some(Duration::ZERO), "it is past");
        assert_eq!(retry_after("soon", 0), None);
        assert_eq!(retry_after("-1", 0), None);
    }
}
