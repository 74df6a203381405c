//! The clockwork: what is due is owed, what is owed is run, and what came of it is written down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doer_core::{
    run::{Happening, Target},
    scope::{Scope, Standing},
};
use serde_json::json;

use super::{
    EmbeddedSchedule,
    occurrence::{self, Attempt},
};
use crate::{
    Error,
    alarm::Alarm,
    clockwork::{self, Clockwork},
    mine::At,
    slots::Slot,
    sqlite::stored_ms,
    targets::Targets,
    tasks::Tasks,
};

/// Who runs tasks.
pub(super) struct Hands {
    pub tasks: Tasks,
    pub standing: Arc<dyn Standing>,
    pub targets: Targets,
}

/// An attempt that is about to be made.
pub(crate) struct Job {
    pub(super) attempt: Attempt,
    pub(super) scope: Scope,
    /// Those that somebody waits for need no slot.
    _slot: Option<Slot<i64>>,
    _at: At<String>,
}

impl EmbeddedSchedule {
    /// Runs everything that is due now, to its end, and says how many attempts that were: what the loop of
    /// [`Self::start`] does, step by step for a test.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn run_due(&self) -> Result<usize, Error> {
        clockwork::run_due(self).await
    }

    async fn next_due(&self, now: i64) -> Result<Option<i64>, Error> {
        self.database.read(move |connection| occurrence::next_due(connection, now)).await
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
}

impl Clockwork for EmbeddedSchedule {
    const NAME: &'static str = "schedule";
    type Job = Job;

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Brings what is owed up to date, and begins attempts for whoever's turn it is.
    async fn pass(&self, was_set_back: bool) -> Result<(Vec<Job>, Option<i64>), Error> {
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
            jobs = clockwork::begin(&self.slots, candidates, now, |slot| self.begin(slot)).await;
        }
        Ok((jobs, self.next_due(now).await?.into_iter().chain(self.slots.next_due(now)).min()))
    }

    /// Makes an attempt, and writes down what came of it.
    async fn perform(&self, job: Job) {
        let Some(hands) = self.hands.get() else { return };
        let attempt = &job.attempt;
        let task = &attempt.stored.task;
        let mut event = json!({ "task": task.name, "scheduledAt": attempt.scheduled_at, "attempt": attempt.attempt });
        if let Target::Worker(_) = task.target {
            event["cron"] = task.schedule.clone().into();
        }
        let timeout = task.timeout.map_or(self.settings.timeout, Duration::from_millis);
        // The clock on the wall may be set while it runs.
        let started = Instant::now();
        let outcome = hands.targets.run(&job.scope, &task.target, Happening::Scheduled, event, timeout).await;
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
