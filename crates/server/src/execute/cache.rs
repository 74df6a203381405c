//! Results kept under a caller's `cacheKey`: bounded by bytes, for an hour, successes only. A result is found
//! only by the same question of the same user, so the key is a hash over all of both.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doer_core::limits::Limits;
use doer_sandbox::{ModuleSource, Program};
use serde_json::value::RawValue;

use super::{plan::Route, request::ExecuteRequest, response::Kept};
use crate::auth::Caller;

const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// What an entry costs beside its text: maps, queue, headers.
const OVERHEAD_BYTES: usize = 256;

/// Where a result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The hash over everything that an answer may depend on.
    pub fn of(
        key: &str,
        program: &Program,
        request: &ExecuteRequest<'_>,
        bindings: &[String],
        limits: &Limits,
        caller: &Caller,
        route: Route,
    ) -> Self {
        let mut hash = Fields(blake3::Hasher::new());
        hash.add(key.as_bytes());
        hash.add(&[route as u8]);
        hash.add(caller.namespace.as_str().as_bytes());
        hash.add(caller.tier.name().as_bytes());
        // Everything of the user that the code could read from `ctx`.
        hash.add(format!("{:?}", caller.context.auth.user).as_bytes());
        hash.add(format!("{bindings:?} {limits:?}").as_bytes());
        hash.add(&[
            request.truncate.into(),
            request.capture_console.into(),
            request.capture_fetch.into(),
        ]);
        hash.add_json(request.input);
        hash.add_json(request.props);
        hash.add_program(program);
        Self(*hash.0.finalize().as_bytes())
    }
}

/// Fields one after the other, each with its length, so that no two lists of fields give the same bytes.
struct Fields(blake3::Hasher);

impl Fields {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    fn add_json(&mut self, json: Option<&RawValue>) {
        // No JSON is empty, so the absent one can be.
        self.add(json.map_or("", RawValue::get).as_bytes());
    }

    fn add_program(&mut self, program: &Program) {
        match program {
            Program::Text { code, language } => {
                self.add(format!("text {language:?}").as_bytes());
                self.add(code.as_bytes());
            }
            Program::Wasm(bytes) => {
                self.add(b"wasm");
                self.add(bytes);
            }
            Program::Modules { main, modules } => {
                self.add(format!("modules {}", modules.len()).as_bytes());
                self.add(main.as_bytes());
                for (name, module) in modules {
                    self.add(name.as_bytes());
                    self.add_module(module);
                }
            }
        }
    }

    fn add_module(&mut self, module: &ModuleSource) {
        let (kind, bytes): (&[u8], &[u8]) = match module {
            ModuleSource::Js(text) => (b"js", text.as_bytes()),
            ModuleSource::Ts(text) => (b"ts", text.as_bytes()),
            ModuleSource::Cjs(text) => (b"cjs", text.as_bytes()),
            ModuleSource::Text(text) => (b"text", text.as_bytes()),
            ModuleSource::Json(text) => (b"json", text.as_bytes()),
            ModuleSource::Wat(text) => (b"wat", text.as_bytes()),
            ModuleSource::Data(bytes) => (b"data", bytes),
            ModuleSource::Wasm(bytes) => (b"wasm", bytes),
        };
        self.add(kind);
        self.add(bytes);
    }
}

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
        Self {
            capacity_bytes,
            inner: Mutex::default(),
        }
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
        let entry = Entry {
            kept,
            bytes,
            expires: now + LIFETIME,
            used: false,
        };
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
    use super::*;

    fn kept(bytes: usize) -> Arc<Kept> {
        let result = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap();
        Arc::new(Kept {
            result,
            response: None,
            logs: Vec::new(),
            truncated: false,
        })
    }

    fn key(n: u8) -> CacheKey {
        CacheKey([n; 32])
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
