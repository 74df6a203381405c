//! What is kept, how long, and what is forgotten.

use std::time::Duration;

use bytes::Bytes;
use doer_core::{
    quota::Quota,
    scope::Scope,
    service::{
        Health,
        webhooks::{
            CreateSource, DeliveryStatus, ListEndpoints, ListSources, NewSource, Provider, RetryDelivery, Webhooks,
        },
    },
    tier::Tier,
};
use doer_services::{Holder, webhooks::Settings};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{door::scope, world::World};

fn acme() -> Scope {
    scope("tenant", Some("acme"))
}

/// Sends one after another, each once the one before is done.
async fn deliver(world: &World, scope: &Scope, count: usize) {
    for _ in 0..count {
        let id = world.send(scope, "a").await.unwrap().remove(0);
        world.delivery(scope, |newest| newest.id == id && newest.delivered_at.is_some()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_kept_up_to_a_number() {
    let world = World::new(Quota::of(Tier::Tenant), Settings { keep_rows: 3, ..Settings::default() });
    world.endpoint(&acme(), "https://example.com/200").await;
    world.start();
    deliver(&world, &acme(), 5).await;
    let newest: Vec<_> = world.deliveries(&acme()).await.into_iter().take(3).map(|delivery| delivery.id).collect();
    tokio::time::sleep(Duration::from_mins(2)).await;
    let kept: Vec<_> = world.deliveries(&acme()).await.into_iter().map(|delivery| delivery.id).collect();
    assert_eq!(kept, newest);
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_kept_for_a_while_and_what_is_not_stays() {
    let settings = Settings { keep_finished: Duration::from_hours(1), ..Settings::default() };
    let world = World::new(Quota::of(Tier::Tenant), settings);
    let gone = world.endpoint(&acme(), "https://example.com/410").await.endpoint;
    world.start();
    let dead = world.send(&acme(), "a").await.unwrap().remove(0);
    world.delivery(&acme(), |newest| newest.status == DeliveryStatus::Dead).await;
    let params = doer_core::service::webhooks::DeleteEndpoint { id: gone.id };
    world.webhooks.delete_endpoint(&acme(), params).await.unwrap();
    world.endpoint(&acme(), "https://example.com/500").await;
    let failing = world.send(&acme(), "a").await.unwrap().remove(0);

    tokio::time::sleep(Duration::from_mins(59)).await;
    assert_eq!(world.deliveries(&acme()).await.len(), 2);
    tokio::time::sleep(Duration::from_mins(3)).await;
    let kept = world.deliveries(&acme()).await;
    assert_eq!(kept.iter().map(|delivery| &delivery.id).collect::<Vec<_>>(), [&failing]);
    let unknown = world.webhooks.retry_delivery(&acme(), RetryDelivery { id: dead }).await.unwrap_err();
    assert_eq!(unknown.message, "id: there is no such delivery");
    world.tasks.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bodies_of_dead_deliveries_are_kept_up_to_so_many_bytes() {
    let world = World::new(Quota::of(Tier::Tenant), Settings { keep_bytes: 130, ..Settings::default() });
    world.endpoint(&acme(), "https://example.com/410").await;
    world.start();
    for _ in 0..4 {
        let id = world.send(&acme(), "a").await.unwrap().remove(0);
        world.delivery(&acme(), |newest| newest.id == id && newest.status == DeliveryStatus::Dead).await;
    }
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(world.deliveries(&acme()).await.len(), 2, "of 64 bytes each");
    world.tasks.stop().await;
}

#[tokio::test]
async fn events_that_nobody_handles_do_not_pile_up() {
    let world = World::new(Quota::of(Tier::Tenant), Settings { keep_rows: 3, ..Settings::default() });
    let source = NewSource { provider: Provider::Github, endpoint: None, secret: "key".to_owned(), target: None };
    let source = world.webhooks.create_source(&acme(), CreateSource { source }).await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
    mac.update(b"{}");
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    for number in 0..6 {
        let headers = [("x-hub-signature-256", signature.clone()), ("x-github-delivery", number.to_string())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        world.webhooks.receive("github", &source.endpoint, &headers, Bytes::from_static(b"{}"), None).await.unwrap();
    }
    let kept: Vec<_> = world.events(&acme()).await.into_iter().map(|event| event.event_id).collect();
    assert_eq!(kept, ["5", "4", "3"]);
}

#[tokio::test]
async fn a_namespace_is_forgotten_and_no_other() {
    let world = World::new(Quota { deliveries: 1, ..Quota::of(Tier::Tenant) }, Settings::default());
    let other = scope("tenant", Some("other"));
    for scope in [&acme(), &other] {
        world.endpoint(scope, "https://example.com/200").await;
        world.send(scope, "a").await.unwrap();
    }
    let new = NewSource {
        provider: Provider::Hmac,
        endpoint: Some("acme-hooks".to_owned()),
        secret: "key".to_owned(),
        target: None,
    };
    world.webhooks.create_source(&acme(), CreateSource { source: new.clone() }).await.unwrap();
    assert!(world.webhooks.create_source(&other, CreateSource { source: new.clone() }).await.is_err());

    for _ in 0..2 {
        world.webhooks.forget(&acme().namespace).await.unwrap();
    }
    assert!(world.webhooks.list_endpoints(&acme(), ListEndpoints {}).await.unwrap().is_empty());
    assert!(world.webhooks.list_sources(&acme(), ListSources {}).await.unwrap().is_empty());
    assert!(world.deliveries(&acme()).await.is_empty());
    let refused = world.webhooks.receive("hmac", "acme-hooks", &[], Bytes::new(), None).await.unwrap_err();
    assert_eq!(refused.status(), 401);

    assert_eq!(world.deliveries(&other).await.len(), 1);
    assert_eq!(world.webhooks.list_endpoints(&other, ListEndpoints {}).await.unwrap().len(), 1);
    assert!(world.webhooks.create_source(&other, CreateSource { source: new }).await.is_ok(), "its path is free");
    world.endpoint(&acme(), "https://example.com/200").await;
    assert!(world.send(&acme(), "a").await.is_ok(), "nothing is counted any more");
    assert!(world.send(&other, "a").await.is_err(), "and the other's is");
    assert_eq!(world.webhooks.health(), Health::Ok);
}
