//! `schedule`, embedded: tasks by the clock in one SQLite file.
//!
//! What was missed while nothing ran is made up once, and then the schedule goes on. A time that comes while a run of
//! the task is owed (it goes on, or is to be tried again) is passed over, unless runs may overlap. An attempt that the
//! server did not live to see the end of has failed, and is made again like any that failed.
//!
//! | file | idea |
//! |---|---|
//! | `schema` | how tasks and runs are kept |
//! | `calendar` | when a task runs |
//! | `task` | tasks: registered, switched, told of, removed |
//! | `occurrence` | runs that are owed |
//! | `history` | what was run |
//! | `runner` | the clockwork |

mod calendar;
mod history;
mod occurrence;
mod runner;
mod schema;
mod task;

use std::{
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    quota::Quotas,
    scope::{Scope, Standing},
    service::{
        Code, ServiceError,
        schedule::{self as contract, NewTask, Run, Schedule, Task},
    },
    tier::Namespace,
    time::Clock,
};
use rusqlite::params;
use tokio::sync::oneshot;

use calendar::Calendar;
use runner::{Hands, Job};

use crate::{
    Backoff, Database, Error, Holder,
    alarm::Alarm,
    clockwork::{self, Clockwork},
    mine::Mine,
    names,
    slots::Slots,
    sqlite::stored,
    targets::Targets,
    tasks::Tasks,
};

/// How the schedule of an installation behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Runs that are remembered of each task.
    pub keep_runs: u32,
    /// How long an attempt may take where its task does not say; code has its tier's limits beside it.
    pub timeout: Duration,
    /// Attempts after the first one that failed.
    pub retries: u32,
    /// Wait before each.
    pub backoff: Backoff,
    /// How long an attempt is taken to go on that nothing is heard of; after a crash it is tried again this late.
    pub lease: Duration,
    /// Attempts at once, beside those that callers wait for.
    pub max_running: usize,
    /// The same, of one namespace.
    pub max_running_per_namespace: usize,
    /// Wait before an attempt is made again that the server had no room for.
    pub uncounted_pause: Duration,
    /// How often an owner is looked at again who may run nothing at present.
    pub look_again: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_runs: 1000,
            timeout: Duration::from_secs(120),
            retries: 3,
            backoff: Backoff { first: Duration::from_secs(5), max: Duration::from_secs(60) },
            lease: Duration::from_secs(30),
            max_running: 16,
            max_running_per_namespace: 4,
            uncounted_pause: Duration::from_secs(5),
            look_again: Duration::from_secs(30),
        }
    }
}

/// The schedule of an installation.
pub struct EmbeddedSchedule {
    database: Database,
    settings: Settings,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
    alarm: Alarm,
    slots: Slots<i64>,
    /// Attempts, by the ids of their runs.
    mine: Mine<String>,
    hands: OnceLock<Hands>,
    /// For attempts that outlive the call that asked for them.
    me: Weak<Self>,
}

const MAX_TIMEOUT_MS: u64 = 3_600_000;
const MAX_METADATA_BYTES: usize = 16 << 10;
/// Runs that are deleted in one transaction when a namespace goes.
const CHUNK: i64 = 500;

