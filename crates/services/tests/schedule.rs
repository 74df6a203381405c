//! The embedded schedule: when tasks run, how often, and what becomes of runs that fail or are cut short.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/jobs.rs"]
mod jobs;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use doer_core::{
    quota::DefaultQuotas,
    run::{QueueTarget, Target, UrlTarget, WorkerTarget},
    scope::Scope,
    service::{
        Code, ServiceError,
        queue::{Queue, Receive},
        schedule::{
            DisableTask, EnableTask, Execute, GetHistory, GetTask, NewTask, RegisterTask, Run, RunStatus, Schedule,
            Task, UnregisterTask,
        },
    },
    time::ManualClock,
};
use doer_services::{
    Holder,
    queue::EmbeddedQueue,
    schedule::{EmbeddedSchedule, Settings},
    targets::Targets,
    tasks::Tasks,
};
use jobs::{HOLD, KnownPrograms, RETURNS_INPUT, Ranks, StatusOfPath, THROWS, admin, nobody, snippet, until};
use serde_json::{Value, json};

/// A schedule, and everything around it.
struct Fixture {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    programs: Arc<KnownPrograms>,
    ranks: Arc<Ranks>,
    outside: Arc<StatusOfPath>,
    queue: Arc<EmbeddedQueue>,
    schedule: Arc<EmbeddedSchedule>,
    tasks: Tasks,
    scope: Scope,
}

/// 2023-11-14, 22:13:20 UTC.
const START: u64 = 1_700_000_000;

impl Fixture {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::over(dir, Arc::new(ManualClock::at(Duration::from_secs(START))), settings)
    }

    fn over(dir: tempfile::TempDir, clock: Arc<ManualClock>, settings: Settings) -> Self {
        let quotas = Arc::new(DefaultQuotas);
        let schedule = EmbeddedSchedule::open(dir.path(), settings, clock.clone(), quotas.clone()).unwrap();
        let queue = EmbeddedQueue::open(dir.path(), Default::default(), clock.clone(), quotas).unwrap();
        let fixture = Self {
            dir,
            clock,
            programs: KnownPrograms::new(),
            ranks: Arc::default(),
            outside: Arc::default(),
            queue,
            schedule,
            tasks: Tasks::default(),
            scope: admin("tenant:a"),
        };
        fixture.schedule.connect(&fixture.tasks, fixture.ranks.clone(), fixture.targets());
        fixture
    }

    fn targets(&self) -> Targets {
        Targets { runner: self.programs.clone(), queue: self.queue.clone(), egress: self.outside.clone() }
    }

    fn start(&self) {
        self.schedule.start(&self.tasks, self.ranks.clone(), self.targets());
    }

    /// The server ended, and is started again.
    fn restarted(self) -> Self {
        let Self { dir, clock, schedule, queue, .. } = self;
        drop((schedule, queue));
        Self::over(dir, clock, Settings::default())
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn run_due(&self) -> usize {
        self.schedule.run_due().await.unwrap()
    }

    async fn register(&self, task: NewTask) -> Task {
        self.schedule.register_task(&self.scope, RegisterTask { task }).await.unwrap()
    }

    async fn execute(&self, name: &str) -> Result<Run, ServiceError> {
        self.schedule.execute(&self.scope, Execute { task_name: name.to_owned() }).await
    }

    async fn task(&self, name: &str) -> Task {
        let found = self.schedule.get_task(&self.scope, GetTask { task_name: name.to_owned() }).await;
        found.unwrap().unwrap()
    }

    /// The oldest first.
    async fn history(&self, name: &str) -> Vec<Run> {
        let params = GetHistory { task_name: name.to_owned(), limit: Some(1000) };
        let mut runs = self.schedule.get_history(&self.scope, params).await.unwrap();
        runs.reverse();
        runs
    }

    /// Number of the attempt, how it went, and seconds after the start at which it was due and began.
    async fn told(&self, name: &str) -> Vec<(u32, RunStatus, u64, u64)> {
        let seconds = |ms: u64| ms / 1000 - START;
        let runs = self.history(name).await.into_iter();
        runs.map(|run| (run.attempt, run.status, seconds(run.scheduled_at), seconds(run.started_at))).collect()
    }
}

