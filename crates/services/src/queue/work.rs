//! Consumers at work: batches are taken for the queues whose turn it is, their code is run, and what came of it is
//! written down. A crash at any point leaves messages whose time passes: they are delivered again.

use std::{collections::HashSet, sync::Arc};

use doer_core::{
    run::{CodeRunner, Happening, RunError, check_worker},
    scope::{Scope, Standing},
    service::{
        ServiceError,
        queue::{ConsumerTarget, WorkerConsumer},
    },
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    EmbeddedQueue, MAX_TARGET_BYTES, consumers,
    lease::{self, Back, DeliveryId, Taken},
    list,
};
use crate::{
    Error,
    alarm::Alarm,
    clockwork::{self, Clockwork},
    mine::At,
    slots::{Candidate, Slot},
    sqlite::stored_ms,
};

/// Who runs consumers.
pub(super) struct Hands {
    pub standing: Arc<dyn Standing>,
    pub runner: Arc<dyn CodeRunner>,
}

/// Messages that a consumer is about to be called with.
pub(crate) struct Batch {
    slot: Slot<String>,
    scope: Scope,
    target: ConsumerTarget,
    messages: Vec<Taken>,
    _at: At<DeliveryId>,
}

/// What a consumer may return.
#[derive(Deserialize)]
struct Verdict {
    retry: HashSet<String>,
}

