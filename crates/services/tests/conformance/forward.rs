//! Conformance of services behind a wire: the same scenarios with the same answers, through a forwarding doer and HTTP.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    service::{Backend, Service},
    time::SystemClock,
};
use doer_services::forward::{Forward, Settings};

use crate::{
    door::Direct,
    gateway::{self, serve},
    mcp, scenarios,
};

#[path = "../fixtures/forwarded.rs"]
mod receiver;

const KEY: &[u8] = b"shared by both sides";

/// A backend as it is from elsewhere: a client of a server that has it.
async fn forwarded(service: Service, backend: Arc<dyn Backend>) -> Forward {
    let clock = Arc::new(SystemClock);
    let receiver = receiver::Receiver { service, backend, key: KEY.to_vec(), clock: clock.clone() };
    let url = serve::serve(receiver.router()).await.parse().unwrap();
    Forward::new(service, Settings { key: Some(KEY.to_vec()), ..Settings::new(url) }, clock).unwrap()
}

/// Runs the scenarios of a service through forwarding.
async fn keeps_the_contract(service: Service, backend: Arc<dyn Backend>, fixtures: &BTreeMap<String, String>) {
    let forwarded = forwarded(service, backend).await;
    scenarios::run(service, &Direct(&forwarded), fixtures, "forwarded").await;
}

#[tokio::test]
async fn forwarded_gateway_keeps_the_contract() {
    keeps_the_contract(Service::Gateway, Arc::new(gateway::embedded().await), &BTreeMap::new()).await;
}

#[tokio::test]
async fn forwarded_mcp_keeps_the_contract() {
    keeps_the_contract(Service::Mcp, Arc::new(mcp::embedded().await), &BTreeMap::new()).await;
}
