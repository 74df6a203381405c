//! What providers send: who is believed, that an event counts once, and that it is handed on.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use bytes::Bytes;
use doer_core::{
    quota::Quota,
    run::{QueueTarget, RunError, Target},
    scope::Scope,
    service::{
        Code,
        webhooks::{
            CreateSource, DeleteSource, EventStatus, ListEvents, ListEventsOptions, NewSource, Provider, RetryEvent,
            Source, Webhooks,
        },
    },
    tier::Tier,
};
use doer_services::webhooks::{Received, Refused, Settings, Waits};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::{
    door::scope,
    world::{Handed, START, World, until},
};

const SECRET: &str = "a secret of the provider";

fn acme() -> Scope {
    scope("tenant", Some("acme"))
}

fn queue() -> Target {
    Target::Queue(QueueTarget { queue: "events".to_owned(), message: None })
}

fn settings() -> Settings {
    let defaults = Settings::default();
    Settings { event_waits: Waits { jitter_percent: 0, ..defaults.event_waits.clone() }, ..defaults }
}

fn world() -> World {
    World::new(Quota::of(Tier::Tenant), settings())
}

async fn source(world: &World, provider: Provider, target: Option<Target>) -> Source {
    let source = NewSource { provider, endpoint: None, secret: SECRET.to_owned(), target };
    world.webhooks.create_source(&acme(), CreateSource { source }).await.unwrap()
}

/// Headers of a Stripe request.
fn stripe(body: &str, at_s: u64, secret: &str) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at_s}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    vec![("Stripe-Signature".to_owned(), format!("t={at_s},v1={signature}"))]
}

fn now_s(world: &World) -> u64 {
    use doer_core::time::Clock;
    world.clock.now_ms() / 1000
}

/// A Stripe event comes in, signed rightly.
async fn event(world: &World, source: &Source, body: &str) -> Result<Received, Refused> {
    let headers = stripe(body, now_s(world), SECRET);
    world.webhooks.receive("stripe", &source.endpoint, &headers, Bytes::from(body.to_owned()), Some("192.0.2.1")).await
}

