//! Conformance of the embedded `schedule`.

use std::sync::Arc;

use doer_core::{
    quota::{DefaultQuotas, Quota},
    service::{Service, schedule::Schedule},
    tier::Tier,
    time::SystemClock,
};
use doer_services::{queue::EmbeddedQueue, schedule::EmbeddedSchedule, targets::Targets, tasks::Tasks};

use crate::{
    candidate::Candidate,
    jobs::{Fixed, KnownPrograms, Ranks, StatusOfPath},
};

/// With its clock running.
pub async fn embedded() -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let quota = Quota { tasks: 3, ..Quota::of(Tier::Internal) };
    let schedule =
        EmbeddedSchedule::open(dir.path(), Default::default(), clock.clone(), Arc::new(Fixed(quota))).unwrap();
    let queue = EmbeddedQueue::open(dir.path(), Default::default(), clock, Arc::new(DefaultQuotas)).unwrap();
    let targets = Targets { runner: KnownPrograms::new(), queue, egress: Arc::new(StatusOfPath::default()) };
    let tasks = Tasks::default();
    schedule.start(&tasks, Arc::new(Ranks::default()), targets);

    let backend: Arc<dyn Schedule> = schedule;
    Candidate { tasks, around: vec![Box::new(dir)], ..Candidate::new(Service::Schedule, backend) }
}
