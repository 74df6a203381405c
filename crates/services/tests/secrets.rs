//! Secrets, by their store and by the bytes on the disk.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use doer_core::{
    auth::AuthContext,
    id::RequestId,
    quota::{Quota, Quotas},
    scope::Scope,
    service::Code,
    tier::{Namespace, Tier},
    time::ManualClock,
};
use doer_services::{Holder, Sealer, secrets::SecretStore};

#[path = "conformance/door.rs"]
mod door;
#[path = "../../../tests/scenarios/mod.rs"]
#[expect(dead_code, reason = "the door is made of it")]
mod scenarios;

struct TwoSecrets;

impl Quotas for TwoSecrets {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { secrets: 2, ..Quota::of(tier) }
    }
}

fn store(dir: &tempfile::TempDir, key: &[u8], clock: &Arc<ManualClock>) -> SecretStore {
    SecretStore::open(dir.path(), Sealer::new(key), clock.clone(), Arc::new(TwoSecrets)).unwrap()
}

fn tenant(id: &str) -> Scope {
    door::scope("tenant", Some(id))
}

#[tokio::test]
async fn a_secret_is_set_used_listed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Duration::from_millis(5)));
    let store = store(&dir, b"key", &clock);
    let acme = tenant("acme");
    let first = store.put(&acme, "STRIPE", "sk_1").await.unwrap();
    assert_eq!((first.created_at, first.updated_at), (5, 5));
    clock.advance(Duration::from_millis(2));
    let second = store.put(&acme, "STRIPE", "sk_2").await.unwrap();
    assert_eq!((second.created_at, second.updated_at), (5, 7));
    store.put(&acme, "EMPTY", "").await.unwrap();

    assert_eq!(store.reveal(&acme.namespace, "STRIPE").await.unwrap().as_deref(), Some("sk_2"));
    assert_eq!(store.reveal(&acme.namespace, "EMPTY").await.unwrap().as_deref(), Some(""));
    assert_eq!(store.reveal(&acme.namespace, "OTHER").await.unwrap(), None);
    let listed = serde_json::to_value(store.list(&acme.namespace).await.unwrap()).unwrap();
    assert_eq!(
        listed,
        serde_json::json!([
            {"name": "EMPTY", "createdAt": 7, "updatedAt": 7},
            {"name": "STRIPE", "createdAt": 5, "updatedAt": 7},
        ])
    );
    assert!(store.delete(&acme.namespace, "STRIPE").await.unwrap());
    assert!(!store.delete(&acme.namespace, "STRIPE").await.unwrap(), "only once");
    assert_eq!(store.reveal(&acme.namespace, "STRIPE").await.unwrap(), None);
}

#[tokio::test]
async fn a_namespace_sees_its_own_only_and_can_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, b"key", &Arc::default());
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    store.put(&acme, "A", "of acme").await.unwrap();
    store.put(&globex, "A", "of globex").await.unwrap();
    assert!(!store.delete(&globex.namespace, "B").await.unwrap());
    store.forget(&acme.namespace).await.unwrap();
    store.forget(&acme.namespace).await.unwrap();
    assert_eq!(store.reveal(&acme.namespace, "A").await.unwrap(), None);
    assert_eq!(store.reveal(&globex.namespace, "A").await.unwrap().as_deref(), Some("of globex"));
}

#[tokio::test]
async fn limits_hold_at_their_edges() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, b"key", &Arc::default());
    let acme = tenant("acme");
    store.put(&acme, "A", &"x".repeat(65_536)).await.unwrap();
    let error = store.put(&acme, "A", &"x".repeat(65_537)).await.unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::InvalidRequest, "value: must have at most 65536 bytes"));
    assert_eq!(store.put(&acme, "a-b", "x").await.unwrap_err().code, Code::InvalidRequest);
    store.put(&acme, "B", "x").await.unwrap();
    let error = store.put(&acme, "C", "x").await.unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::Quota, "secrets: there may be 2, and there are"));
    store.put(&acme, "B", "y").await.unwrap();
    store.delete(&acme.namespace, "A").await.unwrap();
    store.put(&acme, "C", "x").await.unwrap();

    let anonymous = Scope::of(AuthContext::anonymous(RequestId::generate(), 0));
    assert_eq!(store.put(&anonymous, "A", "x").await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn no_secret_is_on_the_disk_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, b"key", &Arc::default());
    let secret = "correct horse battery staple";
    store.put(&tenant("acme"), "A", secret).await.unwrap();
    let mut read = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        read += bytes.len();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    assert!(read > 0);
}

#[tokio::test]
async fn a_secret_opens_with_its_key_and_in_its_place_only() {
    let dir = tempfile::tempdir().unwrap();
    let acme = tenant("acme");
    let original = store(&dir, b"key", &Arc::default());
    original.put(&acme, "A", "of A").await.unwrap();
    original.put(&acme, "B", "of B").await.unwrap();
    let other = store(&dir, b"another key", &Arc::default());
    assert_eq!(other.reveal(&acme.namespace, "A").await.unwrap_err().code, Code::Internal);

    let database = rusqlite::Connection::open(dir.path().join("secrets.db")).unwrap();
    let swap = "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'A') WHERE name = 'B'";
    assert_eq!(database.execute(swap, []).unwrap(), 1);
    assert_eq!(original.reveal(&acme.namespace, "B").await.unwrap_err().code, Code::Internal);
}
