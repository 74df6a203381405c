//! Conformance of the embedded `schedule`.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    quota::{DefaultQuotas, Quota},
    service::{Service, schedule::Schedule},
    tier::Tier,
    time::SystemClock,
};
use doer_services::{queue::EmbeddedQueue, schedule::EmbeddedSchedule, targets::Targets, tasks::Tasks};

use crate::{
    door::Direct,
    jobs::{Fixed, KnownPrograms, Ranks, StatusOfPath},
    scenarios,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_schedule_keeps_its_contract() {
    scenarios::covers_the_contract(Service::Schedule);
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
    scenarios::run(Service::Schedule, &Direct(&backend), &BTreeMap::new(), "direct").await;
    tasks.stop().await;
}
