//! Another `auth`, over the wire, that knows whom nobody here knows.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use async_trait::async_trait;
use doer_core::{
    scope::{Scope, Standing},
    service::{Arguments, Backend, Code, Health, Method, Service, ServiceError},
    tier::Tier,
    time::ManualClock,
};
use doer_services::{
    auth::{Settings, audit::Actor},
    forward::{self, Forward},
};
use serde_json::{Value, json, value::RawValue};

use crate::{
    forwarded::Receiver,
    serve::serve,
    setup::{Setup, admin, caller, role, within},
};

const KEY: &[u8] = b"shared";

/// Knows one user, by the token `theirs`.
struct Other {
    user: Mutex<Option<Value>>,
    down: AtomicBool,
    asked: AtomicU32,
}

#[async_trait]
impl Backend for Other {
    async fn call(&self, _: &Scope, method: &'static Method, given: Arguments) -> Result<Box<RawValue>, ServiceError> {
        self.asked.fetch_add(1, SeqCst);
        if self.down.load(SeqCst) {
            return Err(ServiceError::new(Code::Internal, "broken"));
        }
        let given: Value = serde_json::from_str(&given.to_json(method)).unwrap();
        let user = self.user.lock().unwrap().clone();
        let answer = match (method.name, user) {
            ("validateToken", Some(user)) if given["token"] == "theirs" => json!({ "valid": true, "user": user }),
            ("validateToken", _) => json!({ "valid": false, "error": "unknown" }),
            ("getUser", Some(user)) if given["id"] == user["id"] => user,
            ("getUser", _) => Value::Null,
            (other, _) => panic!("{other} is not asked"),
        };
        Ok(serde_json::value::to_raw_value(&answer).unwrap())
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

fn ada() -> Value {
    json!({ "id": "ada", "email": "ada@example.com", "role": "tenant", "permissions": ["execute"],
            "metadata": { "tenantId": "acme" } })
}

/// An installation, and whom it asks.
async fn asking() -> (Setup, Arc<Other>) {
    let setup = Setup::new(Settings::default());
    let other =
        Arc::new(Other { user: Mutex::new(Some(ada())), down: AtomicBool::default(), asked: AtomicU32::default() });
    let receiver = Receiver {
        service: Service::Auth,
        backend: other.clone(),
        key: KEY.to_vec(),
        clock: Arc::new(ManualClock::at(setup.now())),
    };
    let url = serve(receiver.router()).await.parse().unwrap();
    let settings = forward::Settings { key: Some(KEY.to_vec()), retries: 0, ..forward::Settings::new(url) };
    let forward = Forward::new(Service::Auth, settings, Arc::new(ManualClock::at(setup.now()))).unwrap();
    setup.authority.ask_also(Arc::new(forward));
    (setup, other)
}

#[tokio::test]
async fn what_is_not_known_here_is_asked_for_there_and_not_each_time() {
    let (setup, other) = asking().await;
    for _ in 0..3 {
        let scope = caller(setup.proves("theirs").await.unwrap());
        assert_eq!((scope.tier, scope.namespace.as_str()), (Tier::Tenant, "tenant:acme"));
        assert!(scope.context.holds("execute") && !scope.context.holds("rpc:db"));
        assert_eq!(setup.proves("nobodys").await, None);
    }
    assert_eq!(other.asked.load(SeqCst), 2, "once for each");
    *other.user.lock().unwrap() = None;
    setup.advance(std::time::Duration::from_secs(10));
    assert_eq!(setup.proves("theirs").await, None, "what was revoked there opens nothing after a moment");
}

#[tokio::test]
async fn what_is_known_here_is_not_asked_for_there() {
    let (setup, other) = asking().await;
    let bob = setup.user(&within("acme"), "bob@example.com", role("tenant", &["execute"])).await;
    let key = setup.key(&within("acme"), &bob, &["execute"]).await.unwrap();
    let session = setup.session(&within("acme"), &bob).await.unwrap();
    assert!(setup.proves(&key.key).await.is_some() && setup.proves(&session.token).await.is_some());
    setup.authority.set_disabled(Actor::operator(), &bob.id, true).await.unwrap();
    for ended in [&key.key, &session.token] {
        assert_eq!(setup.proves(ended).await, None, "and nobody there brings it back");
    }
    assert_eq!(setup.proves("").await, None);
    assert_eq!(other.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn a_failure_there_says_nothing_about_the_token() {
    let (setup, other) = asking().await;
    other.down.store(true, SeqCst);
    let refused = setup.authority.verify("theirs").await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_ref()),
        (Code::ServiceUnavailable, "The auth service cannot be asked")
    );
    other.down.store(false, SeqCst);
    assert!(setup.proves("theirs").await.is_some(), "a failure is not kept");
}

#[tokio::test]
async fn whom_it_speaks_of_must_be_tellable_from_others() {
    for (path, value) in [
        ("/id", json!("")),
        ("/id", json!("a\nb")),
        ("/id", json!("a".repeat(201))),
        ("/metadata/tenantId", json!("a/b")),
        ("/metadata/tenantId", json!(["acme"])),
        ("/permissions/0", json!("tenant:a b")),
    ] {
        let (setup, other) = asking().await;
        let mut user = ada();
        *user.pointer_mut(path).unwrap() = value.clone();
        *other.user.lock().unwrap() = Some(user);
        assert_eq!(setup.proves("theirs").await, None, "{path}: {value}");
    }
}

#[tokio::test]
async fn its_users_stand_as_it_says_and_fall_with_their_tenant() {
    let (setup, other) = asking().await;
    let scope = caller(setup.proves("theirs").await.unwrap());
    assert_eq!(setup.authority.exchange(&scope).await.unwrap_err().code, Code::Forbidden, "it has sessions of its own");
    assert_eq!(setup.authority.scope(&scope.owner()).await.unwrap().unwrap().tier, Tier::Tenant);

    let tenants = setup.authority.tenants();
    tenants.suspend(Actor::operator(), "acme", None).await.unwrap();
    assert_eq!(setup.authority.verify("theirs").await.unwrap_err().code, Code::Forbidden);
    assert_eq!(setup.authority.scope(&scope.owner()).await.unwrap(), None);
    let own = admin().within(doer_core::tier::Namespace::parse("user:ada").unwrap());
    assert_eq!(setup.authority.admit(&own.namespace).await.unwrap_err().code, Code::Forbidden);
    tenants.resume(Actor::operator(), "acme").await.unwrap();

    *other.user.lock().unwrap() = None;
    setup.advance(std::time::Duration::from_secs(10));
    assert_eq!(setup.authority.scope(&scope.owner()).await.unwrap(), None, "it knows the user no longer");
}
