//! A budget of memory for request bodies: taken as their bytes arrive, given back when nobody needs them any more.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all bodies together may have; clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    bytes: usize,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Held(Option<OwnedSemaphorePermit>);

impl Budget {
    /// One of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(bytes)), bytes }
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> usize {
        self.bytes.saturating_sub(self.free.available_permits())
    }

    /// Takes `bytes` more into `held`; false, and nothing is taken, where there are not as many left.
    #[must_use]
    pub fn take(&self, bytes: usize, held: &mut Held) -> bool {
        // A chunk is what was read from a socket at once: far from 4 GiB.
        let permit = u32::try_from(bytes).ok().and_then(|n| Arc::clone(&self.free).try_acquire_many_owned(n).ok());
        let Some(permit) = permit else { return false };
        match &mut held.0 {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_missing_until_it_is_dropped() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (Held::default(), Held::default());
        assert!(budget.take(4, &mut one) && budget.take(4, &mut one));
        assert!(!budget.take(3, &mut other), "2 are left");
        assert!(budget.take(2, &mut other));
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert_eq!(budget.taken(), 2);
        assert!(budget.take(8, &mut other));
        assert!(!budget.take(1, &mut other));
    }

    #[test]
    fn of_nothing_nothing_can_be_taken() {
        assert!(!Budget::new(0).take(1, &mut Held::default()));
    }
}
