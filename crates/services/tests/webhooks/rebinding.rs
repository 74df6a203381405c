//! Endpoints whose names change their minds: each attempt is held against the egress rules anew.

use std::sync::Arc;

use doer_core::service::webhooks::{DeliveryStatus, RetryDelivery, Webhooks};
use doer_services::{
    egress::{HttpEgress, Policy, PrivateRange, Rule, Scheme, Settings as EgressSettings},
    webhooks::Settings,
};

use crate::{
    door::scope,
    names::Names,
    receiver::Receiver,
    world::{self, World},
};

#[tokio::test]
async fn a_retry_asks_for_the_name_again_and_does_not_follow_it_inside() {
    let receiver = Receiver::default();
    let address = world::serve(receiver.router()).await;
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let rule = Rule { schemes: vec![Scheme::Http], ports: vec![port], ..Rule::host("*".parse().unwrap()) };
    let loopback = PrivateRange { net: "127.0.0.1/32".parse().unwrap(), ports: vec![port] };
    let policy = Policy { allow: vec![rule], allow_private: vec![loopback] };
    let names = Arc::new(Names::new(&[("rebind.example", &["127.0.0.1", "10.0.0.1"])]));
    let settings = EgressSettings { internal: policy.clone(), tenant: policy, ..EgressSettings::default() };
    let egress = Arc::new(HttpEgress::new(settings, names.clone()).unwrap());
    let world = World::over(egress, Settings { http_hosts: vec!["rebind.example".to_owned()], ..Settings::default() });
    let acme = scope("tenant", Some("acme"));
    // The receiver ends the connection, so that the next attempt needs another one.
    world.endpoint(&acme, &format!("http://rebind.example:{port}/status/500?close=true")).await;
    let id = world.send(&acme, "user.created").await.unwrap().remove(0);
    world.start();
    let answered = world.delivery(&acme, |delivery| delivery.status == DeliveryStatus::Failed).await;
    assert_eq!(answered.last_error.as_deref(), Some("the endpoint answered 500"));

    world.webhooks.retry_delivery(&acme, RetryDelivery { id }).await.unwrap();
    let refused = world.delivery(&acme, |delivery| delivery.attempts == 2 && delivery.next_attempt_at.is_some()).await;
    let why = "fetch is not permitted: rebind.example leads to an address that is not public, which the egress policy \
               `tenant` does not open";
    assert_eq!(refused.last_error.as_deref(), Some(why));
    assert_eq!((receiver.hooks().len(), names.questions().len()), (1, 2));
    world.tasks.stop().await;
}
