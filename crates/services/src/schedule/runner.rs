//! The clockwork: what is due is owed, what is owed is run, and what came of it is written down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doer_core::scope::{Scope, Standing};
use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    EmbeddedSchedule,
    occurrence::{self, Attempt},
};
use crate::{Error, mine::At, slots::Slot, sqlite::stored_ms, targets::Targets, tasks::Tasks};

/// After a failure of our own.
const PAUSE: Duration = Duration::from_secs(1);

/// Who runs tasks.
pub(super) struct Hands {
    pub tasks: Tasks,
    pub standing: Arc<dyn Standing>,
    pub targets: Targets,
}

/// An attempt that is about to be made.
pub(super) struct Job {
    pub attempt: Attempt,
    scope: Scope,
    /// Those that somebody waits for need no slot.
    _slot: Option<Slot<i64>>,
    _at: At<String>,
}

impl EmbeddedSchedule {
    /// Runs what is due, and what becomes due, until it is told to stop. What runs then is waited for by `tasks`.
    pub(super) async fn serve(self: Arc<Self>, tasks: Tasks, stopping: CancellationToken) {
        let mut before = i64::MAX;
        while !stopping.is_cancelled() {
            let now = self.now();
            let due = match self.pass(now < before).await {
                Ok((jobs, due)) => {
                    for job in jobs {
                        let schedule = self.clone();
                        tasks.spawn(async move { schedule.perform(job).await });
                    }
                    due
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the schedule cannot be served");
                    tokio::time::sleep(PAUSE).await;
                    Some(now)
                }
            };
            before = now;
            tokio::select! {
                () = self.alarm.wait(due) => {}
                () = stopping.cancelled() => return,
            }
        }
    }

    /// Runs everything that is due now, to its end, and says how many attempts that were: what the loop of
    /// [`Self::start`] does, step by step for a test.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn run_due(&self) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let (jobs, _) = self.pass(false).await?;
            if jobs.is_empty() {
                return Ok(count);
            }
            count += jobs.len();
            join_all(jobs.into_iter().map(|job| self.perform(job))).await;
        }
    }

    /// Brings what is owed up to date, begins attempts for whoever's turn it is, and says when there is something to do
    /// next.
    pub(super) async fn pass(&self, was_set_back: bool) -> Result<(Vec<Job>, Option<i64>), Error> {
        let now = self.now();
        if was_set_back {
            let settings = self.settings.clone();
            self.database.write(move |transaction| occurrence::rewind(transaction, &settings, now)).await?;
        }
        if self.next_due(now).await?.is_some_and(|due| due <= now) {
            let (settings, mine) = (self.settings.clone(), self.mine.clone());
            let bring = self.database.write(move |transaction| {
                occurrence::settle(transaction, &mine, &settings, now)?;
                occurrence::owe_due(transaction, now)
            });
            bring.await?;
        }
        let mut jobs = Vec::new();
        if !self.slots.all_taken() {
            let most = self.settings.max_running_per_namespace;
            let candidates =
                self.database.read(move |connection| occurrence::candidates(connection, most, now)).await?;
            let slots = self.slots.choose(candidates, now);
            jobs =
                join_all(slots.into_iter().map(|slot| self.begin_or_rest(slot))).await.into_iter().flatten().collect();
        }
        Ok((jobs, self.next_due(now).await?.into_iter().chain(self.slots.next_due(now)).min()))
    }

    async fn next_due(&self, now: i64) -> Result<Option<i64>, Error> {
        self.database.read(move |connection| occurrence::next_due(connection, now)).await
    }

    /// Begins an attempt. One for which that fails keeps no other from its turn.
    async fn begin_or_rest(&self, slot: Slot<i64>) -> Option<Job> {
        let place = slot.place.clone();
        let begun = self.begin(slot).await;
        begun.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a task was not begun");
            self.slots.rest(place, self.now().saturating_add(stored_ms(PAUSE)));
            None
        })
    }

    /// Begins an attempt, where its owner may run anything now.
    async fn begin(&self, slot: Slot<i64>) -> Result<Option<Job>, Error> {
        let Some(hands) = self.hands.get() else { return Ok(None) };
        let seq = slot.place.1;
        let Some(owner) = self.database.read(move |connection| occurrence::owner(connection, seq)).await? else {
            return Ok(None);
        };
        let now = self.now();
        let Some(scope) = hands.standing.scope(&owner).await? else {
            let until = now.saturating_add(stored_ms(self.settings.look_again));
            self.database.write(move |transaction| occurrence::put_off(transaction, seq, until)).await?;
            return Ok(None);
        };
        let settings = self.settings.clone();
        let begin = self.database.write(move |transaction| occurrence::begin(transaction, seq, &settings, now));
        Ok(begin.await?.map(|attempt| self.job(attempt, scope, Some(slot))))
    }

    /// An attempt that was begun, as this server's.
    pub(super) fn job(&self, attempt: Attempt, scope: Scope, slot: Option<Slot<i64>>) -> Job {
        Job { _at: self.mine.add(vec![attempt.run.clone()]), _slot: slot, attempt, scope }
    }

    /// Makes an attempt, and writes down what came of it.
    pub(super) async fn perform(&self, job: Job) {
        let Some(hands) = self.hands.get() else { return };
        let attempt = &job.attempt;
        let task = &attempt.stored.task;
        let event = json!({ "task": task.name, "scheduledAt": attempt.scheduled_at, "attempt": attempt.attempt });
        let timeout = task.timeout.map_or(self.settings.timeout, Duration::from_millis);
        // The clock on the wall may be set while it runs.
        let started = Instant::now();
        let outcome = hands.targets.run(&job.scope, &task.target, event, timeout).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);

        let (ended, settings, now) = (attempt.clone(), self.settings.clone(), self.now());
        let end = self
            .database
            .write(move |transaction| occurrence::end(transaction, &ended, outcome, duration_ms, &settings, now));
        if let Err(error) = end.await {
            // Nothing is lost: it will be taken for interrupted, and tried again.
            tracing::error!(error = &error as &dyn std::error::Error, "what a task did was not recorded");
        }
        drop(job);
        self.alarm.ring();
    }
}