#[tokio::test(start_paused = true)]
async fn an_event_is_handed_on_as_it_came() {
    let world = world();
    let source = source(&world, Provider::Stripe, Some(queue())).await;
    let body = r#"{"id":"evt_1","type":"invoice.paid","data":{"amount":5}}"#;
    let received = event(&world, &source, body).await.unwrap();
    assert!(!received.duplicate);
    world.start();
    let kept = world.event(&acme(), |event| event.status == EventStatus::Processed).await;
    assert_eq!(kept.id, received.id);

    let expected = Handed {
        namespace: "tenant:acme".to_owned(),
        target: queue(),
        event: json!({
            "id": received.id, "provider": "stripe", "endpoint": source.endpoint, "eventId": "evt_1",
            "event": "invoice.paid", "payload": { "id": "evt_1", "type": "invoice.paid", "data": { "amount": 5 } },
            "receivedAt": kept.received_at,
        }),
    };
    assert_eq!(world.targets.handed(), std::slice::from_ref(&expected));

    world.webhooks.retry_event(&acme(), RetryEvent { id: received.id }).await.unwrap();
    until(|| world.targets.handed().len() == 2).await;
    assert_eq!(world.targets.handed()[1], expected);
    world.tasks.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_many_times_at_once_is_kept_once() {
    let world = world();
    let source = source(&world, Provider::Stripe, Some(queue())).await;
    let body = r#"{"id":"evt_1","type":"invoice.paid"}"#;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let headers = stripe(body, now_s(&world), SECRET);
        let (webhooks, endpoint) = (world.webhooks.clone(), source.endpoint.clone());
        all.spawn(async move {
            webhooks.receive("stripe", &endpoint, &headers, Bytes::from_static(body.as_bytes()), None).await.unwrap()
        });
    }
    let received = all.join_all().await;
    assert_eq!(received.iter().filter(|received| !received.duplicate).count(), 1);
    assert!(received.iter().all(|other| other.id == received[0].id));
    assert_eq!(world.events(&acme()).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_verified_is_refused_in_one_way() {
    let world = world();
    let source = source(&world, Provider::Stripe, None).await;
    let (body, now) = (r#"{"id":"evt_1"}"#, START.as_secs());
    let receive = |provider: &'static str, endpoint: String, headers: Vec<(String, String)>, body: &'static str| {
        let webhooks = world.webhooks.clone();
        async move { webhooks.receive(provider, &endpoint, &headers, Bytes::from_static(body.as_bytes()), None).await }
    };
    let endpoint = source.endpoint.clone();
    let good = stripe(body, now, SECRET);
    let refusals = [
        receive("stripe", "no-such-endpoint".to_owned(), good.clone(), body).await,
        receive("stripes", endpoint.clone(), good.clone(), body).await,
        receive("workos", endpoint.clone(), good.clone(), body).await,
        receive("stripe", endpoint.clone(), stripe(body, now, "another"), body).await,
        receive("stripe", endpoint.clone(), stripe(body, now, ""), body).await,
        receive("stripe", endpoint.clone(), stripe(body, now - 301, SECRET), body).await,
        receive("stripe", endpoint.clone(), stripe(body, now + 310, SECRET), body).await,
        receive("stripe", endpoint.clone(), good.clone(), r#"{"id":"evt_2"}"#).await,
        receive("stripe", endpoint.clone(), Vec::new(), body).await,
    ];
    for (number, refused) in refusals.into_iter().enumerate() {
        let refused = refused.expect_err(&number.to_string());
        assert_eq!((refused.status(), refused.to_string()), (401, "The webhook cannot be verified".to_owned()));
    }
    assert!(world.events(&acme()).await.is_empty());
    assert!(receive("stripe", endpoint.clone(), stripe(body, now - 299, SECRET), body).await.is_ok());

    world.webhooks.delete_source(&acme(), DeleteSource { id: source.id }).await.unwrap();
    assert!(matches!(receive("stripe", endpoint, good, body).await, Err(Refused::Unverified)));
    assert_eq!(world.events(&acme()).await.len(), 1, "what came before is still told");
}

/// An unknown source must not be one that is signed with nothing.
#[tokio::test]
async fn an_empty_key_opens_no_unknown_source() {
    let world = world();
    let body = r#"{"id":"evt_1"}"#;
    let headers = stripe(body, START.as_secs(), "");
    let refused =
        world.webhooks.receive("stripe", "unknown-source", &headers, Bytes::from_static(body.as_bytes()), None);
    assert!(matches!(refused.await, Err(Refused::Unverified)));
}

#[tokio::test]
async fn bodies_and_what_waits_are_bounded() {
    let quota = Quota { deliveries: 2, ..Quota::of(Tier::Tenant) };
    let world = World::new(quota, Settings { max_event_bytes: 20, ..settings() });
    let source = source(&world, Provider::Stripe, Some(queue())).await;
    let refused = event(&world, &source, r#"{"id":"123456789012"}"#).await.unwrap_err();
    assert_eq!(
        (refused.status(), refused.to_string().as_str()),
        (413, "The body of a webhook must be at most 20 bytes")
    );
    event(&world, &source, r#"{"id":"12345678901"}"#).await.unwrap();
    event(&world, &source, r#"{"id":"2"}"#).await.unwrap();
    let refused = event(&world, &source, r#"{"id":"3"}"#).await.unwrap_err();
    assert!(matches!(&refused, Refused::Full(error) if error.code == Code::Quota), "{refused:?}");
    assert_eq!(refused.status(), 429);
    assert!(event(&world, &source, r#"{"id":"2"}"#).await.unwrap().duplicate, "it takes no room");
    world.start();
    until(|| world.targets.handed().len() == 2).await;
    world.event(&acme(), |event| event.status == EventStatus::Processed).await;
    world.tasks.stop().await;
}

#[tokio::test]
async fn a_suspended_namespace_takes_nothing() {
    let world = world();
    let source = source(&world, Provider::Stripe, None).await;
    world.standing.suspended.store(true, SeqCst);
    let refused = event(&world, &source, r#"{"id":"1"}"#).await.unwrap_err();
    assert_eq!((refused.status(), refused.to_string().as_str()), (403, "The namespace is suspended"));
    let unsigned = world.webhooks.receive("stripe", &source.endpoint, &[], Bytes::new(), None).await.unwrap_err();
    assert_eq!(unsigned.status(), 401, "only who is verified learns of it");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_gets_the_event_again_and_then_no_more() {
    let world = world();
    let source = source(&world, Provider::Stripe, Some(queue())).await;
    let failure = |counts| RunError { message: "Error: no".to_owned(), counts };
    world.targets.failures.lock().unwrap().extend(vec![failure(true); 8]);
    world.targets.failures.lock().unwrap().push(failure(false));
    event(&world, &source, r#"{"id":"1"}"#).await.unwrap();
    world.start();
    let waiting = world.event(&acme(), |event| event.last_error.is_some()).await;
    assert_eq!((waiting.attempts, waiting.status), (0, EventStatus::Pending), "the server was full: it does not count");
    let failed = world.event(&acme(), |event| event.attempts == 1 && event.status == EventStatus::Failed).await;
    assert_eq!(failed.last_error.as_deref(), Some("Error: no"));
    let dead = world.event(&acme(), |event| event.status == EventStatus::Dead).await;
    assert_eq!((dead.attempts, world.targets.handed().len()), (7, 8));

    world.webhooks.retry_event(&acme(), RetryEvent { id: dead.id.clone() }).await.unwrap();
    world.event(&acme(), |event| event.attempts == 8 && event.status == EventStatus::Dead).await;
    world.webhooks.retry_event(&acme(), RetryEvent { id: dead.id }).await.unwrap();
    world.event(&acme(), |event| event.attempts == 9 && event.status == EventStatus::Processed).await;
    world.tasks.stop().await;
}

#[tokio::test]
async fn payloads_that_are_no_json_are_strings_and_events_are_filtered() {
    let world = world();
    let kept = source(&world, Provider::Stripe, None).await;
    event(&world, &kept, "plain text").await.unwrap();
    let other = source(&world, Provider::Stripe, None).await;
    event(&world, &other, r#"{"id":"1"}"#).await.unwrap();

    let list = async |source_id, status| {
        let options = ListEventsOptions { source_id, status, ..ListEventsOptions::default() };
        world.webhooks.list_events(&acme(), ListEvents { options: Some(options) }).await.unwrap().data
    };
    let of_first = list(Some(kept.id.clone()), None).await;
    assert_eq!(of_first.len(), 1);
    assert_eq!(of_first[0].payload, json!("plain text"));
    assert_eq!((of_first[0].event.as_deref(), of_first[0].event_id.len()), (None, "sha256:".len() + 64));
    assert_eq!(list(None, Some(EventStatus::Processed)).await.len(), 2);
    assert_eq!(list(None, Some(EventStatus::Dead)).await.len(), 0);
    let (other, params) = (scope("tenant", Some("other")), RetryEvent { id: of_first[0].id.clone() });
    assert_eq!(world.webhooks.retry_event(&other, params).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn a_page_of_large_events_is_shorter() {
    let world = world();
    let source = source(&world, Provider::Stripe, None).await;
    let filler = "x".repeat(1 << 20);
    for number in 0..9 {
        let body = format!(r#"{{"id":"{number}","filler":"{}"}}"#, &filler[100..]);
        event(&world, &source, &body).await.unwrap();
    }
    let page = world.webhooks.list_events(&acme(), ListEvents { options: None }).await.unwrap();
    assert_eq!((page.data.len(), page.pagination.total), (8, 9));
    let rest = ListEventsOptions { offset: Some(8), ..ListEventsOptions::default() };
    let rest = world.webhooks.list_events(&acme(), ListEvents { options: Some(rest) }).await.unwrap();
    assert_eq!((rest.data.len(), rest.data[0].event_id.as_str()), (1, "0"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_refused_when_it_is_old_and_known_before() {
    let world = world();
    let source = source(&world, Provider::Stripe, None).await;
    let body = r#"{"id":"evt_1"}"#;
    let headers = stripe(body, now_s(&world), SECRET);
    let again = || {
        let (webhooks, endpoint, headers) = (world.webhooks.clone(), source.endpoint.clone(), headers.clone());
        async move { webhooks.receive("stripe", &endpoint, &headers, Bytes::from_static(body.as_bytes()), None).await }
    };
    let first = again().await.unwrap();
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(again().await.unwrap(), Received { id: first.id, duplicate: true });
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(matches!(again().await, Err(Refused::Unverified)));
}
