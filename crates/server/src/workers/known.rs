//! What has to be known of a worker before it is called: what it may use, and for whom it runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::{DashMap, Entry};
use doer_core::{
    id::CodeHash,
    limits::Limits,
    scope::Owner,
    scoped::Grants,
    tier::{Namespace, Tier},
};
use doer_sandbox::{
    loader::Key,
    worker::{WorkerCode, WorkerLimits},
};

/// Where a worker says nothing, as with `POST /execute`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Entries that are kept; all are forgotten when there are more, and read again.
const MAX_ENTRIES: usize = 100_000;

/// What has to be known of a worker.
#[derive(Debug)]
pub struct Known {
    /// Of its code.
    pub hash: CodeHash,
    /// Do its requests go out at all?
    pub network: bool,
    /// Who registered it.
    pub owner: Owner,
    limits: WorkerLimits,
    services: Option<Grants>,
}

impl Known {
    /// What code says.
    pub fn of(code: &WorkerCode, owner: Owner) -> Self {
        Self { hash: code.hash(), network: code.has_network(), owner, limits: code.limits, services: code.services() }
    }

    /// What a run may use for a caller who may use this.
    pub fn limits(&self, of_caller: Limits) -> Limits {
        let wall = match self.limits.timeout_ms {
            Some(_) => of_caller.wall,
            None => of_caller.wall.min(DEFAULT_TIMEOUT),
        };
        self.limits.lowered(Limits { wall, ..of_caller })
    }

    /// The services that it gets from a caller of this tier.
    pub fn grants(&self, tier: Tier) -> Grants {
        self.services.unwrap_or_else(|| Grants::of(tier.services().iter().copied()))
    }
}

/// What is known of the workers that were called.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: DashMap<Key, Arc<Known>>,
    /// Counts changes: what was read before one must not be kept after it.
    epoch: AtomicU64,
}

impl Cache {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Known>> {
        self.entries.get(key).map(|known| Arc::clone(known.value()))
    }

    /// To be asked for before a worker is read.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Keeps what was read since `epoch`, unless something has changed.
    pub(super) fn keep(&self, key: Key, known: &Arc<Known>, epoch: u64) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.clear();
        }
        let entry = self.entries.entry(key);
        // Under the entry's lock: a change that comes now finds it there, and takes it away.
        if self.epoch() != epoch {
            return;
        }
        match entry {
            Entry::Occupied(mut entry) => drop(entry.insert(Arc::clone(known))),
            Entry::Vacant(entry) => drop(entry.insert(Arc::clone(known))),
        }
    }

    /// A worker has changed.
    pub(super) fn forget(&self, key: &Key) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.entries.remove(key);
    }

    /// All of a namespace have.
    pub(super) fn forget_namespace(&self, namespace: &Namespace) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.entries.retain(|key, _| key.namespace != *namespace);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::auth::Identity;
    use doer_sandbox::worker::Rules;

    use super::*;

    fn namespace() -> Namespace {
        Namespace::parse("tenant:acme").unwrap()
    }

    fn known(members: &str) -> Arc<Known> {
        let json = format!(r#"{{"mainModule": "a.js", "modules": {{"a.js": ""}}, {members}}}"#);
        let owner = Owner { namespace: namespace(), identity: Identity::default() };
        Arc::new(Known::of(&WorkerCode::decode(&json, &Rules::kept()).unwrap(), owner))
    }

    #[test]
    fn limits_are_lowered_and_without_a_timeout_there_is_the_usual_one() {
        let internal = Limits::of(Tier::Internal);
        let of = |members: &str| known(members).limits(internal);
        assert_eq!(of(r#""limits": null"#), Limits { wall: DEFAULT_TIMEOUT, ..internal });
        assert_eq!(of(r#""limits": {"timeoutMs": 60000}"#), Limits { wall: Duration::from_secs(60), ..internal });
        assert_eq!(of(r#""limits": {"timeoutMs": 9999999, "subRequests": 3}"#), Limits { calls: 3, ..internal });
    }

    #[test]
    fn services_are_those_of_env_or_of_the_tier() {
        assert_eq!(known(r#""env": {"A": 1}"#).grants(Tier::Tenant), Grants::default());
        assert_eq!(known(r#""env": {}"#).grants(Tier::Tenant).to_string(), "db, email, queue");
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let key = Key { namespace: namespace(), id: "a".to_owned() };
        let cache = Cache::default();
        cache.keep(key.clone(), &known(r#""env": {}"#), cache.epoch());
        assert!(cache.get(&key).is_some());
        let before = cache.epoch();
        cache.forget(&key);
        assert!(cache.get(&key).is_none());
        cache.keep(key.clone(), &known(r#""env": {}"#), before);
        assert!(cache.get(&key).is_none());
        cache.keep(key.clone(), &known(r#""env": {}"#), cache.epoch());
        cache.forget_namespace(&namespace());
        assert!(cache.get(&key).is_none());
    }
}
