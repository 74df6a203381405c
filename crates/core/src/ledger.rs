//! What an execution may still ask of the platform, and what it has asked for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use serde::Serialize;

use crate::fault::Termination;

/// The budget of one execution for service calls and fetches. Never refilled.
#[derive(Debug)]
pub struct Ledger {
    calls: u32,
    calls_left: AtomicU32,
    bytes: u64,
    bytes_left: AtomicU64,
    exhausted: OnceLock<Exhausted>,
    counts: Mutex<BTreeMap<&'static str, u32>>,
    requests: Option<Mutex<Vec<FetchRecord>>>,
    /// The budget that this one is a part of.
    whole: Option<Arc<Ledger>>,
}

/// The part of a budget that was used up, with how much there was of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Calls.
    Calls(u32),
    /// Bytes through calls.
    Bytes(u64),
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(limit) => write!(f, "Limit of {limit} calls exceeded"),
            Self::Bytes(limit) => write!(f, "Limit of {limit} bytes through calls exceeded"),
        }
    }
}

/// A request that code made, as `captureFetch` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRecord {
    /// Where to.
    pub url: String,
    /// How.
    pub method: String,
    /// When, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// What came back; absent where nothing did.
    pub status: Option<u16>,
    /// How long it took, in milliseconds; zero where nothing came back before the end.
    pub duration_ms: f64,
}

impl Ledger {
    /// A budget of so many calls, and so many bytes through them. With `capture` every fetch is noted.
    pub fn new(calls: u32, bytes: u64, capture: bool) -> Self {
        Self {
            calls,
            calls_left: AtomicU32::new(calls),
            bytes,
            bytes_left: AtomicU64::new(bytes),
            exhausted: OnceLock::new(),
            counts: Mutex::default(),
            requests: capture.then(Mutex::default),
            whole: None,
        }
    }

    /// So many calls of another budget, at the expense of that one.
    pub fn within(whole: Arc<Self>, calls: u32) -> Self {
        Self { whole: Some(whole), ..Self::new(calls, u64::MAX, false) }
    }

    /// One more call, counted under `name`.
    ///
    /// # Errors
    /// The end of the execution, where it was one too many.
    pub fn charge_call(&self, name: &'static str) -> Result<(), Termination> {
        let left = self.calls_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| self.exhaust(Exhausted::Calls(self.calls)))?;
        if let Some(whole) = &self.whole {
            whole.charge_call(name)?;
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        Ok(())
    }

    /// So many more bytes, to or from.
    ///
    /// # Errors
    /// The end of the execution, where they were too many.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), Termination> {
        if let Some(whole) = &self.whole {
            return whole.charge_bytes(bytes);
        }
        let left = self.bytes_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes as u64));
        left.map(|_| ()).map_err(|_| self.exhaust(Exhausted::Bytes(self.bytes)))
    }

    fn exhaust(&self, what: Exhausted) -> Termination {
        self.exhausted.get_or_init(|| what);
        Termination::CallLimit
    }

    /// What was used up, where something was.
    pub fn exhausted(&self) -> Option<Exhausted> {
        let own = self.exhausted.get().copied();
        own.or_else(|| self.whole.as_ref().and_then(|whole| whole.exhausted()))
    }

    /// Bytes that are left.
    pub fn bytes_left(&self) -> u64 {
        self.whole.as_ref().map_or_else(|| self.bytes_left.load(Relaxed), |whole| whole.bytes_left())
    }

    /// Calls so far, by service; fetches under `fetch`.
    pub fn counts(&self) -> BTreeMap<&'static str, u32> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Are fetches noted?
    pub fn captures(&self) -> bool {
        self.whole.as_ref().map_or(self.requests.is_some(), |whole| whole.captures())
    }

    /// Notes a fetch that begins, where they are noted. Its number is for [`Ledger::note_end`].
    pub fn note(&self, record: impl FnOnce() -> FetchRecord) -> Option<usize> {
        let mut requests = self.noted()?;
        requests.push(record());
        Some(requests.len() - 1)
    }

    /// Notes how a fetch ended.
    pub fn note_end(&self, number: usize, status: Option<u16>, duration_ms: f64) {
        if let Some(record) = self.noted().as_mut().and_then(|requests| requests.get_mut(number)) {
            (record.status, record.duration_ms) = (status, duration_ms);
        }
    }

    /// The fetches that were noted, in the order in which they began.
    pub fn requests(&self) -> Vec<FetchRecord> {
        self.noted().map(|requests| requests.clone()).unwrap_or_default()
    }

    fn noted(&self) -> Option<MutexGuard<'_, Vec<FetchRecord>>> {
        if let Some(whole) = &self.whole {
            return whole.noted();
        }
        self.requests.as_ref().map(|requests| requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_as_much_as_there_is_and_it_says_what_ran_out_first() {
        let ledger = Ledger::new(2, 10, false);
        assert_eq!(
            (ledger.charge_call("db"), ledger.charge_bytes(10), ledger.charge_bytes(0)),
            (Ok(()), Ok(()), Ok(()))
        );
        assert_eq!(ledger.exhausted(), None);
        assert_eq!(ledger.charge_bytes(1), Err(Termination::CallLimit));
        assert_eq!((ledger.charge_call("db"), ledger.charge_call("mcp")), (Ok(()), Err(Termination::CallLimit)));
        assert_eq!(ledger.exhausted().unwrap().to_string(), "Limit of 10 bytes through calls exceeded");
        assert_eq!(ledger.counts(), BTreeMap::from([("db", 2)]));
        let ledger = Ledger::new(0, 10, false);
        assert_eq!(ledger.charge_call("db"), Err(Termination::CallLimit));
        assert_eq!(ledger.exhausted().unwrap().to_string(), "Limit of 0 calls exceeded");
    }

    #[test]
    fn a_part_of_a_budget_is_paid_for_by_the_whole() {
        let whole = Arc::new(Ledger::new(3, 10, true));
        let part = Ledger::within(Arc::clone(&whole), 2);
        assert_eq!((part.charge_call("db"), part.charge_call("db")), (Ok(()), Ok(())));
        assert_eq!(part.charge_call("db"), Err(Termination::CallLimit));
        assert_eq!(part.exhausted(), Some(Exhausted::Calls(2)));
        assert_eq!((whole.charge_call("db"), whole.exhausted()), (Ok(()), None));
        assert_eq!(whole.counts(), BTreeMap::from([("db", 3)]));
        // What is left of the whole counts too.
        let part = Ledger::within(Arc::clone(&whole), 2);
        assert_eq!(part.charge_call("db"), Err(Termination::CallLimit));
        assert_eq!(part.exhausted(), Some(Exhausted::Calls(3)));
        assert_eq!((part.charge_bytes(4), part.bytes_left(), whole.bytes_left()), (Ok(()), 6, 6));
        assert!(part.captures());
    }

    #[test]
    fn a_fetch_is_noted_when_it_begins() {
        let record = || FetchRecord {
            url: "https://a.test/".to_owned(),
            method: "GET".to_owned(),
            timestamp: 1,
            status: None,
            duration_ms: 0.0,
        };
        assert_eq!(Ledger::new(1, 1, false).note(record), None);
        let ledger = Ledger::new(1, 1, true);
        assert_eq!((ledger.note(record), ledger.note(record)), (Some(0), Some(1)));
        ledger.note_end(1, Some(200), 2.5);
        assert_eq!(ledger.requests(), [record(), FetchRecord { status: Some(200), duration_ms: 2.5, ..record() }]);
    }
}