fn task(name: &str, schedule: &str, code: &str) -> NewTask {
    NewTask {
        name: name.to_owned(),
        schedule: schedule.to_owned(),
        timezone: None,
        target: Target::Snippet(snippet(code)),
        enabled: None,
        overlap: None,
        timeout: None,
        metadata: None,
    }
}

#[tokio::test]
async fn a_task_runs_again_and_again() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "every 1 minutes", RETURNS_INPUT)).await;
    assert_eq!(fixture.run_due().await, 0);
    for n in 1..=5 {
        fixture.advance(59);
        assert_eq!(fixture.run_due().await, 0);
        fixture.advance(1);
        assert_eq!(fixture.run_due().await, 1);
        let at = (START + 60 * n) * 1000;
        assert_eq!(
            *fixture.programs.inputs().last().unwrap(),
            json!({"task": "tick", "scheduledAt": at, "attempt": 1})
        );
        let task = fixture.task("tick").await;
        assert_eq!((task.last_run, task.next_run), (Some(at), Some(at + 60_000)));
    }
    assert_eq!(fixture.history("tick").await.len(), 5);
}

#[tokio::test]
async fn cron_runs_by_the_wall_clock_of_its_zone() {
    let fixture = Fixture::new();
    let new = NewTask { timezone: Some("Europe/Vienna".to_owned()), ..task("morning", "0 9 * * *", RETURNS_INPUT) };
    // 09:00 in Vienna, in winter, is 08:00 UTC.
    assert_eq!(fixture.register(new).await.next_run, Some(1_700_035_200_000));
}

#[tokio::test]
async fn what_was_missed_is_made_up_once_and_then_the_schedule_goes_on() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "every 1 minutes", RETURNS_INPUT)).await;
    fixture.advance(365 * 86_400 + 30);
    let fixture = fixture.restarted();
    assert_eq!(fixture.run_due().await, 1);
    assert_eq!(fixture.run_due().await, 0);
    let late = 365 * 86_400 + 30;
    assert_eq!(fixture.told("tick").await, [(1, RunStatus::Success, 60, late)]);
    fixture.advance(30);
    assert_eq!(fixture.run_due().await, 1);
    assert_eq!(fixture.told("tick").await[1], (1, RunStatus::Success, late + 30, late + 30));
}

#[tokio::test]
async fn a_clock_that_jumps_forward_and_back_neither_floods_nor_stalls() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "* * * * * *", RETURNS_INPUT)).await;
    fixture.register(task("every", "every 1 minutes", RETURNS_INPUT)).await;
    fixture.start();
    let runs = async |name: &str| fixture.history(name).await.len();
    // A year ahead: once each.
    fixture.clock.set(Duration::from_secs(START + 365 * 86_400));
    until(async || (runs("tick").await == 1 && runs("every").await == 1).then_some(())).await;
    assert_eq!((runs("tick").await, runs("every").await), (1, 1));
    // And two years back: both go on there.
    fixture.clock.set(Duration::from_secs(START - 365 * 86_400));
    until(async || {
        let (tick, every) = (fixture.task("tick").await, fixture.task("every").await);
        let soon = (START - 365 * 86_400 + 60) * 1000;
        (tick.next_run.unwrap() <= soon && every.next_run.unwrap() <= soon).then_some(())
    })
    .await;
    fixture.advance(60);
    until(async || (runs("tick").await == 2 && runs("every").await == 2).then_some(())).await;
    fixture.tasks.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_while_the_server_was_down_stalls_nothing() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "every 1 minutes", RETURNS_INPUT)).await;
    fixture.clock.set(Duration::from_secs(START - 1_000_000));
    let fixture = fixture.restarted();
    fixture.start();
    let soon = (START - 1_000_000 + 60) * 1000;
    until(async || (fixture.task("tick").await.next_run.unwrap() <= soon).then_some(())).await;
    fixture.tasks.stop().await;
}

