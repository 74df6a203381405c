//! Conformance of the embedded `queue`.

use std::sync::Arc;

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
    candidate::Candidate,
    jobs::{Fixed, KnownPrograms, Ranks},
};

/// With consumers at work.
pub async fn embedded() -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let quota = Quota { queue_messages: 20, consumers: 2, ..Quota::of(Tier::Internal) };
    let queue =
        EmbeddedQueue::open(dir.path(), Settings::default(), Arc::new(SystemClock), Arc::new(Fixed(quota))).unwrap();
    let tasks = Tasks::default();
    queue.start(&tasks, Arc::new(Ranks::default()), KnownPrograms::new());

    let backend: Arc<dyn Queue> = queue;
    Candidate { tasks, around: vec![Box::new(dir)], ..Candidate::new(Service::Queue, backend) }
}
