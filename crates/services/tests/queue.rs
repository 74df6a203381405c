//! The embedded queue: what it holds to at its limits, when consumers fail, and when the server ends at the worst moment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/jobs.rs"]
mod jobs;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use doer_core::{
    quota::{DefaultQuotas, Quota, Quotas},
    run::WorkerTarget,
    scope::Scope,
    service::{
        Code, ServiceError,
        queue::{
            Ack, Batch, CancelJob, ConsumerOptions, ConsumerTarget, Count, Delivery, GetJob, GetStats, Job, JobStatus,
            ListJobs, ListJobsOptions, Queue, Receive, ReceiveOptions, RemoveConsumer, Retry, RetryOptions, Send,
            SendOptions, SetConsumer, WorkerConsumer,
        },
    },
    tier::Tier,
    time::{Clock, ManualClock, SystemClock},
};
use doer_services::{
    Holder,
    queue::{EmbeddedQueue, Settings},
    tasks::Tasks,
};
use futures_util::future::join_all;
use jobs::{Fixed, HOLD, KnownPrograms, RETRIES_FIRST, RETURNS_INPUT, Ranks, THROWS, admin, nobody, snippet, until};
use serde_json::{Value, json};

/// A queue, and everything around it.
struct Fixture {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    programs: Arc<KnownPrograms>,
    ranks: Arc<Ranks>,
    queue: Arc<EmbeddedQueue>,
}

fn open(dir: &Path, clock: &Arc<ManualClock>, settings: Settings, quotas: Arc<dyn Quotas>) -> Arc<EmbeddedQueue> {
    EmbeddedQueue::open(dir, settings, clock.clone(), quotas).unwrap()
}

impl Fixture {
    fn new() -> Self {
        Self::with(Settings::default(), Arc::new(DefaultQuotas))
    }

    fn with(settings: Settings, quotas: Arc<dyn Quotas>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1_700_000_000)));
        let queue = open(dir.path(), &clock, settings, quotas);
        let (programs, ranks) = (KnownPrograms::new(), Arc::new(Ranks::default()));
        queue.connect(ranks.clone(), programs.clone());
        Self { dir, clock, programs, ranks, queue }
    }

    /// The server ended, and is started again.
    fn restarted(self) -> Self {
        let Self { dir, clock, ranks, queue, .. } = self;
        drop(queue);
        let queue = open(dir.path(), &clock, Settings::default(), Arc::new(DefaultQuotas));
        let programs = KnownPrograms::new();
        queue.connect(ranks.clone(), programs.clone());
        Self { dir, clock, programs, ranks, queue }
    }

    fn clock_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn send(
        &self,
        scope: &Scope,
        queue: &str,
        message: Value,
        options: SendOptions,
    ) -> Result<String, ServiceError> {
        let params = Send { queue: queue.to_owned(), message, options: Some(options) };
        Ok(self.queue.send(scope, params).await?.id)
    }

    async fn post(&self, scope: &Scope, queue: &str, message: Value) -> String {
        self.send(scope, queue, message, SendOptions::default()).await.unwrap()
    }

    async fn receive(&self, scope: &Scope, queue: &str, max: u32) -> Vec<Delivery> {
        let options = Some(ReceiveOptions { max: Some(max), visibility_seconds: Some(30) });
        self.queue.receive(scope, Receive { queue: queue.to_owned(), options }).await.unwrap()
    }

    async fn ack(&self, scope: &Scope, ids: &[&str]) -> u64 {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.queue.ack(scope, Ack { ids }).await.unwrap().count
    }

    async fn retry_now(&self, scope: &Scope, ids: &[&str]) -> u64 {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let options = Some(RetryOptions { delay_seconds: Some(0) });
        self.queue.retry(scope, Retry { ids, options }).await.unwrap().count
    }

    async fn job(&self, scope: &Scope, id: &str) -> Job {
        self.queue.get_job(scope, GetJob { id: id.to_owned() }).await.unwrap().unwrap()
    }

    async fn consume(&self, scope: &Scope, queue: &str, code: &str, options: ConsumerOptions) {
        let params = SetConsumer { queue: queue.to_owned(), target: snippet(code).into(), options: Some(options) };
        self.queue.set_consumer(scope, params).await.unwrap();
    }

    /// Bodies and states of a queue's messages, the oldest first.
    async fn all(&self, scope: &Scope, queue: &str) -> Vec<(Value, JobStatus)> {
        let options = Some(ListJobsOptions { queue: Some(queue.to_owned()), limit: Some(1000), ..Default::default() });
        let page = self.queue.list_jobs(scope, ListJobs { options }).await.unwrap();
        page.data.into_iter().rev().map(|job| (job.body, job.status)).collect()
    }
}