impl EmbeddedQueue {
    /// Runs everything that is due now, to its end, and says how many batches that were: what the loop of
    /// [`Self::start`] does, step by step for a test.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn run_due(&self) -> Result<usize, Error> {
        clockwork::run_due(self).await
    }

    async fn candidates(&self) -> Result<Vec<Candidate<String>>, Error> {
        let sql =
            "SELECT namespace, queue, max_concurrency FROM consumers INDEXED BY consumers_waiting WHERE waiting = 1";
        let read = self.store.database().read(move |connection| {
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map([], |row| {
                Ok(Candidate { place: (row.get(0)?, row.get(1)?), max_concurrency: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        read.await
    }

    /// Takes messages for a queue's consumer, where its owner may run anything now.
    async fn take(&self, slot: Slot<String>) -> Result<Option<Batch>, Error> {
        let Some(hands) = self.hands.get() else { return Ok(None) };
        let place = slot.place.clone();
        let read = self.store.database().read(move |connection| consumers::get(connection, &place.0, &place.1));
        let Some(registered) = read.await? else { return Ok(None) };
        let Some(scope) = hands.standing.scope(&registered.owner).await? else {
            let until = self.now().saturating_add(stored_ms(self.settings.look_again));
            self.slots.rest(slot.place.clone(), until);
            return Ok(None);
        };
        let place = slot.place.clone();
        let until = self.leased_until(self.now());
        let max = registered.consumer.max_batch;
        let taken =
            self.store.write(move |transaction| lease::take(transaction, (&place.0, &place.1), max, until)).await?;
        let at = self.mine.add(taken.iter().map(|message| (message.seq, message.deliveries)).collect());
        let hops = taken.iter().map(|message| message.hops).max().unwrap_or_default();
        let scope = Scope { hops, ..scope };
        let batch = Batch { slot, scope, target: registered.consumer.target, messages: taken, _at: at };
        Ok((!batch.messages.is_empty()).then_some(batch))
    }

    async fn call(&self, batch: &Batch) -> Result<Box<RawValue>, RunError> {
        let uncounted = |error: ServiceError| RunError { message: error.to_string(), counts: false };
        let hands = self.hands.get().ok_or_else(|| RunError { message: "not started".to_owned(), counts: false })?;
        let input = input(&batch.slot.place.1, &batch.messages).map_err(|error| uncounted(error.into()))?;
        let timeout = self.settings.timeout;
        match &batch.target {
            ConsumerTarget::Snippet(snippet) => hands.runner.run(&batch.scope, snippet, input, timeout).await,
            ConsumerTarget::Worker(WorkerConsumer { worker }) => {
                hands.runner.tell(&batch.scope, worker, Happening::Queue, input, timeout).await
            }
        }
    }

    /// Checks that a target can be called, for whoever wants to register it.
    ///
    /// # Errors
    /// `invalid_request`, and those of [`CodeRunner::check`].
    pub(super) fn check_target(&self, scope: &Scope, target: &ConsumerTarget) -> Result<(), ServiceError> {
        let snippet = match target {
            ConsumerTarget::Worker(WorkerConsumer { worker }) => return check_worker("target.worker", worker),
            ConsumerTarget::Snippet(snippet) => snippet,
        };
        if snippet.code.len() > MAX_TARGET_BYTES {
            return Err(ServiceError::invalid(format!("target.code: may have {MAX_TARGET_BYTES} bytes")));
        }
        match self.hands.get() {
            Some(hands) => hands.runner.check(scope, snippet),
            None => Ok(()),
        }
    }

    async fn record(&self, messages: &[Taken], outcome: Result<Box<RawValue>, RunError>) -> Result<(), Error> {
        let (messages, now) = (messages.to_vec(), self.now());
        let (backoff, uncounted) = (self.settings.backoff, stored_ms(self.settings.uncounted_pause));
        let record = self.store.write(move |transaction| {
            let wanted = outcome.as_ref().map(|result| retried(result));
            for message in &messages {
                // One that was cancelled, or was delivered again, is not this batch's any more.
                let Some(held) = lease::still_held(transaction, message)? else { continue };
                match &wanted {
                    Ok(retried) if !retried.contains(&message.id) => lease::complete(transaction, &held, now)?,
                    Ok(_) => {
                        let asked = Some("The consumer asked for another attempt");
                        lease::give_back(transaction, &held, Back::Backoff(backoff), asked, now)?;
                    }
                    Err(error) => {
                        let back = if error.counts { Back::Backoff(backoff) } else { Back::Uncounted(uncounted) };
                        lease::give_back(transaction, &held, back, Some(&error.message), now)?;
                    }
                }
            }
            Ok(())
        });
        record.await
    }
}

impl Clockwork for EmbeddedQueue {
    const NAME: &'static str = "queue consumers";
    type Job = Batch;

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Brings messages up to date, and takes batches for whoever's turn it is.
    async fn pass(&self, was_set_back: bool) -> Result<(Vec<Batch>, Option<i64>), Error> {
        let now = self.now();
        if was_set_back {
            self.store.write(move |transaction| lease::rewind(transaction, now)).await?;
            self.slots.rouse();
        }
        self.settle().await?;
        let mut batches = Vec::new();
        if !self.slots.all_taken() {
            batches = clockwork::begin(&self.slots, self.candidates().await?, now, |slot| self.take(slot)).await;
        }
        if !batches.is_empty() {
            // What was taken may not be all that waits.
            return Ok((batches, Some(now)));
        }
        let due = self.store.database().read(lease::next_due).await?;
        Ok((batches, due.into_iter().chain(self.slots.next_due(now)).min()))
    }

    /// Calls a consumer, and writes down what came of it.
    async fn perform(&self, batch: Batch) {
        let outcome = self.call(&batch).await;
        if let Err(error) = self.record(&batch.messages, outcome).await {
            // Nothing is lost: the messages' time passes, and they are delivered again.
            tracing::error!(error = &error as &dyn std::error::Error, "what a queue consumer did was not recorded");
        }
        drop(batch);
        self.alarm.ring();
    }
}

/// The messages that a consumer wants again: those of `{retry: [ids]}`, and none where it returned something else.
fn retried(result: &RawValue) -> HashSet<String> {
    serde_json::from_str::<Verdict>(result.get()).map(|verdict| verdict.retry).unwrap_or_default()
}

fn input(queue: &str, messages: &[Taken]) -> Result<Value, Error> {
    let messages = messages
        .iter()
        .map(|message| {
            Ok(json!({
                "id": message.id,
                "body": list::body(&message.body)?,
                "attempts": message.attempts,
                "timestamp": message.created_at,
            }))
        })
        .collect::<Result<Vec<Value>, Error>>()?;
    Ok(json!({ "queue": queue, "messages": messages }))
}
