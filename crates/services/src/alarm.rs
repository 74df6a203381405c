//! What wakes a loop: something was written, or something is due.

use std::{sync::Arc, time::Duration};

use doer_core::time::Clock;
use tokio::sync::Notify;

use crate::sqlite::stored;

/// How often the clock is looked at while something is due later. A timer alone would not notice that the clock was set.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes one loop.
pub(crate) struct Alarm {
    written: Notify,
    clock: Arc<dyn Clock>,
}

impl Alarm {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { written: Notify::new(), clock }
    }

    /// What its clock shows, in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        stored(self.clock.now_ms())
    }

    /// Something was written that the loop may have to do with. Remembered where the loop is busy.
    pub(crate) fn ring(&self) {
        self.written.notify_one();
    }

    /// Returns once it rang, once `due` has come (in milliseconds since the Unix epoch), and where the clock was set back.
    pub(crate) async fn wait(&self, due: Option<i64>) {
        let Some(due) = due.map(i64::unsigned_abs) else { return self.written.notified().await };
        let mut before = self.clock.now_ms();
        loop {
            let now = self.clock.now_ms();
            if now >= due || now < before {
                return;
            }
            before = now;
            tokio::select! {
                () = self.written.notified() => return,
                () = tokio::time::sleep(LOOK.min(Duration::from_millis(due - now))) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use doer_core::time::ManualClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_wakes_when_rung_when_due_and_when_the_clock_is_set_back() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(100)));
        let alarm = Arc::new(Alarm::new(clock.clone()));
        alarm.ring();
        alarm.wait(None).await;
        alarm.wait(Some(100_000)).await;

        let waiting = tokio::spawn({
            let alarm = alarm.clone();
            async move { alarm.wait(Some(1_000_000)).await }
        });
        tokio::time::sleep(LOOK * 3).await;
        assert!(!waiting.is_finished());
        clock.set(Duration::from_secs(1_000));
        waiting.await.unwrap();

        let waiting = tokio::spawn(async move { alarm.wait(Some(2_000_000)).await });
        tokio::time::sleep(LOOK * 3).await;
        clock.set(Duration::from_secs(10));
        waiting.await.unwrap();
    }
}