impl EmbeddedSchedule {
    /// Opens `schedule.db` in `dir`, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(
        dir: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
    ) -> Result<Arc<Self>, Error> {
        let database = Database::open(&dir.join("schedule.db"), schema::MIGRATIONS)?;
        Ok(Arc::new_cyclic(|me| Self {
            database,
            slots: Slots::new(settings.max_running, settings.max_running_per_namespace),
            alarm: Alarm::new(clock.clone()),
            mine: Mine::new(),
            hands: OnceLock::new(),
            me: me.clone(),
            settings,
            clock,
            quotas,
        }))
    }

    /// Says who runs tasks. Nothing runs by itself before [`Self::start`].
    pub fn connect(&self, tasks: &Tasks, standing: Arc<dyn Standing>, targets: Targets) {
        // Whoever was named first stays: there is one of each in an installation.
        let _ = self.hands.set(Hands { tasks: tasks.clone(), standing, targets });
    }

    /// Runs tasks from now on.
    pub fn start(self: &Arc<Self>, tasks: &Tasks, standing: Arc<dyn Standing>, targets: Targets) {
        self.connect(tasks, standing, targets);
        clockwork::start(self.clone(), tasks);
    }

    fn now(&self) -> i64 {
        stored(self.clock.now_ms())
    }

    /// What is to be registered, checked.
    fn checked(&self, scope: &Scope, new: NewTask) -> Result<Task, ServiceError> {
        names::check("task.name", &new.name)?;
        let timezone = new.timezone.unwrap_or_else(|| "UTC".to_owned());
        let now = self.now();
        if Calendar::parse(&new.schedule, &timezone)?.next_after(now, now).is_none() {
            return Err(ServiceError::invalid("task.schedule: that time never comes"));
        }
        if new.timeout.is_some_and(|timeout| !(1..=MAX_TIMEOUT_MS).contains(&timeout)) {
            return Err(ServiceError::invalid(format!("task.timeout: must be 1 to {MAX_TIMEOUT_MS} ms")));
        }
        if new.metadata.as_ref().is_some_and(|metadata| metadata.to_string().len() > MAX_METADATA_BYTES) {
            return Err(ServiceError::invalid(format!("task.metadata: may have {MAX_METADATA_BYTES} bytes as JSON")));
        }
        if let Some(hands) = self.hands.get() {
            hands.targets.check(scope, &new.target)?;
        }
        Ok(Task {
            name: new.name,
            schedule: new.schedule,
            timezone,
            target: new.target,
            enabled: new.enabled.unwrap_or(true),
            overlap: new.overlap.unwrap_or(false),
            timeout: new.timeout,
            metadata: new.metadata,
            next_run: None,
            last_run: None,
            created_at: self.clock.now_ms(),
        })
    }

    async fn switch(&self, scope: &Scope, name: String, enabled: bool) -> Result<Task, ServiceError> {
        durable(scope)?;
        let (namespace, now) = (scope.namespace.as_str().to_owned(), self.now());
        let switch = self.database.write(move |transaction| task::switch(transaction, &namespace, &name, enabled, now));
        let task = switch.await?;
        self.alarm.ring();
        Ok(task)
    }

    /// Begins an attempt for somebody who waits. From here on it is made, whether they still wait or not.
    async fn begin_by_hand(&self, hands: &Hands, namespace: String, name: String) -> Result<Job, ServiceError> {
        let (at, wanted) = (namespace.clone(), name.clone());
        let found = self.database.read(move |connection| task::known(connection, &at, &wanted)).await?;
        let Some(scope) = hands.standing.scope(&found.owner).await? else {
            let message = format!("Task {name} may not run: whoever registered it may do nothing at present");
            return Err(ServiceError::new(Code::Conflict, message));
        };
        let (settings, now) = (self.settings.clone(), self.now());
        let begin = self
            .database
            .write(move |transaction| occurrence::begin_by_hand(transaction, &namespace, &name, &settings, now));
        Ok(self.job(begin.await?, scope, None))
    }
}

#[async_trait]
impl Schedule for EmbeddedSchedule {
    async fn execute(&self, scope: &Scope, params: contract::Execute) -> Result<Run, ServiceError> {
        durable(scope)?;
        let not_yet = || ServiceError::new(Code::ServiceUnavailable, "The schedule is not running");
        let hands = self.hands.get().ok_or_else(not_yet)?;
        let schedule = self.me.upgrade().ok_or_else(not_yet)?;
        let (namespace, name) = (scope.namespace.as_str().to_owned(), params.task_name);
        let hops = scope.next_hop()?;
        let mut job = self.begin_by_hand(hands, namespace.clone(), name.clone()).await?;
        job.scope.hops = hops;
        let run = job.attempt.run.clone();

        let (tell, told) = oneshot::channel();
        hands.tasks.spawn(async move {
            schedule.perform(job).await;
            // Whoever waits no longer need not be told.
            let _ = tell.send(());
        });
        // Where it panicked, its row still says that it goes on: until it is taken for interrupted.
        let _ = told.await;
        let gone = ServiceError::not_found(format!("Task {name} not found: it was unregistered while it ran"));
        let read = self.database.read(move |connection| history::find(connection, &namespace, &run, &name));
        read.await?.ok_or(gone)
    }