fn attempts(max_attempts: u32) -> SendOptions {
    SendOptions { max_attempts: Some(max_attempts), ..Default::default() }
}

#[tokio::test]
async fn a_message_has_256_kib_at_most() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    // Two quotation marks are part of it.
    let largest = Value::from("x".repeat((256 << 10) - 2));
    fixture.post(&scope, "q", largest).await;
    let larger = Value::from("x".repeat((256 << 10) - 1));
    let error = fixture.send(&scope, "q", larger.clone(), Default::default()).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidRequest);
    assert!(error.message.starts_with("message: has 262145 bytes as JSON and may have 262144"), "{error}");

    let batch = Batch { queue: "q".to_owned(), messages: vec![json!(1), larger] };
    let error = fixture.queue.batch(&scope, batch).await.unwrap_err();
    assert!(error.message.starts_with("messages[1]: has 262145 bytes"), "{error}");
    assert_eq!(fixture.all(&scope, "q").await.len(), 1);
}

#[tokio::test]
async fn a_batch_has_1000_messages_at_most() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let batch = |n: u32| Batch { queue: "q".to_owned(), messages: (0..n).map(Value::from).collect() };
    assert_eq!(fixture.queue.batch(&scope, batch(1000)).await.unwrap().ids.len(), 1000);
    assert_eq!(fixture.queue.batch(&scope, batch(1001)).await.unwrap_err().code, Code::InvalidRequest);
    assert_eq!(fixture.queue.batch(&scope, batch(0)).await.unwrap().ids.len(), 0);
}

#[tokio::test]
async fn bytes_have_a_quota_that_counts_what_is_not_done() {
    let quota = Quota { queue_bytes: 10, ..Quota::of(Tier::Internal) };
    let fixture = Fixture::with(Settings::default(), Arc::new(Fixed(quota)));
    let scope = admin("tenant:a");
    fixture.post(&scope, "a", json!("12345678")).await;
    let error = fixture.send(&scope, "b", json!(1), Default::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Quota);
    assert!(error.message.contains("queue_bytes"), "{error}");
    // Another namespace has its own.
    fixture.post(&admin("tenant:b"), "a", json!("12345678")).await;
    // What is being delivered counts still; what is done does not.
    let delivery = fixture.receive(&scope, "a", 1).await.remove(0);
    fixture.send(&scope, "b", json!(1), Default::default()).await.unwrap_err();
    assert_eq!(fixture.ack(&scope, &[&delivery.receipt]).await, 1);
    fixture.post(&scope, "b", json!(1)).await;
}

