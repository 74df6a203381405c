//! What a statement may use before SQLite is told to stop: time, its caller's patience, and memory that others need.
//! SQLite asks every few thousand steps of its virtual machine, while it compiles a statement too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::Error;

/// Steps of the virtual machine between two looks at the clock: some ten microseconds of ordinary work.
const STEPS: i32 = 1_000;

/// Memory is shared by all databases, and its limit is hard. The first allocation that fails raises this, and every
/// statement of an untrusted caller that runs then is stopped: nobody can sit on the memory that others need.
#[derive(Debug, Default)]
pub(super) struct Pressure(AtomicU64);

impl Pressure {
    /// An allocation failed.
    pub(super) fn raise(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Says that nobody waits any more, when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    /// To be looked at while the work is done.
    pub(super) fn gone(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Why a statement was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Time,
    /// Nobody waits for it.
    Abandoned,
    /// Memory is short.
    Memory,
}

/// What one statement may use.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    deadline: Instant,
    gone: Arc<AtomicBool>,
    pressure: Option<(Arc<Pressure>, u64)>,
    stopped: Arc<AtomicU8>,
}

impl Budget {
    /// `time` from now.
    pub(super) fn new(time: Duration, gone: Arc<AtomicBool>) -> Self {
        Self { deadline: Instant::now() + time, gone, pressure: None, stopped: Arc::default() }
    }

    /// The same, and it ends where memory is short.
    pub(super) fn yielding_to(self, pressure: &Arc<Pressure>) -> Self {
        Self { pressure: Some((pressure.clone(), pressure.0.load(Relaxed))), ..self }
    }

    /// Why SQLite was told to stop, where it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        [Stop::Time, Stop::Abandoned, Stop::Memory]
            .into_iter()
            .find(|stop| *stop as u8 + 1 == self.stopped.load(Relaxed))
    }

    fn check(&self) -> Option<Stop> {
        if self.gone.load(Relaxed) {
            return Some(Stop::Abandoned);
        }
        if self.pressure.as_ref().is_some_and(|(pressure, seen)| pressure.0.load(Relaxed) != *seen) {
            return Some(Stop::Memory);
        }
        (Instant::now() >= self.deadline).then_some(Stop::Time)
    }

    /// Does `work` within this budget.
    ///
    /// # Errors
    /// Those of `work`, which is interrupted where the budget is used up.
    pub(super) fn spend<T>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let watched = self.clone();
        let watch = move || match watched.check() {
            None => false,
            Some(stop) => {
                watched.stopped.store(stop as u8 + 1, Relaxed);
                true
            }
        };
        connection.progress_handler(STEPS, Some(watch))?;
        let result = work(connection);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    fn stopped(budget: &Budget) -> Option<Stop> {
        let mut connection = Connection::open_in_memory().unwrap();
        let failed = budget
            .spend(&mut connection, |connection| Ok(connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))?));
        assert!(failed.is_err());
        assert_eq!(connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        budget.stopped()
    }

    #[test]
    fn an_endless_statement_ends_by_time_by_its_callers_absence_and_by_pressure() {
        let hour = Duration::from_secs(3_600);
        let caller = Caller::default();
        assert_eq!(stopped(&Budget::new(Duration::from_millis(5), caller.gone())), Some(Stop::Time));

        let pressure = Arc::new(Pressure::default());
        pressure.raise();
        let budget = Budget::new(hour, caller.gone()).yielding_to(&pressure);
        assert_eq!(budget.check(), None, "what was raised before does not count");
        pressure.raise();
        assert_eq!(stopped(&budget), Some(Stop::Memory));

        let budget = Budget::new(hour, caller.gone());
        drop(caller);
        assert_eq!(stopped(&budget), Some(Stop::Abandoned));
    }
}
