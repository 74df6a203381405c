//! What this server is at: leases that are its own do not run out, however long the work takes and wherever the clock
//! is set meanwhile. They run out where the server ends.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What this server is at. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Mine<T: Clone + Eq + Hash>(Arc<Mutex<HashSet<T>>>);

/// Work that this server is at, until this is dropped.
#[derive(Debug)]
pub(crate) struct At<T: Clone + Eq + Hash> {
    mine: Mine<T>,
    work: Vec<T>,
}

impl<T: Clone + Eq + Hash> Mine<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// This server is at `work` now.
    pub(crate) fn add(&self, work: Vec<T>) -> At<T> {
        self.lock().extend(work.iter().cloned());
        At { mine: self.clone(), work }
    }

    /// Is it at this?
    pub(crate) fn has(&self, work: &T) -> bool {
        self.lock().contains(work)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Eq + Hash> Drop for At<T> {
    fn drop(&mut self) {
        let mut mine = self.mine.lock();
        for work in &self.work {
            mine.remove(work);
        }
    }
}