#[tokio::test]
async fn anonymous_callers_have_nothing_durable() {
    let fixture = Fixture::new();
    let error = fixture.send(&nobody(), "q", json!(1), Default::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    let receive = Receive { queue: "q".to_owned(), options: None };
    assert_eq!(fixture.queue.receive(&nobody(), receive).await.unwrap_err().code, Code::Forbidden);
    let consumer = SetConsumer { queue: "q".to_owned(), target: snippet(RETURNS_INPUT).into(), options: None };
    assert_eq!(fixture.queue.set_consumer(&nobody(), consumer).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn a_consumer_may_be_a_worker() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let worker = WorkerTarget { id: "retries".to_owned(), entrypoint: None };
    let target = ConsumerTarget::Worker(WorkerConsumer { worker });
    let consumer = SetConsumer { queue: "q".to_owned(), target: target.clone(), options: None };
    assert_eq!(fixture.queue.set_consumer(&scope, consumer).await.unwrap().target, target);
    for message in 1..=2 {
        fixture.post(&scope, "q", json!(message)).await;
    }
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    assert_eq!(fixture.programs.inputs()[0]["told"], "queue");
    let states = fixture.all(&scope, "q").await;
    assert_eq!(states, [(json!(1), JobStatus::Delayed), (json!(2), JobStatus::Completed)]);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let fixture = Fixture::new();
    let (a, b) = (admin("tenant:a"), admin("tenant:b"));
    let id = fixture.post(&a, "q", json!("a")).await;
    let key = SendOptions { key: Some("k".to_owned()), ..Default::default() };
    let of_a = fixture.send(&a, "k", json!(1), key.clone()).await.unwrap();
    assert_ne!(fixture.send(&b, "k", json!(1), key).await.unwrap(), of_a);

    assert_eq!(fixture.receive(&b, "q", 10).await, []);
    let delivery = fixture.receive(&a, "q", 1).await.remove(0);
    assert_eq!(fixture.ack(&b, &[&id, &delivery.receipt]).await, 0);
    assert_eq!(fixture.queue.get_job(&b, GetJob { id: id.clone() }).await.unwrap(), None);
    assert!(!fixture.queue.cancel_job(&b, CancelJob { id: id.clone() }).await.unwrap());
    assert_eq!(fixture.all(&b, "q").await, []);

    fixture.queue.forget(&a.namespace).await.unwrap();
    assert_eq!(fixture.queue.get_job(&a, GetJob { id }).await.unwrap(), None);
    assert_eq!(fixture.queue.get_stats(&a, GetStats { queue: None }).await.unwrap(), []);
    assert_eq!(fixture.all(&b, "k").await, [(json!(1), JobStatus::Pending)]);
    fixture.queue.forget(&a.namespace).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_senders_at_once_are_each_heard_once() {
    let fixture = Arc::new(Fixture::new());
    let scope = admin("tenant:a");
    let sends = (0..1000).map(|n| {
        let (fixture, scope) = (fixture.clone(), scope.clone());
        tokio::spawn(async move { fixture.post(&scope, "q", json!(n)).await })
    });
    join_all(sends).await;
    let mut bodies: Vec<u64> =
        fixture.all(&scope, "q").await.into_iter().map(|(body, _)| body.as_u64().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..1000).collect::<Vec<_>>());

    let same = (0..100).map(|n| {
        let (fixture, scope) = (fixture.clone(), scope.clone());
        let options = SendOptions { key: Some("one".to_owned()), ..Default::default() };
        tokio::spawn(async move { fixture.send(&scope, "k", json!(n), options).await.unwrap() })
    });
    let ids: Vec<String> = join_all(same).await.into_iter().map(Result::unwrap).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(fixture.all(&scope, "k").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_receivers_never_share_a_message() {
    let fixture = Arc::new(Fixture::new());
    let scope = admin("tenant:a");
    let messages = (0..500).map(Value::from).collect();
    fixture.queue.batch(&scope, Batch { queue: "q".to_owned(), messages }).await.unwrap();
    let receivers = (0..20).map(|_| {
        let (fixture, scope) = (fixture.clone(), scope.clone());
        tokio::spawn(async move {
            let mut bodies = Vec::new();
            loop {
                let deliveries = fixture.receive(&scope, "q", 7).await;
                if deliveries.is_empty() {
                    return bodies;
                }
                let receipts: Vec<&str> = deliveries.iter().map(|delivery| delivery.receipt.as_str()).collect();
                assert_eq!(fixture.ack(&scope, &receipts).await, receipts.len() as u64);
                bodies.extend(deliveries.into_iter().map(|delivery| delivery.body.as_u64().unwrap()));
            }
        })
    });
    let mut bodies: Vec<u64> = join_all(receivers).await.into_iter().flat_map(Result::unwrap).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receipt_holds_for_its_own_delivery_and_only_in_time() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let id = fixture.post(&scope, "q", json!(1)).await;
    assert_eq!(fixture.ack(&scope, &[&id]).await, 0, "nobody has it yet");
    let first = fixture.receive(&scope, "q", 1).await.remove(0);
    fixture.advance(29);
    assert_eq!(fixture.receive(&scope, "q", 1).await, []);
    fixture.advance(1);
    assert_eq!(fixture.ack(&scope, &[&first.receipt]).await, 0, "its time has passed");
    let second = fixture.receive(&scope, "q", 1).await.remove(0);
    assert_eq!((second.id.as_str(), second.attempts), (id.as_str(), 2));
    assert_ne!(second.receipt, first.receipt);
    assert_eq!(fixture.ack(&scope, &[&first.receipt]).await, 0);
    assert_eq!(fixture.retry_now(&scope, &[&first.receipt]).await, 0);
    assert_eq!(fixture.ack(&scope, &[&second.receipt, &second.receipt]).await, 1);

    // A cancelled one is nobody's.
    let id = fixture.post(&scope, "q", json!(2)).await;
    let delivery = fixture.receive(&scope, "q", 1).await.remove(0);
    assert!(fixture.queue.cancel_job(&scope, CancelJob { id: id.clone() }).await.unwrap());
    assert_eq!(fixture.ack(&scope, &[&delivery.receipt]).await, 0);
    assert_eq!(fixture.job(&scope, &id).await.status, JobStatus::Cancelled);
}

#[tokio::test]
async fn a_message_that_is_never_acknowledged_ends_among_the_dead_letters_and_goes_no_further() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let id = fixture.send(&scope, "q", json!({"keep": "me"}), attempts(2)).await.unwrap();
    for attempt in 1..=2 {
        assert_eq!(fixture.receive(&scope, "q", 1).await[0].attempts, attempt);
        fixture.advance(30);
    }
    assert_eq!(fixture.receive(&scope, "q", 1).await, []);
    let job = fixture.job(&scope, &id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Dead, 2));
    assert_eq!(job.last_error.as_deref(), Some("It was not acknowledged in time"));

    // Three attempts there, and then it is dead where it is.
    for attempt in 1..=3 {
        let letters = fixture.receive(&scope, "q-dlq", 10).await;
        assert_eq!(letters.len(), 1);
        assert_eq!((&letters[0].body, letters[0].attempts), (&json!({"keep": "me"}), attempt));
        fixture.advance(30);
    }
    assert_eq!(fixture.all(&scope, "q-dlq").await, [(json!({"keep": "me"}), JobStatus::Dead)]);
    assert_eq!(fixture.all(&scope, "q-dlq-dlq").await, []);
}

#[tokio::test]
async fn what_is_given_back_waits_longer_each_time() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let id = fixture.send(&scope, "q", json!(1), attempts(100)).await.unwrap();
    for base in [60, 120, 240, 480, 960, 1920, 3000, 3000] {
        assert_eq!(fixture.receive(&scope, "q", 1).await.len(), 1);
        let before = fixture.clock_ms();
        fixture.queue.retry(&scope, Retry { ids: vec![id.clone()], options: None }).await.unwrap();
        let wait = fixture.job(&scope, &id).await.due_at - before;
        assert!((base * 800..=base * 1200).contains(&wait), "{base}: {wait}");
        fixture.clock.advance(Duration::from_millis(wait - 1));
        assert_eq!(fixture.receive(&scope, "q", 1).await, []);
        fixture.clock.advance(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_consumer_gets_what_the_contract_says() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", RETURNS_INPUT, ConsumerOptions { max_batch: Some(2), max_concurrency: None }).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(fixture.post(&scope, "q", json!({ "n": n })).await);
    }
    assert_eq!(fixture.queue.run_due().await.unwrap(), 2);
    let now = fixture.clock_ms();
    let message = |n: usize| json!({"id": ids[n], "body": {"n": n}, "attempts": 1, "timestamp": now});
    let expected =
        [json!({"queue": "q", "messages": [message(0), message(1)]}), json!({"queue": "q", "messages": [message(2)]})];
    assert_eq!(fixture.programs.inputs(), expected);
    assert_eq!(fixture.job(&scope, &ids[2]).await.status, JobStatus::Completed);
    assert_eq!(fixture.queue.run_due().await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_consumer_throws_at_is_retried_later_and_then_dead() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", THROWS, Default::default()).await;
    let id = fixture.send(&scope, "q", json!("x"), attempts(2)).await.unwrap();
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    let job = fixture.job(&scope, &id).await;
    assert_eq!((job.status, job.attempts, job.last_error.as_deref()), (JobStatus::Delayed, 1, Some("Error: boom")));
    let wait = job.due_at - fixture.clock_ms();
    assert!((48_000..=72_000).contains(&wait), "{wait}");

    fixture.clock.advance(Duration::from_millis(wait));
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    assert_eq!(fixture.job(&scope, &id).await.status, JobStatus::Dead);
    assert_eq!(fixture.all(&scope, "q-dlq").await, [(json!("x"), JobStatus::Pending)]);
    // Dead letters have a consumer of their own, where they have one.
    fixture.consume(&scope, "q-dlq", RETURNS_INPUT, Default::default()).await;
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    assert_eq!(fixture.all(&scope, "q-dlq").await, [(json!("x"), JobStatus::Completed)]);
}

#[tokio::test]
async fn a_consumer_that_wants_some_again_gets_those() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", RETRIES_FIRST, Default::default()).await;
    let messages = vec![json!(1), json!(2)];
    let ids = fixture.queue.batch(&scope, Batch { queue: "q".to_owned(), messages }).await.unwrap().ids;
    fixture.queue.run_due().await.unwrap();
    assert_eq!(fixture.job(&scope, &ids[0]).await.status, JobStatus::Delayed);
    assert_eq!(fixture.job(&scope, &ids[1]).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn an_attempt_that_the_server_had_no_room_for_does_not_count() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", RETURNS_INPUT, Default::default()).await;
    fixture.programs.full.store(true, SeqCst);
    let id = fixture.send(&scope, "q", json!(1), attempts(1)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
        let job = fixture.job(&scope, &id).await;
        assert_eq!((job.status, job.attempts), (JobStatus::Delayed, 0));
        fixture.advance(5);
    }
    fixture.programs.full.store(false, SeqCst);
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    let job = fixture.job(&scope, &id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 1));
}

#[tokio::test]
async fn messages_of_a_suspended_owner_are_left_alone() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", RETURNS_INPUT, Default::default()).await;
    fixture.ranks.suspended.lock().unwrap().insert("tenant:a".to_owned());
    let id = fixture.post(&scope, "q", json!(1)).await;
    assert_eq!(fixture.queue.run_due().await.unwrap(), 0);
    let job = fixture.job(&scope, &id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Pending, 0));

    fixture.ranks.suspended.lock().unwrap().clear();
    assert_eq!(fixture.queue.run_due().await.unwrap(), 0, "looked at again after a while");
    fixture.advance(30);
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
}

