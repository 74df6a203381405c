//! The store: what is written when, what is kept, and what it counts as.

use std::time::Duration;

use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    quota::Quota,
    service::Code,
    tier::Tier,
    time::ManualClock,
};

use super::*;

struct Room {
    workers: u64,
    bytes: u64,
}

impl Quotas for Room {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { workers: self.workers, worker_bytes: self.bytes, ..Quota::of(tier) }
    }
}

fn store(dir: &tempfile::TempDir, workers: u64, bytes: u64) -> WorkerStore {
    let clock = Arc::new(ManualClock::at(Duration::from_millis(5)));
    WorkerStore::open(dir.path(), clock, Arc::new(Room { workers, bytes })).unwrap()
}

fn tenant(id: &str) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
    let user = User {
        id: format!("of-{id}"),
        email: "a@b.test".to_owned(),
        name: None,
        role: Some("tenant".to_owned()),
        permissions: Vec::new(),
        metadata: [("tenantId".to_owned(), id.into())].into_iter().collect(),
    };
    context.auth = Identity { authenticated: true, user: Some(user), session: None, api_key: None };
    Scope::of(context)
}

fn id(text: &str) -> WorkerId {
    WorkerId::parse(text).unwrap()
}

/// Code that says `text`, with a hash that is its own.
fn code(text: &str) -> NewCode {
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    let entrypoints = vec![EntrypointInfo { name: "default".to_owned(), methods: vec!["fetch".to_owned()] }];
    NewCode { hash: CodeHash::from_bytes(bytes), json: format!("{{\"code\":\"{text}\"}}"), entrypoints }
}

async fn put(store: &WorkerStore, scope: &Scope, name: &str, text: &str) -> Written {
    store.put(scope, &id(name), code(text), Expected::Anything).await.unwrap()
}

fn version(written: &Written) -> u64 {
    match written {
        Written::Created(info) | Written::Replaced(info) | Written::Unchanged(info) => info.version,
        other => panic!("{other:?}"),
    }
}

async fn current(store: &WorkerStore, scope: &Scope, name: &str) -> Option<String> {
    store.code(&scope.namespace, &id(name), None).await.unwrap().map(|code| code.json)
}

#[tokio::test]
async fn what_is_expected_decides_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, acme, shop) = (store(&dir, 9, 1 << 20), tenant("acme"), id("shop"));
    let attempt = async |text, expected| store.put(&acme, &shop, code(text), expected).await.unwrap();
    let (one, two) = (code("1").hash, code("2").hash);

    assert_eq!(attempt("1", Expected::Some).await, Written::Unexpected);
    assert_eq!(attempt("1", Expected::OneOf(vec![one.clone()])).await, Written::Unexpected);
    let Written::Created(info) = attempt("1", Expected::SameOrNone).await else { panic!() };
    assert_eq!((info.version, &info.hash, info.created_at), (1, &one, 5));
    assert_eq!(info.entrypoints, code("1").entrypoints);
    assert!(matches!(attempt("1", Expected::SameOrNone).await, Written::Unchanged(_)));
    assert_eq!(attempt("2", Expected::SameOrNone).await, Written::Other(one.clone()));
    assert_eq!(attempt("2", Expected::OneOf(vec![two.clone()])).await, Written::Unexpected);
    assert!(matches!(attempt("2", Expected::OneOf(vec![two.clone(), one])).await, Written::Replaced(_)));
    assert_eq!(version(&attempt("3", Expected::Some).await), 3);
    assert_eq!(store.delete(&acme.namespace, &shop, Expected::OneOf(vec![two])).await.unwrap(), Written::Unexpected);
    assert_eq!(version(&store.delete(&acme.namespace, &shop, Expected::Anything).await.unwrap()), 3);
    assert_eq!(store.delete(&acme.namespace, &shop, Expected::Anything).await.unwrap(), Written::NoWorker);
    assert_eq!(store.get(&acme.namespace, &shop).await.unwrap(), None);
}

