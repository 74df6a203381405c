//! Work that goes on by itself: queue consumers, the schedule, deliveries. Every such task is started here, so that
//! it can be stopped and waited for, and is started anew where it panics.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of an installation. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

/// Before a task that panicked is started anew.
const PAUSE: Duration = Duration::from_secs(1);

impl Tasks {
    /// Runs `body` until the tasks are stopped. It is given a token that says when to stop; one that returns is not
    /// started again, one that panics is, after a pause.
    pub fn supervise<F>(&self, name: &'static str, body: impl Fn(CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (tracker, stopping) = (self.tracker.clone(), self.stopping.clone());
        self.tracker.spawn(async move {
            while !stopping.is_cancelled() {
                match tracker.spawn(body(stopping.clone())).await {
                    Ok(()) => return,
                    Err(error) => tracing::error!(task = name, %error, "a task panicked; it starts anew"),
                }
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stopping.cancelled() => {}
                }
            }
        });
    }

    /// Runs one piece of work that whoever stops the tasks waits for.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Says when to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Stops all of them, and waits until they have.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_starts_anew_and_all_can_be_stopped() {
        let tasks = Tasks::default();
        let starts = Arc::new(AtomicU32::new(0));
        let counted = starts.clone();
        tasks.supervise("test", move |stopping| {
            let first = counted.fetch_add(1, SeqCst) == 0;
            async move {
                assert!(!first, "the first one panics");
                stopping.cancelled().await;
            }
        });
        tokio::time::sleep(PAUSE * 2).await;
        assert_eq!(starts.load(SeqCst), 2);
        tasks.stop().await;
    }
}