#[tokio::test]
async fn a_namespace_with_many_messages_does_not_starve_another() {
    let fixture = Fixture::with(
        Settings { max_running: 2, max_running_per_namespace: 2, ..Settings::default() },
        Arc::new(DefaultQuotas),
    );
    let (loud, quiet) = (admin("tenant:loud"), admin("tenant:quiet"));
    for queue in ["a", "b", "c", "d"] {
        fixture
            .consume(&loud, queue, RETURNS_INPUT, ConsumerOptions { max_batch: Some(1), max_concurrency: None })
            .await;
        let messages = (0..20).map(Value::from).collect();
        fixture.queue.batch(&loud, Batch { queue: queue.to_owned(), messages }).await.unwrap();
    }
    fixture.consume(&quiet, "z", RETURNS_INPUT, ConsumerOptions { max_batch: Some(1), max_concurrency: None }).await;
    for n in 0..5 {
        fixture.post(&quiet, "z", json!(n)).await;
    }
    assert_eq!(fixture.queue.run_due().await.unwrap(), 85);
    // While it waits, the quiet one has every second turn.
    let first: Vec<String> = fixture.programs.namespaces().into_iter().take(10).collect();
    assert_eq!(first.iter().filter(|namespace| *namespace == "tenant:quiet").count(), 5, "{first:?}");
    // And the queues of the loud one share its turns.
    let queues: Vec<Value> = fixture.programs.inputs().into_iter().map(|input| input["queue"].clone()).collect();
    let first_of_loud: Vec<&Value> = queues.iter().filter(|queue| *queue != "z").take(4).collect();
    assert_eq!(first_of_loud, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_consumer_runs_as_often_at_once_as_it_says() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", HOLD, ConsumerOptions { max_batch: Some(1), max_concurrency: Some(3) }).await;
    let messages = (0..5).map(Value::from).collect();
    fixture.queue.batch(&scope, Batch { queue: "q".to_owned(), messages }).await.unwrap();
    let tasks = Tasks::default();
    fixture.queue.start(&tasks, fixture.ranks.clone(), fixture.programs.clone());
    for _ in 0..3 {
        fixture.programs.until_begun().await;
    }
    let stats = fixture.queue.get_stats(&scope, GetStats { queue: Some("q".to_owned()) }).await.unwrap();
    assert_eq!((stats[0].active, stats[0].pending), (3, 2));
    fixture.programs.release.add_permits(1);
    fixture.programs.until_begun().await;
    fixture.programs.release.add_permits(4);
    until(async || {
        let stats = fixture.queue.get_stats(&scope, GetStats { queue: None }).await.unwrap();
        (stats[0].completed == 5).then_some(())
    })
    .await;
    tasks.stop().await;
}

#[tokio::test]
async fn a_message_stays_with_a_consumer_that_takes_long() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { lease: Duration::from_millis(150), ..Settings::default() };
    let queue = EmbeddedQueue::open(dir.path(), settings, Arc::new(SystemClock), Arc::new(DefaultQuotas)).unwrap();
    let (programs, tasks, scope) = (KnownPrograms::new(), Tasks::default(), admin("tenant:a"));
    queue.start(&tasks, Arc::new(Ranks::default()), programs.clone());
    let consumer = SetConsumer { queue: "q".to_owned(), target: snippet(HOLD).into(), options: None };
    queue.set_consumer(&scope, consumer).await.unwrap();
    let sent = Send { queue: "q".to_owned(), message: json!(1), options: None };
    let id = queue.send(&scope, sent).await.unwrap().id;
    programs.until_begun().await;
    let job = async || queue.get_job(&scope, GetJob { id: id.clone() }).await.unwrap().unwrap();
    let first_due = job().await.due_at;
    // Long after its first time has passed, it is in the same hands.
    let later = until(async || Some(job().await).filter(|job| job.due_at > first_due + 300)).await;
    assert_eq!((later.status, later.attempts), (JobStatus::Active, 1));
    programs.release.add_permits(1);
    until(async || Some(job().await).filter(|job| job.status == JobStatus::Completed)).await;
    assert_eq!(programs.inputs().len(), 1);
    tasks.stop().await;
}

