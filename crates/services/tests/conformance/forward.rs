//! Services behind a wire: a forwarding doer, HTTP, and the service that answers there.

use std::sync::Arc;

use doer_core::time::SystemClock;
use doer_services::forward::{Forward, Settings};

use crate::{candidate::Candidate, gateway::serve};

#[path = "../fixtures/forwarded.rs"]
mod receiver;

const KEY: &[u8] = b"shared by both sides";

/// The same backend as it is from elsewhere: a client of a server that has it.
pub async fn forwarded(here: Candidate) -> Candidate {
    let (service, clock) = (here.service, Arc::new(SystemClock));
    let receiver = receiver::Receiver { service, backend: here.backend, key: KEY.to_vec(), clock: clock.clone() };
    let url = serve::serve(receiver.router()).await.parse().unwrap();
    let forward = Forward::new(service, Settings { key: Some(KEY.to_vec()), ..Settings::new(url) }, clock).unwrap();
    Candidate { backend: Arc::new(forward), ..here }
}