    async fn list_tasks(&self, scope: &Scope, _: contract::ListTasks) -> Result<Vec<Task>, ServiceError> {
        let namespace = scope.namespace.as_str().to_owned();
        Ok(self.database.read(move |connection| task::list(connection, &namespace)).await?)
    }

    async fn get_history(&self, scope: &Scope, params: contract::GetHistory) -> Result<Vec<Run>, ServiceError> {
        let limit = params.limit.unwrap_or(20);
        if !(1..=1000).contains(&limit) {
            return Err(ServiceError::invalid("limit: must be 1 to 1000"));
        }
        let (namespace, name) = (scope.namespace.as_str().to_owned(), params.task_name);
        let read = self.database.read(move |connection| {
            let found = task::known(connection, &namespace, &name)?;
            history::list(connection, &namespace, (found.id, &name), limit)
        });
        Ok(read.await?)
    }

    async fn register_task(&self, scope: &Scope, params: contract::RegisterTask) -> Result<Task, ServiceError> {
        durable(scope)?;
        let task = self.checked(scope, params.task)?;
        let most = self.quotas.of(scope.tier, &scope.namespace).tasks;
        let (owner, now) = (scope.owner(), self.now());
        let register = self.database.write(move |transaction| task::register(transaction, task, &owner, most, now));
        let task = register.await?;
        self.alarm.ring();
        Ok(task)
    }

    async fn unregister_task(&self, scope: &Scope, params: contract::UnregisterTask) -> Result<bool, ServiceError> {
        durable(scope)?;
        let namespace = scope.namespace.as_str().to_owned();
        let name = params.task_name;
        Ok(self.database.write(move |transaction| task::remove(transaction, &namespace, &name)).await?)
    }

    async fn enable_task(&self, scope: &Scope, params: contract::EnableTask) -> Result<Task, ServiceError> {
        self.switch(scope, params.task_name, true).await
    }

    async fn disable_task(&self, scope: &Scope, params: contract::DisableTask) -> Result<Task, ServiceError> {
        self.switch(scope, params.task_name, false).await
    }

    async fn get_task(&self, scope: &Scope, params: contract::GetTask) -> Result<Option<Task>, ServiceError> {
        let namespace = scope.namespace.as_str().to_owned();
        let read = self.database.read(move |connection| task::find(connection, &namespace, &params.task_name)).await?;
        Ok(read.map(|found| found.task))
    }
}

#[async_trait]
impl Holder for EmbeddedSchedule {
    fn name(&self) -> &'static str {
        "schedule"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        let name = namespace.as_str().to_owned();
        let tasks = self.database.write(move |transaction| {
            transaction.execute("DELETE FROM tasks WHERE namespace = ?1", [&name])?;
            transaction.execute("DELETE FROM occurrences WHERE namespace = ?1", [&name])?;
            Ok(())
        });
        tasks.await?;
        loop {
            let name = namespace.as_str().to_owned();
            let part = self.database.write(move |transaction| {
                let sql = "DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE namespace = ?1 LIMIT ?2)";
                Ok(transaction.execute(sql, params![name, CHUNK])?)
            });
            if part.await? == 0 {
                return Ok(());
            }
        }
    }
}

/// Refuses whoever has nothing that lasts.
fn durable(scope: &Scope) -> Result<(), ServiceError> {
    if scope.is_durable() {
        return Ok(());
    }
    Err(ServiceError::forbidden("Anonymous callers have no durable storage: sign in to use the schedule"))
}
