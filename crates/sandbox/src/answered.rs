//! Runs that answer before they end.

use tokio::task::JoinHandle;

use crate::{Error, GuestError, Outcome, Reply, WholeReply, body::TooLarge, outcome::limit_error};
use doer_core::fault::Termination;

/// What a run answered. The run itself may go on: it writes the body of its answer, and does what it gave `waitUntil`,
/// inside its limits and in the slot that it has.
#[derive(Debug)]
pub struct Answered<A> {
    /// What it returned, or why it did not.
    pub answer: Result<A, GuestError>,
    /// What is left of it.
    pub run: Running,
}

/// What is left of a run that has answered. It goes on when this is dropped.
#[derive(Debug)]
pub struct Running(Rest);

#[derive(Debug)]
enum Rest {
    Over(Box<Outcome<()>>),
    Going(JoinHandle<Result<Outcome<()>, Error>>),
}

impl Running {
    pub(crate) fn over(outcome: Outcome<()>) -> Self {
        Self(Rest::Over(Box::new(outcome)))
    }

    pub(crate) const fn going(task: JoinHandle<Result<Outcome<()>, Error>>) -> Self {
        Self(Rest::Going(task))
    }

    /// Has it ended with its answer?
    pub fn is_over(&self) -> bool {
        match &self.0 {
            Rest::Over(_) => true,
            Rest::Going(task) => task.is_finished(),
        }
    }

    /// Waits for its end: everything that it used and wrote, and what ended it, where that was not its own doing.
    ///
    /// # Errors
    /// Only what is the host's doing.
    pub async fn ended(self) -> Result<Outcome<()>, Error> {
        match self.0 {
            Rest::Over(outcome) => Ok(*outcome),
            Rest::Going(task) => task.await.unwrap_or(Err(Error::Panicked)),
        }
    }
}

impl<A> Answered<A> {
    /// Waits for the end of the run.
    ///
    /// # Errors
    /// Only what is the host's doing.
    pub async fn whole(self) -> Result<Outcome<A>, Error> {
        let outcome = self.run.ended().await?;
        // Who answered and is then killed has answered.
        Ok(outcome.with(self.answer))
    }
}

impl Answered<Reply> {
    /// Waits for the end of the run, and for the whole body, of at most `max_bytes`.
    ///
    /// # Errors
    /// Only what is the host's doing.
    pub async fn whole_reply(self, max_bytes: u64) -> Result<Outcome<WholeReply>, Error> {
        let answer = match self.answer {
            Ok(Reply { head, body }) => body.collect(max_bytes).await.map(|body| WholeReply { head, body }),
            Err(error) => return Ok(self.run.ended().await?.with(Err(error))),
        };
        let outcome = self.run.ended().await?;
        let answer = answer.map_err(|broken| {
            if let Err(killed) = &outcome.answer {
                return killed.clone();
            }
            if broken.is::<TooLarge>() {
                return limit_error(
                    Termination::OutputLimit,
                    format!("Output limit of {max_bytes} bytes for result and logs exceeded"),
                );
            }
            GuestError { name: "TypeError".to_owned(), message: broken.to_string(), ..GuestError::default() }
        });
        Ok(outcome.with(answer))
    }
}