#[tokio::test]
async fn versions_are_kept_and_can_be_current_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, acme, shop) = (store(&dir, 9, 1 << 20), tenant("acme"), id("shop"));
    for n in 1..=22_u64 {
        assert_eq!(version(&put(&store, &acme, "shop", &n.to_string()).await), n);
    }
    let numbers = async || {
        let versions = store.versions(&acme.namespace, &shop).await.unwrap();
        assert!(versions.iter().all(|version| version.created_by.as_deref() == Some("of-acme")));
        versions.into_iter().map(|version| version.version).collect::<Vec<_>>()
    };
    assert_eq!(numbers().await, (3..=22).rev().collect::<Vec<_>>());

    let back = async |version| store.rollback(&acme.namespace, &shop, version, Expected::Anything).await.unwrap();
    assert_eq!(version(&back(None).await), 21);
    assert_eq!(version(&back(Some(3)).await), 3);
    assert_eq!(current(&store, &acme, "shop").await.as_deref(), Some(r#"{"code":"3"}"#));
    assert!(matches!(back(Some(3)).await, Written::Unchanged(_)));
    assert_eq!((back(None).await, back(Some(2)).await), (Written::NoVersion, Written::NoVersion));
    let elsewhere = store.rollback(&acme.namespace, &id("none"), None, Expected::Anything).await.unwrap();
    assert_eq!(elsewhere, Written::NoWorker);
    // Numbers are not given twice.
    assert_eq!(version(&put(&store, &acme, "shop", "23").await), 23);
    assert_eq!(numbers().await, (4..=23).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_namespace_sees_and_counts_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 2, 1 << 20);
    let (acme, other) = (tenant("acme"), tenant("other"));
    for name in ["b", "a"] {
        put(&store, &acme, name, "acme's").await;
    }
    put(&store, &other, "a", "other's").await;
    let refused = store.put(&acme, &id("c"), code("1"), Expected::Anything).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (Code::Quota, "workers: there may be 2, and there are"));
    assert_eq!(current(&store, &other, "a").await.as_deref(), Some(r#"{"code":"other's"}"#));

    let page = store.list(&acme.namespace, 1, 1).await.unwrap();
    assert_eq!((page.data.len(), page.data[0].id.as_str(), page.pagination.total), (1, "b", 2));
    store.forget(&acme.namespace).await.unwrap();
    store.forget(&acme.namespace).await.unwrap();
    assert_eq!(store.list(&acme.namespace, 9, 0).await.unwrap().pagination.total, 0);
    assert_eq!(current(&store, &acme, "a").await, None);
    assert_eq!(store.list(&other.namespace, 9, 0).await.unwrap().pagination.total, 1);
}

#[tokio::test]
async fn bytes_count_as_they_are_stored_and_what_goes_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let acme = tenant("acme");
    // Twenty versions fit, and nothing beside them.
    let largest = (10..40).map(|n: u32| packed::pack(&code(&n.to_string()).json).unwrap().len()).max().unwrap();
    let store = store(&dir, 9, 20 * largest as u64);
    for n in 10..40 {
        put(&store, &acme, "shop", &n.to_string()).await;
    }
    let more = store.put(&acme, &id("more"), code(&"x y z ".repeat(5)), Expected::Anything).await.unwrap_err();
    assert_eq!(more.code, Code::Quota);
    assert_eq!(store.get(&acme.namespace, &id("more")).await.unwrap(), None, "nothing of it is there");
    store.delete(&acme.namespace, &id("shop"), Expected::Anything).await.unwrap();
    put(&store, &acme, "more", &"x y z ".repeat(5)).await;
}

#[tokio::test]
async fn code_is_there_after_a_restart_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let acme = tenant("acme");
    put(&store(&dir, 9, 1 << 20), &acme, "shop", "1").await;
    let stored = store(&dir, 9, 1 << 20).code(&acme.namespace, &id("shop"), Some(1)).await.unwrap().unwrap();
    assert_eq!((stored.hash, stored.json, stored.owner), (code("1").hash, code("1").json, acme.owner()));
}

#[tokio::test]
async fn who_is_not_signed_in_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = Scope::of(AuthContext::anonymous(RequestId::from_text("req_1"), 0));
    let refused = store(&dir, 9, 9).put(&nobody, &id("a"), code("1"), Expected::Anything).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
}
