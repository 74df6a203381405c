//! When a mail that could not be handed over is tried again.

use std::time::Duration;

const MINUTE: u64 = 60_000;
/// After the first attempt that failed; twice as long after each other one.
const FIRST_PAUSE_MS: u64 = MINUTE;
const LONGEST_PAUSE_MS: u64 = 4 * 60 * MINUTE;
/// From its first attempt on, a mail is tried for so long.
pub(super) const PERSISTENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The next attempt after `attempts` that failed, the last of them at `now`; `None` where that would be too late.
pub(super) fn next_attempt(attempts: u32, now: u64, give_up_at: u64) -> Option<u64> {
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS);
    Some(now.saturating_add(pause)).filter(|next| *next <= give_up_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_four_hours_and_end_after_a_day() {
        let give_up_at = PERSISTENCE.as_millis() as u64;
        let mut times = vec![0];
        while let Some(next) = next_attempt(times.len() as u32, *times.last().unwrap(), give_up_at) {
            times.push(next);
        }
        let pauses: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]) / MINUTE).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240]);
        assert_eq!(next_attempt(u32::MAX, 0, u64::MAX), Some(LONGEST_PAUSE_MS));
        assert_eq!(next_attempt(1, 0, MINUTE), Some(MINUTE));
        assert_eq!(next_attempt(1, 1, MINUTE), None);
    }
}
