//! What an execution may still ask of the platform, and what it has asked for.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use serde::Serialize;

use crate::fault::Termination;

/// The budget of one execution for service calls and fetches. Never refilled.
#[derive(Debug)]
pub struct Ledger {
    calls_left: AtomicU32,
    bytes_left: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u32>>,
    requests: Option<Mutex<Vec<FetchRecord>>>,
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
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

impl Ledger {
    /// A budget of so many calls, and so many bytes through them. With `capture` every fetch is noted.
    pub fn new(calls: u32, bytes: u64, capture: bool) -> Self {
        Self {
            calls_left: AtomicU32::new(calls),
            bytes_left: AtomicU64::new(bytes),
            counts: Mutex::default(),
            requests: capture.then(Mutex::default),
        }
    }

    /// One more call, counted under `name`.
    ///
    /// # Errors
    /// The end of the execution, where it was one too many.
    pub fn charge_call(&self, name: &'static str) -> Result<(), Termination> {
        let left = self.calls_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| Termination::CallLimit)?;
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        Ok(())
    }

    /// So many more bytes, to or from.
    ///
    /// # Errors
    /// The end of the execution, where they were too many.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), Termination> {
        let left = self.bytes_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes as u64));
        left.map(|_| ()).map_err(|_| Termination::CallLimit)
    }

    /// Bytes that are left.
    pub fn bytes_left(&self) -> u64 {
        self.bytes_left.load(Relaxed)
    }

    /// Calls so far, by service; fetches under `fetch`.
    pub fn counts(&self) -> BTreeMap<&'static str, u32> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Are fetches noted?
    pub fn captures(&self) -> bool {
        self.requests.is_some()
    }

    /// Notes a fetch, where they are noted.
    pub fn note(&self, record: impl FnOnce() -> FetchRecord) {
        if let Some(requests) = &self.requests {
            requests.lock().unwrap_or_else(PoisonError::into_inner).push(record());
        }
    }

    /// The fetches that were noted.
    pub fn requests(&self) -> Vec<FetchRecord> {
        let requests = self.requests.as_ref();
        requests.map(|requests| requests.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }
}