/// Advances to each retry in turn, the server starting anew before each, and tells the waits in milliseconds.
#[tokio::test]
async fn a_run_that_fails_is_tried_three_more_times_though_the_server_ends_in_between() {
    let mut fixture = Fixture::new();
    fixture.register(task("bad", "@yearly", THROWS)).await;
    let next = fixture.task("bad").await.next_run.unwrap();
    fixture.clock.set(Duration::from_millis(next));
    assert_eq!(fixture.run_due().await, 1);
    for (attempt, base) in [(2, 5), (3, 10), (4, 20)] {
        fixture = fixture.restarted();
        fixture.clock.advance(Duration::from_millis(base * 800 - 1));
        assert_eq!(fixture.run_due().await, 0, "attempt {attempt} came early");
        fixture.clock.advance(Duration::from_millis(base * 400 + 1));
        assert_eq!(fixture.run_due().await, 1, "attempt {attempt} did not come");
    }
    fixture = fixture.restarted();
    fixture.advance(1000);
    assert_eq!(fixture.run_due().await, 0);
    let runs = fixture.history("bad").await;
    let told: Vec<_> = runs.iter().map(|run| (run.attempt, run.status, run.scheduled_at)).collect();
    assert_eq!(told, [1, 2, 3, 4].map(|attempt| (attempt, RunStatus::Failed, next)));
    assert!(runs.iter().all(|run| run.error.as_deref() == Some("Error: boom")));
    // It has failed for good; the next time is another matter.
    let next = fixture.task("bad").await.next_run.unwrap();
    fixture.clock.set(Duration::from_millis(next));
    assert_eq!(fixture.run_due().await, 1);
}

#[tokio::test]
async fn a_run_that_was_cut_short_has_failed_and_is_made_again() {
    let fixture = Fixture::new();
    fixture.register(task("slow", "every 1 hours", HOLD)).await;
    fixture.advance(3600);
    tokio::select! {
        _ = fixture.run_due() => panic!("it holds"),
        () = fixture.programs.until_begun() => {}
    }
    let fixture = fixture.restarted();
    assert_eq!(fixture.told("slow").await, [(1, RunStatus::Running, 3600, 3600)]);
    // As long as it may be that somebody is at it, nobody else begins.
    fixture.advance(29);
    assert_eq!(fixture.run_due().await, 0);
    assert_eq!(fixture.execute("slow").await.unwrap_err().code, Code::Conflict);
    fixture.advance(1);
    assert_eq!(fixture.run_due().await, 0);
    let cut = &fixture.history("slow").await[0];
    assert_eq!(cut.status, RunStatus::Failed);
    assert_eq!(cut.error.as_deref(), Some("interrupted: the server ended while it ran"));
    fixture.advance(6);
    fixture.programs.release.add_permits(1);
    assert_eq!(fixture.run_due().await, 1);
    assert_eq!(fixture.told("slow").await[1], (2, RunStatus::Success, 3600, 3636));
}

#[tokio::test]
async fn a_run_that_this_server_is_at_is_not_taken_for_interrupted_when_the_clock_jumps() {
    let fixture = Fixture::new();
    fixture.register(task("slow", "every 1 hours", HOLD)).await;
    fixture.advance(3600);
    fixture.start();
    fixture.programs.until_begun().await;
    fixture.advance(3600 * 24);
    until(async || (fixture.task("slow").await.next_run.unwrap() > (START + 86_400) * 1000).then_some(())).await;
    fixture.programs.release.add_permits(1);
    until(async || (fixture.history("slow").await[0].status == RunStatus::Success).then_some(())).await;
    assert_eq!(fixture.history("slow").await.len(), 1, "it was passed over meanwhile");
    fixture.tasks.stop().await;
}

