//! How long to wait before something is tried again: doubled each time, with a jitter, so that what failed together is
//! not tried again together.

use std::time::Duration;

use crate::sqlite::stored_ms;

/// A wait that doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt, give or take a fifth.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

impl Backoff {
    /// Milliseconds to wait after so many attempts. The jitter follows from `seed`: the same work waits the same time.
    pub(crate) fn after_ms(self, attempts: u32, seed: i64) -> i64 {
        let doublings = attempts.saturating_sub(1).min(32);
        let base = stored_ms(self.first).saturating_mul(1 << doublings);
        // Capped so that what the jitter adds still fits below the maximum.
        let base = base.min(stored_ms(self.max) / 6 * 5);
        let fifth = base / 5;
        base - fifth + mixed(seed, attempts).checked_rem_euclid(fifth * 2 + 1).unwrap_or_default()
    }
}

/// The finishing steps of SplitMix64.
fn mixed(seed: i64, attempts: u32) -> i64 {
    let mut bits = seed.wrapping_add(i64::from(attempts).wrapping_mul(0x1e37_79b9_7f4a_7c15)).cast_unsigned();
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_maximum_within_a_fifth() {
        let backoff = Backoff { first: Duration::from_secs(60), max: Duration::from_secs(3600) };
        for seed in 0..1000 {
            for (attempts, seconds) in [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3000), (100, 3000)] {
                let wait = backoff.after_ms(attempts, seed);
                assert!((seconds * 800..=seconds * 1200).contains(&wait), "{attempts}: {wait}");
            }
        }
        assert_ne!(backoff.after_ms(1, 1), backoff.after_ms(1, 2));
        assert_eq!(Backoff { first: Duration::ZERO, max: Duration::ZERO }.after_ms(5, 1), 0);
    }
}
