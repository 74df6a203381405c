//! The loop of a service that does things when they are due: what is due is begun, as far as there is room for it, and
//! then it waits for what is written and for what is due next.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    alarm::Alarm,
    slots::{Candidate, Key, Slot, Slots},
    sqlite::stored_ms,
    tasks::Tasks,
};

/// After a failure of our own.
const PAUSE: Duration = Duration::from_secs(1);

/// A service that does things when they are due. A crash at any point leaves them due.
pub(crate) trait Clockwork: Send + Sync + 'static {
    /// What its loop is called.
    const NAME: &'static str;

    /// One thing that was begun.
    type Job: Send + 'static;

    /// Wakes the loop.
    fn alarm(&self) -> &Alarm;

    /// Begins what is due now, and says when there is something to do next. Whatever is written later, and jobs that end,
    /// ring the alarm.
    fn pass(&self, was_set_back: bool) -> impl Future<Output = Result<(Vec<Self::Job>, Option<i64>), Error>> + Send;

    /// Does one thing, and writes down what came of it.
    fn perform(&self, job: Self::Job) -> impl Future<Output = ()> + Send;
}

/// Keeps it going until `tasks` are stopped, which wait for what is being done then.
pub(crate) fn start<C: Clockwork>(clockwork: Arc<C>, tasks: &Tasks) {
    let spawner = tasks.clone();
    tasks.supervise(C::NAME, move |stopping| serve(clockwork.clone(), spawner.clone(), stopping));
}

async fn serve<C: Clockwork>(clockwork: Arc<C>, tasks: Tasks, stopping: CancellationToken) {
    // Nobody knows what the clock showed before the start.
    let mut before = i64::MAX;
    while !stopping.is_cancelled() {
        let now = clockwork.alarm().now();
        let due = match clockwork.pass(now < before).await {
            Ok((jobs, due)) => {
                for job in jobs {
                    let clockwork = clockwork.clone();
                    tasks.spawn(async move { clockwork.perform(job).await });
                }
                due
            }
            Err(error) => {
                tracing::error!(task = C::NAME, error = &error as &dyn std::error::Error, "nothing could be begun");
                tokio::time::sleep(PAUSE).await;
                Some(now)
            }
        };
        before = now;
        tokio::select! {
            () = clockwork.alarm().wait(due) => {}
            () = stopping.cancelled() => return,
        }
    }
}

/// Does everything that is due now, to its end, and says how much that was: what the loop does, step by step for a test.
///
/// # Errors
/// Our own failures.
pub(crate) async fn run_due<C: Clockwork>(clockwork: &C) -> Result<usize, Error> {
    let mut count = 0;
    loop {
        let (jobs, _) = clockwork.pass(false).await?;
        if jobs.is_empty() {
            return Ok(count);
        }
        count += jobs.len();
        join_all(jobs.into_iter().map(|job| clockwork.perform(job))).await;
    }
}

/// Begins something for each whose turn it is. One for which that fails rests for a while, and keeps no other from its
/// turn.
pub(crate) async fn begin<K: Key, J, F: Future<Output = Result<Option<J>, Error>>>(
    slots: &Slots<K>,
    candidates: Vec<Candidate<K>>,
    now: i64,
    begin: impl Fn(Slot<K>) -> F,
) -> Vec<J> {
    let begun = slots.choose(candidates, now).into_iter().map(|slot| {
        let (place, begun) = (slot.place.clone(), begin(slot));
        async move {
            begun.await.unwrap_or_else(|error| {
                let namespace = &place.0;
                tracing::error!(namespace, error = &error as &dyn std::error::Error, "what is due was not begun");
                slots.rest(place, now.saturating_add(stored_ms(PAUSE)));
                None
            })
        }
    });
    join_all(begun).await.into_iter().flatten().collect()
}
