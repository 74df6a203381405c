//! Conformance of the embedded `queue`.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    quota::Quota,
    service::{Service, queue::Queue},
    tier::Tier,
    time::SystemClock,
};
use doer_services::{
    queue::{EmbeddedQueue, Settings},
    tasks::Tasks,
};

use crate::{
    door::Direct,
    jobs::{Fixed, KnownPrograms, Ranks},
    scenarios,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_queue_keeps_its_contract() {
    scenarios::covers_the_contract(Service::Queue);
    let dir = tempfile::tempdir().unwrap();
    let quota = Quota { queue_messages: 20, consumers: 2, ..Quota::of(Tier::Internal) };
    let queue =
        EmbeddedQueue::open(dir.path(), Settings::default(), Arc::new(SystemClock), Arc::new(Fixed(quota))).unwrap();
    let tasks = Tasks::default();
    queue.start(&tasks, Arc::new(Ranks::default()), KnownPrograms::new());

    let backend: Arc<dyn Queue> = queue;
    scenarios::run(Service::Queue, &Direct(&backend), &BTreeMap::new(), "direct").await;
    tasks.stop().await;
}