#[tokio::test]
async fn a_time_that_comes_during_a_run_is_passed_over_unless_runs_may_overlap() {
    let fixture = Fixture::new();
    fixture.register(task("alone", "every 1 minutes", HOLD)).await;
    fixture.register(NewTask { overlap: Some(true), ..task("along", "every 1 minutes", HOLD) }).await;
    fixture.start();
    for begun in [2, 1, 1] {
        fixture.advance(60);
        for _ in 0..begun {
            fixture.programs.until_begun().await;
        }
    }
    assert_eq!(fixture.history("alone").await.len(), 1);
    assert_eq!(fixture.history("along").await.len(), 3);
    fixture.programs.release.add_permits(4);
    until(async || {
        let mut runs = fixture.history("alone").await;
        runs.extend(fixture.history("along").await);
        runs.iter().all(|run| run.status == RunStatus::Success).then_some(())
    })
    .await;
    fixture.advance(60);
    fixture.programs.until_begun().await;
    fixture.programs.until_begun().await;
    assert_eq!(fixture.history("alone").await.len(), 2);
    fixture.programs.release.add_permits(2);
    fixture.tasks.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_runs_now_once_and_alone() {
    let fixture = Fixture::new();
    fixture.register(NewTask { enabled: Some(false), ..task("off", "every 1 hours", THROWS) }).await;
    let run = fixture.execute("off").await.unwrap();
    assert_eq!((run.status, run.attempt, run.error.as_deref()), (RunStatus::Failed, 1, Some("Error: boom")));
    fixture.advance(3600 * 24);
    assert_eq!(fixture.run_due().await, 0, "neither is it tried again, nor does it run by its schedule");

    fixture.register(task("slow", "every 1 hours", HOLD)).await;
    let second = async {
        fixture.programs.until_begun().await;
        fixture.programs.until_begun().await;
        let error = fixture.execute("slow").await.unwrap_err();
        assert_eq!((error.code, error.message.as_ref()), (Code::Conflict, "Task slow is running"));
        fixture.advance(3600);
        assert_eq!(fixture.run_due().await, 0, "nor does it begin by its schedule meanwhile");
        fixture.programs.release.add_permits(1);
    };
    let (first, ()) = tokio::join!(fixture.execute("slow"), second);
    assert_eq!(
        (first.as_ref().unwrap().status, &first.unwrap().result),
        (RunStatus::Success, &Some(json!("released")))
    );
}

#[tokio::test]
async fn what_was_asked_for_goes_on_though_nobody_waits_any_more() {
    let fixture = Fixture::new();
    fixture.register(task("slow", "@yearly", HOLD)).await;
    tokio::select! {
        _ = fixture.execute("slow") => panic!("it holds"),
        () = fixture.programs.until_begun() => {}
    }
    fixture.programs.release.add_permits(1);
    until(async || (fixture.history("slow").await[0].status == RunStatus::Success).then_some(())).await;
}

#[tokio::test]
async fn a_disabled_task_is_owed_nothing_and_goes_on_when_it_is_enabled() {
    let fixture = Fixture::new();
    fixture.register(task("bad", "every 1 hours", THROWS)).await;
    fixture.advance(3600);
    assert_eq!(fixture.run_due().await, 1);
    let off = DisableTask { task_name: "bad".to_owned() };
    assert_eq!(fixture.schedule.disable_task(&fixture.scope, off).await.unwrap().next_run, None);
    fixture.advance(3600 * 5);
    assert_eq!(fixture.run_due().await, 0);
    let on = EnableTask { task_name: "bad".to_owned() };
    let enabled = fixture.schedule.enable_task(&fixture.scope, on).await.unwrap();
    assert_eq!(enabled.next_run, Some((START + 3600 * 7) * 1000));
}

#[tokio::test]
async fn registering_again_keeps_the_rhythm_and_a_new_schedule_starts_anew() {
    let fixture = Fixture::new();
    fixture.register(task("hourly", "every 1 hours", RETURNS_INPUT)).await;
    for _ in 0..3 {
        fixture.advance(1000);
        fixture.register(task("hourly", "every 1 hours", RETURNS_INPUT)).await;
    }
    assert_eq!(fixture.task("hourly").await.next_run, Some((START + 3600) * 1000));
    fixture.register(task("hourly", "every 2 hours", RETURNS_INPUT)).await;
    assert_eq!(fixture.task("hourly").await.next_run, Some((START + 3000 + 7200) * 1000));
}

#[tokio::test]
async fn history_is_bounded() {
    let fixture = Fixture::with(Settings { keep_runs: 3, ..Settings::default() });
    fixture.register(task("tick", "@yearly", RETURNS_INPUT)).await;
    fixture.register(task("other", "@yearly", RETURNS_INPUT)).await;
    fixture.execute("other").await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(fixture.execute("tick").await.unwrap().id);
    }
    let kept: Vec<String> = fixture.history("tick").await.into_iter().map(|run| run.id).collect();
    assert_eq!(kept, ids[2..]);
    assert_eq!(fixture.history("other").await.len(), 1);
}