#[tokio::test]
async fn a_consumer_whose_messages_are_taken_back_meanwhile_changes_nothing() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.consume(&scope, "q", HOLD, Default::default()).await;
    let id = fixture.post(&scope, "q", json!(1)).await;
    let cancel = async {
        fixture.programs.until_begun().await;
        assert!(fixture.queue.cancel_job(&scope, CancelJob { id: id.clone() }).await.unwrap());
        let remove = RemoveConsumer { queue: "q".to_owned() };
        assert!(fixture.queue.remove_consumer(&scope, remove).await.unwrap());
        fixture.programs.release.add_permits(1);
    };
    let (ran, ()) = tokio::join!(fixture.queue.run_due(), cancel);
    assert_eq!(ran.unwrap(), 1);
    assert_eq!(fixture.job(&scope, &id).await.status, JobStatus::Cancelled);
}

/// The server ends after each of the steps that a message goes through; every message is accounted for.
#[tokio::test]
async fn nothing_is_lost_wherever_the_server_ends() {
    let scope = admin("tenant:a");
    let mut fixture = Fixture::new();

    // After it was accepted.
    let waiting = fixture.post(&scope, "q", json!("waiting")).await;
    let delayed = SendOptions { delay_seconds: Some(60), ..Default::default() };
    let delayed = fixture.send(&scope, "later", json!("delayed"), delayed).await.unwrap();
    fixture = fixture.restarted();
    assert_eq!(fixture.job(&scope, &waiting).await.status, JobStatus::Pending);
    assert_eq!(fixture.job(&scope, &delayed).await.status, JobStatus::Delayed);

    // While somebody has it: whoever has it may still say so.
    let delivery = fixture.receive(&scope, "q", 1).await.remove(0);
    fixture = fixture.restarted();
    assert_eq!(fixture.receive(&scope, "q", 1).await, []);
    assert_eq!(fixture.ack(&scope, &[&delivery.receipt]).await, 1);

    // While a consumer runs, whether it had done its work already or not: it is delivered again when its time passes.
    fixture.consume(&scope, "work", HOLD, Default::default()).await;
    let working = fixture.post(&scope, "work", json!("working")).await;
    tokio::select! {
        _ = fixture.queue.run_due() => panic!("it holds"),
        () = fixture.programs.until_begun() => {}
    }
    fixture = fixture.restarted();
    assert_eq!(fixture.job(&scope, &working).await.status, JobStatus::Active);
    assert_eq!(fixture.queue.run_due().await.unwrap(), 0);
    fixture.advance(30);
    fixture.programs.release.add_permits(1);
    assert_eq!(fixture.queue.run_due().await.unwrap(), 1);
    fixture.programs.until_begun().await;
    let job = fixture.job(&scope, &working).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 2));

    // One that ends the server each time is an attempt each time, and ends among the dead letters.
    let killer = fixture.post(&scope, "work", json!("killer")).await;
    for _ in 0..3 {
        tokio::select! {
            _ = fixture.queue.run_due() => panic!("it holds"),
            () = fixture.programs.until_begun() => {}
        }
        fixture = fixture.restarted();
        fixture.advance(30);
    }
    assert_eq!(fixture.queue.run_due().await.unwrap(), 0);
    assert_eq!(fixture.job(&scope, &killer).await.status, JobStatus::Dead);
    assert_eq!(fixture.all(&scope, "work-dlq").await, [(json!("killer"), JobStatus::Pending)]);

    // After it was given back, and after it was done.
    fixture.advance(60);
    let delivery = fixture.receive(&scope, "later", 1).await.remove(0);
    assert_eq!(fixture.retry_now(&scope, &[&delivery.receipt]).await, 1);
    fixture = fixture.restarted();
    let delivery = fixture.receive(&scope, "later", 1).await.remove(0);
    assert_eq!(delivery.attempts, 2);
    assert_eq!(fixture.ack(&scope, &[&delivery.receipt]).await, 1);
    fixture = fixture.restarted();
    assert_eq!(fixture.job(&scope, &delayed).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_clock_that_is_set_back_leaves_nothing_waiting_for_ever() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    fixture.post(&scope, "q", json!(1)).await;
    assert_eq!(fixture.receive(&scope, "q", 1).await.len(), 1);
    let delayed = SendOptions { delay_seconds: Some(10), ..Default::default() };
    fixture.send(&scope, "q", json!(2), delayed).await.unwrap();
    fixture.clock.set(Duration::from_secs(1_600_000_000));
    let fixture = fixture.restarted();
    let tasks = Tasks::default();
    fixture.queue.start(&tasks, fixture.ranks.clone(), fixture.programs.clone());
    until(async || {
        let stats = fixture.queue.get_stats(&scope, GetStats { queue: Some("q".to_owned()) }).await.unwrap();
        (stats[0].pending == 2).then_some(())
    })
    .await;
    tasks.stop().await;
}

