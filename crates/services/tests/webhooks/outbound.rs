//! Deliveries: when they are tried, how they are signed, and that nothing is lost or held up.

use std::time::Duration;

use doer_core::{
    quota::Quota,
    scope::Scope,
    service::{
        Code,
        webhooks::{CreateEndpoint, DeleteEndpoint, DeliveryStatus, NewEndpoint, RetryDelivery, Send, Webhooks},
    },
    tier::Tier,
};
use doer_services::{
    tls,
    webhooks::{Concurrency, Settings, Waits},
};
use serde_json::{Value, json};

use crate::{
    door::scope,
    receiver::Receiver,
    world::{self, Outside, World, until},
};

fn acme() -> Scope {
    scope("tenant", Some("acme"))
}

fn steady() -> Settings {
    let defaults = Settings::default();
    Settings { delivery_waits: Waits { jitter_percent: 0, ..defaults.delivery_waits.clone() }, ..defaults }
}

fn world() -> World {
    World::new(Quota::of(Tier::Tenant), steady())
}

#[tokio::test(start_paused = true)]
async fn a_failing_endpoint_is_tried_over_more_than_a_day_and_then_no_more() {
    let world = world();
    world.start();
    let endpoint = world.endpoint(&acme(), "https://example.com/500").await;
    let id = world.send(&acme(), "user.created").await.unwrap().remove(0);
    let dead = world.delivery(&acme(), |delivery| delivery.status == DeliveryStatus::Dead).await;

    assert_eq!((dead.attempts, dead.last_status, dead.next_attempt_at), (8, Some(500), None));
    let sent = world.wire.sent();
    let waits: Vec<_> = sent.windows(2).map(|pair| (pair[1].at_ms - pair[0].at_ms) / 1000).collect();
    assert_eq!(waits, [5, 300, 1800, 7200, 18_000, 36_000, 50_400]);
    for attempt in &sent {
        assert_eq!(attempt.header("webhook-id"), id, "the same in every attempt");
        assert_eq!(attempt.namespace, "tenant:acme");
        let now_s = world::START.as_secs() + attempt.at_ms / 1000;
        let signed_s: u64 = attempt.header("webhook-timestamp").parse().unwrap();
        assert!(signed_s.abs_diff(now_s) <= 1, "signed anew");
        let hook = crate::receiver::Hook {
            path: String::new(),
            headers: attempt.request.headers.iter().cloned().collect(),
            body: attempt.request.body.clone().unwrap(),
        };
        assert!(hook.verifies(&endpoint.secret));
    }

    let retried = world.webhooks.retry_delivery(&acme(), RetryDelivery { id }).await.unwrap();
    assert_eq!(retried.status, DeliveryStatus::Pending);
    let dead = world.delivery(&acme(), |delivery| delivery.status == DeliveryStatus::Dead).await;
    assert_eq!((dead.attempts, world.wire.sent().len()), (9, 9), "once more, and not all over");
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_says_how_long_to_wait_within_bounds() {
    let world = world();
    world.start();
    for (wait, expected) in [("3600", 3600), ("1", 5), ("999999999", 86_400)] {
        let endpoint = world.endpoint(&acme(), &format!("https://example.com/retry-{wait}")).await.endpoint;
        let before = world.wire.sent().len();
        world.send(&acme(), "user.created").await.unwrap();
        until(|| world.wire.sent().len() >= before + 2).await;
        let sent = world.wire.sent();
        let waited = (sent[before + 1].at_ms - sent[before].at_ms) / 1000;
        assert_eq!(waited, expected, "asked for {wait}");
        world.webhooks.delete_endpoint(&acme(), DeleteEndpoint { id: endpoint.id }).await.unwrap();
    }
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_holds_up_only_itself() {
    let settings = Settings { concurrency: Concurrency { per_lane: 2, per_namespace: 3, in_all: 4 }, ..steady() };
    let world = World::new(Quota::of(Tier::Tenant), settings);
    world.endpoint(&acme(), "https://slow.example/hang").await;
    let other = scope("tenant", Some("other"));
    world.endpoint(&other, "https://fast.example/204").await;
    for _ in 0..5 {
        world.send(&acme(), "user.created").await.unwrap();
        world.send(&other, "user.created").await.unwrap();
    }
    world.start();
    until(|| world.wire.sent().iter().filter(|sent| sent.namespace == "tenant:other").count() == 5).await;
    let slow = || world.wire.sent().iter().filter(|sent| sent.namespace == "tenant:acme").count();
    assert_eq!(slow(), 2, "no more of one endpoint at once");

    let fast = world.endpoint(&acme(), "https://fast.example/200").await;
    world.send(&acme(), "user.deleted").await.unwrap();
    let delivered = world.delivery(&acme(), |newest| newest.status == DeliveryStatus::Delivered).await;
    assert_eq!(delivered.endpoint_id, fast.endpoint.id, "beside the slow one of the same namespace");
    assert!(world.wire.open.lock().unwrap().1 <= 4);

    until(|| slow() >= 6).await;
    let failed = world.deliveries(&acme()).await.pop().unwrap();
    assert_eq!(failed.last_error.as_deref(), Some("the endpoint did not answer within 15000 ms"));
    assert_eq!(failed.status, DeliveryStatus::Failed);
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_many_slow_endpoints_leaves_room_for_others() {
    let settings = Settings { concurrency: Concurrency { per_lane: 2, per_namespace: 3, in_all: 4 }, ..steady() };
    let world = World::new(Quota::of(Tier::Tenant), settings);
    for number in 0..5 {
        world.endpoint(&acme(), &format!("https://slow.example/{number}/hang")).await;
    }
    world.send(&acme(), "user.created").await.unwrap();
    world.start();
    until(|| world.wire.sent().len() == 3).await;
    let other = scope("tenant", Some("other"));
    world.endpoint(&other, "https://fast.example/204").await;
    world.send(&other, "user.created").await.unwrap();
    world.delivery(&other, |newest| newest.status == DeliveryStatus::Delivered).await;
    assert_eq!(world.wire.sent().len(), 4, "three at once of the namespace, and the other's");
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ends_without_a_record_is_repeated_when_its_lease_ends() {
    let world = world();
    world.endpoint(&acme(), "https://example.com/panic").await;
    let id = world.send(&acme(), "user.created").await.unwrap().remove(0);
    world.start();
    until(|| world.wire.sent().len() == 2).await;
    let sent = world.wire.sent();
    assert_eq!((sent[1].at_ms - sent[0].at_ms) / 1000, 45, "the attempt's 15 s and 30 s to record it");
    assert!(sent.iter().all(|sent| sent.header("webhook-id") == id));
    let delivery = world.deliveries(&acme()).await.remove(0);
    assert_eq!((delivery.attempts, delivery.status), (2, DeliveryStatus::Pending));
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_before_a_restart_is_delivered_after_it() {
    let world = world();
    world.endpoint(&acme(), "https://example.com/200").await;
    world.send(&acme(), "user.created").await.unwrap();
    world.reopened().start(&world.tasks);
    world.delivery(&acme(), |delivery| delivery.status == DeliveryStatus::Delivered).await;
    assert_eq!(world.wire.sent().len(), 1);
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_deleted_during_an_attempt_stays_deleted() {
    let world = world();
    let endpoint = world.endpoint(&acme(), "https://example.com/hang").await.endpoint;
    world.send(&acme(), "user.created").await.unwrap();
    world.send(&acme(), "user.updated").await.unwrap();
    world.start();
    until(|| world.wire.sent().len() == 2).await;
    let under_way = world.deliveries(&acme()).await.remove(0);
    assert_eq!(under_way.next_attempt_at, None, "it is being tried");
    let refused = world.webhooks.retry_delivery(&acme(), RetryDelivery { id: under_way.id }).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_ref()), (Code::Conflict, "id: it is being tried right now"));

    assert!(world.webhooks.delete_endpoint(&acme(), DeleteEndpoint { id: endpoint.id }).await.unwrap());
    until(|| world.wire.open.lock().unwrap().0 == 0).await;
    for delivery in world.deliveries(&acme()).await {
        assert_eq!(delivery.status, DeliveryStatus::Dead);
        assert_eq!(delivery.last_error.as_deref(), Some("the endpoint was deleted"));
    }
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_for_a_suspended_owner_waits_and_nothing_is_sent_against_the_policy() {
    let world = world();
    world.endpoint(&acme(), "https://example.com/refused").await;
    world.standing.suspended.store(true, std::sync::atomic::Ordering::SeqCst);
    world.send(&acme(), "user.created").await.unwrap();
    world.start();
    let expected = "not sent: the namespace is suspended, or who registered the endpoint is gone";
    let held = world.delivery(&acme(), |delivery| delivery.last_error.as_deref() == Some(expected)).await;
    assert_eq!((held.status, held.attempts), (DeliveryStatus::Pending, 0));
    // However often it was looked at meanwhile.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let held = world.deliveries(&acme()).await.remove(0);
    assert_eq!((held.status, held.attempts), (DeliveryStatus::Pending, 0));
    assert!(world.wire.sent().is_empty());

    world.standing.suspended.store(false, std::sync::atomic::Ordering::SeqCst);
    let failed = world.delivery(&acme(), |delivery| delivery.attempts == 1 && delivery.next_attempt_at.is_some()).await;
    assert_eq!(failed.last_error.as_deref(), Some("the egress policy does not allow it"));
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn redirects_are_no_success_and_are_not_followed() {
    let world = world();
    world.endpoint(&acme(), "https://example.com/302").await;
    world.send(&acme(), "user.created").await.unwrap();
    world.start();
    let failed = world.delivery(&acme(), |delivery| delivery.status == DeliveryStatus::Failed).await;
    assert_eq!(failed.last_error.as_deref(), Some("the endpoint answered 302"));
    assert_eq!(world.wire.sent()[0].request.redirect, doer_core::outbound::Redirect::Manual);
    world.tasks.stop().await;
}

#[tokio::test]
async fn deliveries_are_counted_against_the_quota_until_they_are_done() {
    let world = World::new(Quota { deliveries: 2, ..Quota::of(Tier::Tenant) }, steady());
    world.endpoint(&acme(), "https://example.com/200").await;
    world.send(&acme(), "a").await.unwrap();
    world.send(&acme(), "b").await.unwrap();
    let refused = world.send(&acme(), "c").await.unwrap_err();
    assert_eq!(refused.code, Code::Quota);
    assert_eq!(refused.message, "Deliveries and events that are not done: at most 2, and 2 are there");
    world.start();
    until_delivered(&world, 2).await;
    world.send(&acme(), "c").await.unwrap();
    world.tasks.stop().await;
}

#[tokio::test]
async fn bodies_that_wait_are_bounded_together() {
    let world = World::new(Quota::of(Tier::Tenant), Settings { max_open_bytes: 200, ..steady() });
    world.endpoint(&acme(), "https://example.com/200").await;
    let length = br#"{"type":"a","timestamp":"2023-11-14T22:13:20.000Z","data":null}"#.len();
    for _ in 0..200 / length {
        world.send(&acme(), "a").await.unwrap();
    }
    let refused = world.send(&acme(), "a").await.unwrap_err();
    assert_eq!(refused.message, "Deliveries that are not done: at most 200 bytes");
}

#[tokio::test]
async fn payloads_end_at_256_kib() {
    let world = world();
    let send = async |length| {
        let payload = Value::from("x".repeat(length));
        world.webhooks.send(&acme(), Send { event: "a".to_owned(), payload }).await
    };
    assert!(send((256 << 10) - 2).await.is_ok(), "with its quotes");
    let refused = send((256 << 10) - 1).await.unwrap_err();
    assert_eq!(refused.message, "payload: must be at most 262144 bytes as JSON");
}

#[tokio::test]
async fn a_receiver_can_verify_what_comes_over_the_wire() {
    let receiver = Receiver::default();
    let address = world::serve(receiver.router()).await;
    let settings = Settings { http_hosts: vec!["127.0.0.1".to_owned()], ..steady() };
    let world = World::over(std::sync::Arc::new(Outside(tls::http_client().unwrap().build().unwrap())), settings);
    let endpoint = world.endpoint(&acme(), &format!("{address}/ok")).await;
    world.start();
    let payload = json!({ "amount": 5, "name": "Zoë" });
    let sent = world.webhooks.send(&acme(), Send { event: "invoice.paid".to_owned(), payload: payload.clone() }).await;
    until_delivered(&world, 1).await;

    let hook = receiver.hooks().remove(0);
    assert!(hook.verifies(&endpoint.secret));
    assert!(!hook.verifies("whsec_MDEyMzQ1Njc4OWFiY2RlZg=="));
    assert_eq!(hook.headers["webhook-id"], sent.unwrap()[0]);
    assert_eq!(hook.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&hook.body).unwrap();
    assert_eq!(body, json!({ "type": "invoice.paid", "timestamp": body["timestamp"], "data": payload }));
    assert!(body["timestamp"].as_str().unwrap().starts_with("2023-11-14T22:13:"));
    world.tasks.stop().await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other_and_anonymous_callers_have_none() {
    let world = world();
    let other = scope("tenant", Some("other"));
    let endpoint = world.endpoint(&acme(), "https://example.com/200").await.endpoint;
    let id = world.send(&acme(), "a").await.unwrap().remove(0);

    assert_eq!(world.send(&other, "a").await.unwrap(), Vec::<String>::new());
    assert!(world.deliveries(&other).await.is_empty());
    assert!(!world.webhooks.delete_endpoint(&other, DeleteEndpoint { id: endpoint.id }).await.unwrap());
    let refused = world.webhooks.retry_delivery(&other, RetryDelivery { id }).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);

    let context = doer_core::auth::AuthContext::anonymous(doer_core::id::RequestId::generate(), 0);
    let nobody = Scope::of(context);
    let new = NewEndpoint { url: "https://example.com/".to_owned(), events: vec!["*".to_owned()] };
    let refused = world.webhooks.create_endpoint(&nobody, CreateEndpoint { endpoint: new }).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_ref()),
        (Code::Forbidden, "Anonymous callers have no durable storage")
    );
    assert_eq!(world.send(&nobody, "a").await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn secrets_are_nowhere_in_the_file() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let world = world();
    let secret = world.endpoint(&acme(), "https://example.com/200").await.secret;
    let key = BASE64_STANDARD.decode(&secret["whsec_".len()..]).unwrap();
    assert_eq!(key.len(), 32);
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|window| window == &key[..16] || window == &secret.as_bytes()[6..22]));
    }
}

async fn until_delivered(world: &World, count: usize) {
    loop {
        let deliveries = world.deliveries(&acme()).await;
        if deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Delivered).count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