#[tokio::test]
async fn a_suspended_owner_s_task_waits_and_is_made_up_once() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "every 1 minutes", RETURNS_INPUT)).await;
    fixture.ranks.suspended.lock().unwrap().insert("tenant:a".to_owned());
    for _ in 0..5 {
        fixture.advance(60);
        assert_eq!(fixture.run_due().await, 0);
    }
    assert_eq!(fixture.execute("tick").await.unwrap_err().code, Code::Conflict);
    fixture.ranks.suspended.lock().unwrap().clear();
    fixture.advance(30);
    assert_eq!(fixture.run_due().await, 1);
    assert_eq!(fixture.told("tick").await, [(1, RunStatus::Success, 60, 330)]);
}

#[tokio::test]
async fn an_attempt_that_the_server_had_no_room_for_does_not_count() {
    let fixture = Fixture::new();
    fixture.register(task("tick", "every 1 hours", RETURNS_INPUT)).await;
    fixture.programs.full.store(true, SeqCst);
    fixture.advance(3600);
    for _ in 0..6 {
        assert_eq!(fixture.run_due().await, 1);
        fixture.advance(5);
    }
    fixture.programs.full.store(false, SeqCst);
    assert_eq!(fixture.run_due().await, 1);
    let told = fixture.told("tick").await;
    assert_eq!((told.len(), told[5].0, told[6]), (7, 1, (1, RunStatus::Success, 3600, 3630)));
}

