//! Whoever carries mails from the outbox to the server.
//!
//! One loop claims what is due, under a lease, and hands each mail over in a task of its own. A crash at any point
//! leaves the mail in the outbox, where its lease ends and it is tried again; so that one which the server took just
//! before may arrive twice, under the same `Message-ID`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use doer_core::{scope::Standing, service::Code, tier::Namespace, time::Clock};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::{PERSISTENCE, next_attempt},
    mime,
    outbox::{Claim, Outbox, Outcome, Terms},
    relay::{Refusal, RefusalKind, Relay},
};
use crate::Error;

/// A mail is somebody's for so long at a time.
const LEASE: Duration = Duration::from_secs(60);
const RENEWAL: Duration = Duration::from_secs(20);
/// The loop looks again after so long, in case that the clock was set.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The loop looks after so long whether those whose mails are held may do something again.
const PAUSE_WHILE_HELD: Duration = Duration::from_secs(5);
/// Before the loop looks again where the database failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Carries mails.
#[derive(Clone)]
pub(super) struct Courier {
    pub outbox: Outbox,
    pub relay: Arc<Relay>,
    pub clock: Arc<dyn Clock>,
    /// Which namespaces may do anything now: mails of the others are held.
    pub standing: Arc<dyn Standing>,
    /// Told whenever a mail was accepted.
    pub wake: Arc<Notify>,
    /// Could the server be spoken to the last time?
    pub reachable: Arc<AtomicBool>,
    /// Mails at once.
    pub concurrency: usize,
}

impl Courier {
    /// Carries until it is told to stop; mails that are on their way then are waited for.
    pub async fn run(self, stopping: CancellationToken) {
        let mut carried = JoinSet::new();
        let mut last = String::new();
        while !stopping.is_cancelled() {
            let pause = self.take_up(&mut carried, &mut last).await.unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                PAUSE_AFTER_FAILURE
            });
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.wake.notified() => {}
                Some(_) = carried.join_next() => {}
                () = sleep(pause) => {}
            }
        }
        while carried.join_next().await.is_some() {}
    }

    /// Takes up what is due, as far as there are hands; says for how long nothing more will be.
    async fn take_up(&self, carried: &mut JoinSet<()>, last: &mut String) -> Result<Duration, Error> {
        while carried.try_join_next().is_some() {}
        let mut longest = if self.release().await? { LONGEST_PAUSE } else { PAUSE_WHILE_HELD };
        while carried.len() < self.concurrency {
            let now = self.clock.now_ms();
            match self.outbox.next_due().await? {
                None => return Ok(longest),
                Some(due) if due > now => return Ok(Duration::from_millis(due - now).min(longest)),
                Some(_) => {}
            }
            let waiting = self.outbox.waiting(now).await?;
            let (admitted, refused) = self.admitted(waiting).await?;
            if !refused.is_empty() {
                self.outbox.hold(refused, now).await?;
                longest = PAUSE_WHILE_HELD;
            }
            let terms = Terms { now, leased_until: later(now, LEASE), give_up_at: later(now, PERSISTENCE) };
            let claims = self.outbox.claim(admitted, last.clone(), self.concurrency - carried.len(), terms).await?;
            for claim in claims {
                last.clone_from(&claim.namespace);
                let courier = self.clone();
                carried.spawn(async move { courier.carry(claim).await });
            }
        }
        Ok(longest)
    }

    /// Lets mails go on that were held, where they may; says whether none is held any more.
    async fn release(&self) -> Result<bool, Error> {
        let held = self.outbox.held().await?;
        if held.is_empty() {
            return Ok(true);
        }
        let (admitted, refused) = self.admitted(held).await?;
        if !admitted.is_empty() {
            self.outbox.release(admitted, self.clock.now_ms()).await?;
        }
        Ok(refused.is_empty())
    }

    /// Tells namespaces in which something may be done now from the others.
    async fn admitted(&self, namespaces: Vec<String>) -> Result<(Vec<String>, Vec<String>), Error> {
        let (mut admitted, mut refused) = (Vec::new(), Vec::new());
        for namespace in namespaces {
            // Callers whose namespaces have another form have no mails.
            let Some(known) = Namespace::parse(&namespace) else { continue };
            match self.standing.admit(&known).await {
                Ok(()) => admitted.push(namespace),
                Err(error) if error.code == Code::Forbidden => refused.push(namespace),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((admitted, refused))
    }

    /// One attempt.
    async fn carry(&self, claim: Claim) {
        let outcome = self.hold_while(&claim, self.attempt(&claim)).await;
        let settled = match outcome {
            Ok(Some(outcome)) => self.outbox.settle(&claim, outcome, self.clock.now_ms()).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            // Its lease ends, and it is tried again.
            tracing::error!(mail = claim.id, error = &error as &dyn std::error::Error, "a mail was left as it is");
        }
    }

    /// Renews the lease for as long as `work` takes.
    async fn hold_while<T>(&self, claim: &Claim, work: impl Future<Output = T>) -> T {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal.tick().await;
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = renewal.tick() => {
                    let until = later(self.clock.now_ms(), LEASE);
                    if let Err(error) = self.outbox.renew(claim, until).await {
                        tracing::warn!(mail = claim.id, error = &error as &dyn std::error::Error, "a lease was not renewed");
                    }
                }
            }
        }
    }

    /// Hands a mail over, and says how that ended; `None` where the mail is gone.
    async fn attempt(&self, claim: &Claim) -> Result<Option<Outcome>, Error> {
        let Some(letter) = self.outbox.load(claim).await? else { return Ok(None) };
        let (envelope, message) = match mime::compose(&claim.id, claim.created_at, letter) {
            Ok(composed) => composed,
            Err(error) => {
                tracing::error!(mail = claim.id, error = &error as &dyn std::error::Error, "a mail makes no message");
                return Ok(Some(Outcome::Dead { error: "it makes no message".to_owned() }));
            }
        };
        let sent = self.relay.send(&envelope, &message).await;
        let unreachable = sent.as_ref().is_err_and(|refusal| refusal.kind == RefusalKind::Unreachable);
        self.reachable.store(!unreachable, Relaxed);
        Ok(Some(match sent {
            Ok(()) => Outcome::Sent,
            Err(refusal) => self.after(claim, refusal),
        }))
    }

    fn after(&self, claim: &Claim, refusal: Refusal) -> Outcome {
        let Refusal { kind, text: error } = refusal;
        let again = next_attempt(claim.attempt, self.clock.now_ms(), claim.give_up_at);
        match again.filter(|_| kind != RefusalKind::Never) {
            Some(at) => Outcome::Again { at, error },
            None => Outcome::Dead { error },
        }
    }
}

fn later(now: u64, by: Duration) -> u64 {
    now.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}
