//! `schedule`: tasks by the clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Service;
use crate::run::Target;

contract! {
    /// Tasks by the clock, per namespace. A task is run by the server, for the namespace that registered it, whether
    /// anybody is connected or not; runs are recorded, retried three times, and never overlap unless asked to: a time
    /// that comes while a run of the task goes on, or is to be retried, is passed over. Runs that were missed while the
    /// server was down are made up by one, and then the schedule goes on.
    trait Schedule for Service::Schedule;

    /// Runs a task now, whatever its schedule says and though it may be disabled, and waits for it. It is tried once.
    /// `conflict` where it runs and must not overlap, or where whoever registered it may run nothing at present.
    write execute(Execute {
        /// Name of the task.
        task_name: String,
    }) -> Run, fails with [NotFound, Conflict];

    /// The tasks of the namespace, by name.
    read list_tasks = "listTasks"(ListTasks {}) -> Vec<Task>;

    /// Runs of a task, the newest first.
    read get_history = "getHistory"(GetHistory {
        /// Name of the task.
        task_name: String,
        /// At most so many; 20 where absent, 1000 at most.
        limit: Option<u32>,
    }) -> Vec<Run>, fails with [NotFound];

    /// Registers a task, or replaces the one of that name. Where the schedule stays the same, so does its rhythm. It runs
    /// on behalf of whoever registered it last.
    write register_task = "registerTask"(RegisterTask {
        /// The task.
        task: NewTask,
    }) -> Task, fails with [Quota];

    /// Removes a task and its history; says whether there was one.
    write unregister_task = "unregisterTask"(UnregisterTask {
        /// Name of the task.
        task_name: String,
    }) -> bool;

    /// Lets a task run by its schedule again.
    write enable_task = "enableTask"(EnableTask {
        /// Name of the task.
        task_name: String,
    }) -> Task, fails with [NotFound];

    /// Keeps a task from running by its schedule.
    write disable_task = "disableTask"(DisableTask {
        /// Name of the task.
        task_name: String,
    }) -> Task, fails with [NotFound];

    /// A task, or null.
    read get_task = "getTask"(GetTask {
        /// Name of the task.
        task_name: String,
    }) -> Option<Task>;
}

/// A task to register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// Its name: 1 to 128 letters, digits or any of `- _ . :`.
    pub name: String,
    /// Cron with 5 fields, or 6 with seconds first; `@hourly @daily @weekly @monthly @yearly`; or
    /// `every N minutes|hours|days|weeks`, counted from when it was registered, 366 days at most.
    pub schedule: String,
    /// IANA name of the zone that a cron schedule is read in; `UTC` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What is run.
    pub target: Target,
    /// Does it run by its schedule? True where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// May a run begin while another one goes on? False where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<bool>,
    /// Milliseconds for one run, an hour at most; code has the limits of its tier beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Anything, at most 16 KiB; for the caller's own use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub schedule: String,
    /// The zone that a cron schedule is read in.
    pub timezone: String,
    /// What is run.
    pub target: Target,
    /// Does it run by its schedule?
    pub enabled: bool,
    /// May a run begin while another one goes on?
    pub overlap: bool,
    /// Milliseconds for one run.
    pub timeout: Option<u64>,
    /// The caller's own.
    pub metadata: Option<Value>,
    /// Milliseconds since the Unix epoch; null while it is disabled, or where the schedule has come to its end.
    pub next_run: Option<u64>,
    /// When it last began, in milliseconds since the Unix epoch.
    pub last_run: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It is over.
    Success,
    /// It failed, in this attempt.
    Failed,
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Name of the task.
    pub task_name: String,
    /// How it went.
    pub status: RunStatus,
    /// Which attempt it is, counted from 1.
    pub attempt: u32,
    /// When it was due, in milliseconds since the Unix epoch.
    pub scheduled_at: u64,
    /// When it began.
    pub started_at: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What a snippet returned, where it has at most 64 KiB.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
}