#[tokio::test]
async fn what_is_done_is_forgotten_after_a_while() {
    let kept = Settings { keep_finished: Duration::from_secs(100), ..Settings::default() };
    let fixture = Fixture::with(kept, Arc::new(DefaultQuotas));
    let scope = admin("tenant:a");
    let old = fixture.post(&scope, "q", json!("old")).await;
    fixture.queue.cancel_job(&scope, CancelJob { id: old.clone() }).await.unwrap();
    fixture.advance(50);
    let young = fixture.post(&scope, "q", json!("young")).await;
    fixture.queue.cancel_job(&scope, CancelJob { id: young.clone() }).await.unwrap();
    let waiting = fixture.post(&scope, "q", json!("waiting")).await;

    fixture.advance(49);
    fixture.queue.trim().await.unwrap();
    assert_eq!(fixture.all(&scope, "q").await.len(), 3);
    fixture.advance(1);
    fixture.queue.trim().await.unwrap();
    assert_eq!(fixture.queue.get_job(&scope, GetJob { id: old }).await.unwrap(), None);
    assert_eq!(fixture.job(&scope, &young).await.status, JobStatus::Cancelled);
    fixture.advance(1_000_000);
    fixture.queue.trim().await.unwrap();
    assert_eq!(fixture.queue.get_job(&scope, GetJob { id: young }).await.unwrap(), None);
    assert_eq!(fixture.job(&scope, &waiting).await.status, JobStatus::Pending);
}

