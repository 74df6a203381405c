//! Results kept under a caller's `cacheKey`: bounded by bytes, for an hour, successes only.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{cache_key::CacheKey, done::Kept};

const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// What an entry costs beside its text: maps, queue, headers.
const OVERHEAD_BYTES: usize = 256;

/// The results.
#[derive(Debug)]
pub struct ResultCache {
    capacity_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<CacheKey, Entry>,
    /// Oldest first; an entry that was used since gets a second round.
    order: VecDeque<CacheKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    kept: Arc<Kept>,
    bytes: usize,
    expires: Instant,
    used: bool,
}

impl ResultCache {
    /// One that keeps at most so many bytes.
    pub fn new(capacity_bytes: usize) -> Self {
        Self { capacity_bytes, inner: Mutex::default() }
    }

    /// The result kept under `key`, if it is not too old.
    pub fn get(&self, key: &CacheKey, now: Instant) -> Option<Arc<Kept>> {
        let mut inner = self.inner();
        let entry = inner.entries.get_mut(key).filter(|entry| now < entry.expires)?;
        entry.used = true;
        Some(Arc::clone(&entry.kept))
    }

    /// Keeps a result; what does not fit at all is not kept.
    pub fn put(&self, key: CacheKey, kept: Arc<Kept>, now: Instant) {
        let bytes = kept.size_bytes() + OVERHEAD_BYTES;
        if bytes > self.capacity_bytes {
            return;
        }
        let mut inner = self.inner();
        let entry = Entry { kept, bytes, expires: now + LIFETIME, used: false };
        match inner.entries.insert(key, entry) {
            Some(old) => inner.bytes -= old.bytes,
            None => inner.order.push_back(key),
        }
        inner.bytes += bytes;
        while inner.bytes > self.capacity_bytes && inner.evict_one(now) {}
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Looks at the oldest: drops it, or gives it another round. False where there is none.
    fn evict_one(&mut self, now: Instant) -> bool {
        let Some(key) = self.order.pop_front() else {
            return false;
        };
        match self.entries.get_mut(&key) {
            Some(entry) if entry.used && now < entry.expires => {
                entry.used = false;
                self.order.push_back(key);
            }
            Some(_) | None => {
                if let Some(old) = self.entries.remove(&key) {
                    self.bytes -= old.bytes;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn kept(bytes: usize) -> Arc<Kept> {
        let result = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap();
        Arc::new(Kept { result, response: None, logs: Vec::new(), truncated: false })
    }

    fn key(n: u8) -> CacheKey {
        CacheKey::of_bytes([n; 32])
    }

    #[test]
    fn a_result_lives_for_an_hour() {
        let (cache, now) = (ResultCache::new(10_000), Instant::now());
        cache.put(key(1), kept(10), now);
        assert!(cache.get(&key(1), now + LIFETIME - Duration::from_secs(1)).is_some());
        assert!(cache.get(&key(1), now + LIFETIME).is_none());
        assert!(cache.get(&key(2), now).is_none());
    }

    #[test]
    fn bytes_are_bounded_and_what_is_used_stays() {
        let (cache, now) = (ResultCache::new(3 * (1000 + OVERHEAD_BYTES)), Instant::now());
        for n in 0..3 {
            cache.put(key(n), kept(1000), now);
        }
        assert!(cache.get(&key(0), now).is_some());
        cache.put(key(3), kept(1000), now);
        assert!(cache.get(&key(0), now).is_some(), "it was used");
        assert!(cache.get(&key(1), now).is_none(), "the oldest that was not");
        assert!(cache.inner().bytes <= cache.capacity_bytes);
    }

    #[test]
    fn replacing_counts_once() {
        let (cache, now) = (ResultCache::new(10_000), Instant::now());
        cache.put(key(1), kept(1000), now);
        cache.put(key(1), kept(500), now);
        assert_eq!(cache.inner().bytes, 500 + OVERHEAD_BYTES);
        assert_eq!(cache.inner().order.len(), 1);
    }

    #[test]
    fn a_cache_of_nothing_keeps_nothing() {
        let (cache, now) = (ResultCache::new(0), Instant::now());
        cache.put(key(1), kept(10), now);
        assert!(cache.get(&key(1), now).is_none());
    }
}
