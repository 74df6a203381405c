//! From the first signal to the end: no new work, time for running work, then its cancellation.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the answers of cancelled executions may take to reach their callers.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where the process stands in its life; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
    /// Parent of every execution's token.
    executions: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Is the server on its way out?
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when listeners shall stop.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// For a new execution: cancelled when running work has no more time.
    pub fn execution_token(&self) -> CancellationToken {
        self.executions.child_token()
    }

    /// Starts a task that the shutdown waits for. Every task outside the listeners is started here.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Stops: refuses new work, waits up to `deadline` for `served` and the tasks, then cancels what still
    /// runs and gives its answers a moment to leave.
    pub async fn drain(&self, deadline: Duration, served: impl Future<Output = ()>) {
        self.draining.cancel();
        self.tasks.close();
        let rest = async {
            served.await;
            self.tasks.wait().await;
        };
        tokio::pin!(rest);
        if tokio::time::timeout(deadline, &mut rest).await.is_ok() {
            return;
        }
        tracing::warn!(?deadline, "the deadline has passed: cancelling what still runs");
        self.executions.cancel();
        if tokio::time::timeout(FAREWELL, rest).await.is_err() {
            tracing::warn!("some connections did not take their answers");
        }
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the process decides itself what these signals do.
    ///
    /// # Errors
    /// Where the operating system refuses it.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and says which it was.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_is_not_cancelled() {
        let lifecycle = Lifecycle::default();
        let token = lifecycle.execution_token();
        lifecycle.spawn(tokio::time::sleep(Duration::from_secs(1)));
        lifecycle.drain(Duration::from_secs(2), async {}).await;
        assert!(lifecycle.is_draining() && !token.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_is_cancelled_and_waited_for() {
        let lifecycle = Lifecycle::default();
        let (token, answered) = (lifecycle.execution_token(), CancellationToken::new());
        let (running, sent) = (token.clone(), answered.clone());
        lifecycle.spawn(async move {
            running.cancelled().await;
            sent.cancel();
        });
        lifecycle.drain(Duration::ZERO, async {}).await;
        assert!(answered.is_cancelled());
    }
}