#[tokio::test]
async fn what_is_done_is_remembered_in_numbers_and_in_bytes() {
    for (settings, left) in [
        (Settings { keep_finished_count: 10, ..Settings::default() }, 10),
        (Settings { keep_finished_bytes: 100, ..Settings::default() }, 10),
        (Settings { keep_finished_count: 0, ..Settings::default() }, 0),
    ] {
        let fixture = Fixture::with(settings, Arc::new(DefaultQuotas));
        let scope = admin("tenant:a");
        // Ten bytes each.
        for n in 0..30 {
            let id = fixture.post(&scope, "q", json!(1_000_000_000_u64 + n)).await;
            fixture.queue.cancel_job(&scope, CancelJob { id }).await.unwrap();
            fixture.advance(1);
        }
        fixture.queue.trim().await.unwrap();
        let kept = fixture.all(&scope, "q").await;
        assert!(kept.len() <= left && kept.len() + 2 > left, "{} of {left}", kept.len());
        assert!(kept.iter().all(|(body, _)| body.as_u64().unwrap() >= 1_000_000_030 - left as u64), "the newest stay");
    }
}

/// Counts are kept by triggers: whatever is done, they are what is there.
#[tokio::test]
async fn counts_are_what_is_there_whatever_is_done() {
    let fixture = Fixture::with(Settings { keep_finished_count: 20, ..Settings::default() }, Arc::new(DefaultQuotas));
    let scope = admin("tenant:a");
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let queues = ["a", "b", "a-dlq"];
    for step in 0..600 {
        let queue = queues[next(3) as usize];
        match next(8) {
            0..3 => {
                let options = SendOptions {
                    delay_seconds: Some(next(2) * 20),
                    key: (next(3) == 0).then(|| "key".to_owned()),
                    max_attempts: Some(1 + next(2) as u32),
                    priority: Some(next(3) as i32),
                };
                fixture.send(&scope, queue, json!("x".repeat(next(50) as usize)), options).await.unwrap();
            }
            3 => fixture.advance(15),
            4 if step % 5 == 0 => fixture.queue.trim().await.unwrap(),
            fate => {
                let taken = fixture.receive(&scope, queue, 1 + next(3) as u32).await;
                let ids: Vec<String> = taken.into_iter().map(|delivery| delivery.receipt).collect();
                let Count { .. } = match fate {
                    5 => fixture.queue.ack(&scope, Ack { ids }).await.unwrap(),
                    6 => fixture.queue.retry(&scope, Retry { ids, options: None }).await.unwrap(),
                    _ => Count { count: 0 },
                };
            }
        }
    }
    let mut found: BTreeMap<String, [u64; 5]> = BTreeMap::new();
    let options = Some(ListJobsOptions { limit: Some(1000), ..Default::default() });
    let page = fixture.queue.list_jobs(&scope, ListJobs { options }).await.unwrap();
    assert_eq!(page.pagination.total, page.data.len() as u64);
    for job in page.data {
        let counts = found.entry(job.queue).or_default();
        match job.status {
            JobStatus::Pending => counts[0] += 1,
            JobStatus::Delayed => counts[1] += 1,
            JobStatus::Active => counts[2] += 1,
            JobStatus::Completed => counts[3] += 1,
            JobStatus::Dead => counts[4] += 1,
            JobStatus::Cancelled => {}
        }
    }
    let told = fixture.queue.get_stats(&scope, GetStats { queue: None }).await.unwrap();
    let told: BTreeMap<String, [u64; 5]> = told
        .into_iter()
        .map(|stats| (stats.queue, [stats.pending, stats.delayed, stats.active, stats.completed, stats.dead]))
        .collect();
    assert_eq!(told, found);
}

/// Bodies are handed out 8 MiB at a time, whatever number is asked for.
#[tokio::test]
async fn large_messages_come_in_smaller_batches() {
    let fixture = Fixture::new();
    let scope = admin("tenant:a");
    let body = Value::from("x".repeat((256 << 10) - 2));
    let batch = Batch { queue: "q".to_owned(), messages: vec![body; 40] };
    fixture.queue.batch(&scope, batch).await.unwrap();
    assert_eq!(fixture.receive(&scope, "q", 100).await.len(), 32);
    assert_eq!(fixture.receive(&scope, "q", 100).await.len(), 8);
}
