//! The clock as a parameter, so that a test can move it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Time since the Unix epoch.
    fn now(&self) -> Duration;
}

/// The computer's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient clock")]
    fn now(&self) -> Duration {
        // A clock set before 1970 is told as 1970 rather than as a failure.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