#[tokio::test]
async fn targets_are_messages_and_requests_too() {
    let fixture = Fixture::new();
    let queue = |message| Target::Queue(QueueTarget { queue: "inbox".to_owned(), message });
    fixture.register(NewTask { target: queue(None), ..task("event", "@yearly", "") }).await;
    fixture.register(NewTask { target: queue(Some(json!("fixed"))), ..task("fixed", "@yearly", "") }).await;
    assert_eq!(fixture.execute("event").await.unwrap().status, RunStatus::Success);
    assert_eq!(fixture.execute("fixed").await.unwrap().status, RunStatus::Success);
    let mut bodies: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let receive = Receive { queue: "inbox".to_owned(), options: None };
        bodies.extend(fixture.queue.receive(&fixture.scope, receive).await.unwrap().into_iter().map(|got| got.body));
    }
    assert_eq!(bodies, [json!({"task": "event", "scheduledAt": START * 1000, "attempt": 1}), json!("fixed")]);

    let url = |path: &str, method: Option<&str>| {
        Target::Url(UrlTarget { url: format!("https://example.com/{path}"), method: method.map(str::to_owned) })
    };
    for (path, method, error) in [
        ("204", None, None),
        ("200", Some("get"), None),
        ("302", None, Some("https://example.com/302 answered with status 302")),
        ("500", Some("PUT"), Some("https://example.com/500 answered with status 500")),
    ] {
        fixture.register(NewTask { target: url(path, method), ..task("call", "@yearly", "") }).await;
        let run = fixture.execute("call").await.unwrap();
        assert_eq!(run.error.as_deref(), error);
        assert_eq!(run.status, if error.is_none() { RunStatus::Success } else { RunStatus::Failed });
    }
    let requests = fixture.outside.requests.lock().unwrap().clone();
    let told: Vec<(&str, bool)> = requests.iter().map(|sent| (sent.method.as_str(), sent.body.is_some())).collect();
    assert_eq!(told, [("POST", true), ("GET", false), ("POST", true), ("PUT", true)]);
    let event: Value = serde_json::from_slice(requests[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(event, json!({"task": "call", "scheduledAt": START * 1000, "attempt": 1}));
}

#[tokio::test]
async fn a_worker_is_told_with_the_schedule() {
    let fixture = Fixture::new();
    let worker = |id: &str| Target::Worker(WorkerTarget { id: id.to_owned(), entrypoint: None });
    fixture.register(NewTask { target: worker("returns"), ..task("told", "0 3 * * *", "") }).await;
    assert_eq!(fixture.execute("told").await.unwrap().status, RunStatus::Success);
    let event = json!({"task": "told", "scheduledAt": START * 1000, "attempt": 1, "cron": "0 3 * * *",
                       "told": "scheduled"});
    assert_eq!(fixture.programs.inputs(), [event]);
    let wrong = RegisterTask { task: NewTask { target: worker("a/b"), ..task("wrong", "@daily", "") } };
    let error = fixture.schedule.register_task(&fixture.scope, wrong).await.unwrap_err();
    assert!(error.message.starts_with("target.worker.id: "), "{error}");
}

#[tokio::test]
async fn a_run_that_takes_too_long_has_failed() {
    let fixture = Fixture::new();
    let target = Target::Url(UrlTarget { url: "https://example.com/never".to_owned(), method: None });
    fixture.register(NewTask { target, timeout: Some(20), ..task("hang", "@yearly", "") }).await;
    let run = fixture.execute("hang").await.unwrap();
    assert_eq!((run.status, run.error.as_deref()), (RunStatus::Failed, Some("It took longer than 20 ms")));
}

#[tokio::test]
async fn a_task_that_is_removed_while_it_runs_leaves_nothing() {
    let fixture = Fixture::new();
    fixture.register(task("gone", "@yearly", HOLD)).await;
    let remove = async {
        fixture.programs.until_begun().await;
        let params = UnregisterTask { task_name: "gone".to_owned() };
        assert!(fixture.schedule.unregister_task(&fixture.scope, params).await.unwrap());
        fixture.register(task("gone", "@yearly", HOLD)).await;
        fixture.programs.release.add_permits(1);
    };
    let (run, ()) = tokio::join!(fixture.execute("gone"), remove);
    assert_eq!(run.unwrap_err().code, Code::NotFound);
    assert_eq!(fixture.history("gone").await, []);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other_and_can_be_forgotten() {
    let fixture = Fixture::new();
    fixture.register(task("mine", "@yearly", RETURNS_INPUT)).await;
    fixture.execute("mine").await.unwrap();
    let other = admin("tenant:b");
    let params = Execute { task_name: "mine".to_owned() };
    assert_eq!(fixture.schedule.execute(&other, params).await.unwrap_err().code, Code::NotFound);
    let params = UnregisterTask { task_name: "mine".to_owned() };
    assert!(!fixture.schedule.unregister_task(&other, params).await.unwrap());
    let params = RegisterTask { task: task("mine", "@daily", RETURNS_INPUT) };
    fixture.schedule.register_task(&other, params).await.unwrap();
    assert_eq!(fixture.task("mine").await.schedule, "@yearly");

    fixture.schedule.forget(&other.namespace).await.unwrap();
    assert_eq!(fixture.history("mine").await.len(), 1);
    fixture.schedule.forget(&fixture.scope.namespace).await.unwrap();
    fixture.schedule.forget(&fixture.scope.namespace).await.unwrap();
    let params = GetTask { task_name: "mine".to_owned() };
    assert_eq!(fixture.schedule.get_task(&fixture.scope, params).await.unwrap(), None);
}

#[tokio::test]
async fn anonymous_callers_have_nothing_durable() {
    let fixture = Fixture::new();
    let params = RegisterTask { task: task("mine", "@yearly", RETURNS_INPUT) };
    assert_eq!(fixture.schedule.register_task(&nobody(), params).await.unwrap_err().code, Code::Forbidden);
    let params = Execute { task_name: "mine".to_owned() };
    assert_eq!(fixture.schedule.execute(&nobody(), params).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn what_is_kept_of_a_task_is_bounded() {
    let fixture = Fixture::new();
    let largest = Value::from("x".repeat((16 << 10) - 2));
    fixture.register(NewTask { metadata: Some(largest), ..task("t", "@yearly", RETURNS_INPUT) }).await;
    let larger = Value::from("x".repeat((16 << 10) - 1));
    let params = RegisterTask { task: NewTask { metadata: Some(larger), ..task("t", "@yearly", RETURNS_INPUT) } };
    let error = fixture.schedule.register_task(&fixture.scope, params).await.unwrap_err();
    assert!(error.message.starts_with("task.metadata: "), "{error}");
    let params = RegisterTask { task: task("t", "@yearly", &"x".repeat(256 << 10)) };
    let error = fixture.schedule.register_task(&fixture.scope, params).await.unwrap_err();
    assert!(error.message.starts_with("target: has "), "{error}");
    let params = RegisterTask { task: NewTask { timeout: Some(3_600_001), ..task("t", "@yearly", RETURNS_INPUT) } };
    assert_eq!(fixture.schedule.register_task(&fixture.scope, params).await.unwrap_err().code, Code::InvalidRequest);
}
