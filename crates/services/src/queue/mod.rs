//! `queue`, embedded: messages in one SQLite file, delivered at least once.
//!
//! | file | idea |
//! |---|---|
//! | `schema` | how messages are kept |
//! | `check` | what callers may ask for |
//! | `send` | messages on their way in |
//! | `lease` | messages in somebody's hands |
//! | `list` | what can be told of them |
//! | `consumers` | which code a queue's messages go to |
//! | `work` | consumers at work |
//! | `trim` | what is forgotten |

mod check;
mod consumers;
mod lease;
mod list;
mod schema;
mod send;
mod trim;
mod work;

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    quota::Quotas,
    run::CodeRunner,
    scope::{Scope, Standing},
    service::{
        Code, Page, ServiceError,
        queue::{self as contract, Consumer, Count, Delivery, Job, Queue, Sent, SentBatch, Stats},
    },
    tier::Namespace,
    time::Clock,
};

pub(crate) use check::queue_name;
use check::{Draft, durable, within};
use consumers::Registered;
use lease::{Back, DeliveryId, Held};
use list::Listing;
use work::Hands;

use crate::{
    Backoff, Database, Error, Holder,
    alarm::Alarm,
    clockwork,
    group::Group,
    mine::Mine,
    slots::Slots,
    sqlite::{stored, stored_ms},
    tasks::Tasks,
};

/// How the queues of an installation behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long messages are remembered that are done, one way or the other.
    pub keep_finished: Duration,
    /// How many of them, for each namespace.
    pub keep_finished_count: u64,
    /// Bytes of their bodies, for each namespace.
    pub keep_finished_bytes: u64,
    /// Wait before a message that failed is delivered again.
    pub backoff: Backoff,
    /// How long a batch is a consumer's; renewed while it runs. After a crash its messages come back this late.
    pub lease: Duration,
    /// How long a consumer may run; what the tier allows where absent.
    pub timeout: Option<Duration>,
    /// Consumers that run at once.
    pub max_running: usize,
    /// The same, of one namespace.
    pub max_running_per_namespace: usize,
    /// Wait before a batch is delivered again that the server had no room for.
    pub uncounted_pause: Duration,
    /// How often an owner is looked at again who may run nothing at present.
    pub look_again: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_finished: Duration::from_secs(3 * 86_400),
            keep_finished_count: 100_000,
            keep_finished_bytes: 64 << 20,
            backoff: Backoff { first: Duration::from_secs(60), max: Duration::from_secs(3600) },
            lease: Duration::from_secs(30),
            timeout: None,
            max_running: 16,
            max_running_per_namespace: 4,
            uncounted_pause: Duration::from_secs(5),
            look_again: Duration::from_secs(30),
        }
    }
}

/// The queues of an installation.
pub struct EmbeddedQueue {
    store: Group,
    settings: Settings,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
    alarm: Alarm,
    slots: Slots<String>,
    /// What consumers are being called with.
    mine: Mine<DeliveryId>,
    hands: OnceLock<Hands>,
}

const MAX_BATCH: usize = 1000;
const MAX_VISIBILITY_SECONDS: u64 = 12 * 3600;
const MAX_TARGET_BYTES: usize = 256 << 10;

impl EmbeddedQueue {
    /// Opens `queue.db` in `dir`, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Newer`].
    pub fn open(
        dir: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
    ) -> Result<Arc<Self>, Error> {
        let database = Database::open(&dir.join("queue.db"), schema::MIGRATIONS)?;
        Ok(Arc::new(Self {
            store: Group::new(database),
            slots: Slots::new(settings.max_running, settings.max_running_per_namespace),
            alarm: Alarm::new(clock.clone()),
            mine: Mine::new(),
            hands: OnceLock::new(),
            settings,
            clock,
            quotas,
        }))
    }

    /// Says who runs consumers. Nothing runs by itself before [`Self::start`].
    pub fn connect(&self, standing: Arc<dyn Standing>, runner: Arc<dyn CodeRunner>) {
        // Whoever was named first stays: there is one of each in an installation.
        let _ = self.hands.set(Hands { standing, runner });
    }

    /// Runs consumers from now on, and forgets what was done long ago.
    pub fn start(self: &Arc<Self>, tasks: &Tasks, standing: Arc<dyn Standing>, runner: Arc<dyn CodeRunner>) {
        self.connect(standing, runner);
        clockwork::start(self.clone(), tasks);
        let queue = self.clone();
        tasks.supervise("queue trim", move |stopping| queue.clone().keep_trimmed(stopping));
    }

    fn now(&self) -> i64 {
        stored(self.clock.now_ms())
    }

    fn leased_until(&self, now: i64) -> i64 {
        now.saturating_add(stored_ms(self.settings.lease))
    }

    /// Makes ready what became due, so that what is told next is told of the present.
    async fn settle(&self) -> Result<(), Error> {
        let now = self.now();
        if self.store.database().read(lease::next_due).await?.is_some_and(|due| due <= now) {
            let (mine, until) = (self.mine.clone(), self.leased_until(now));
            self.store.write(move |transaction| lease::settle(transaction, &mine, until, now)).await?;
        }
        Ok(())
    }

    async fn accept(&self, scope: &Scope, queue: String, drafts: Vec<Draft>) -> Result<Vec<String>, ServiceError> {
        let quota = self.quotas.of(scope.tier, &scope.namespace);
        let (namespace, now) = (scope.namespace.as_str().to_owned(), self.now());
        let hops = scope.next_hop()?;
        let insert = self
            .store
            .write(move |transaction| send::insert(transaction, (&namespace, &queue), (&drafts, hops), &quota, now))
            .await?;
        self.alarm.ring();
        Ok(insert)
    }

    /// Does `fate` to those of `ids` that are in somebody's hands, and says how many they were.
    async fn decide(
        &self,
        scope: &Scope,
        ids: Vec<String>,
        fate: impl Fn(&rusqlite::Transaction<'_>, &Held, i64) -> Result<(), Error> + Send + 'static,
    ) -> Result<Count, ServiceError> {
        durable(scope)?;
        check::ids(&ids)?;
        let (namespace, now) = (scope.namespace.as_str().to_owned(), self.now());
        let decide = self.store.write(move |transaction| {
            let mut count = 0;
            for id in &ids {
                if let Some(held) = lease::find(transaction, &namespace, id, now)? {
                    fate(transaction, &held, now)?;
                    count += 1;
                }
            }
            Ok(Count { count })
        });
        let count = decide.await?;
        self.alarm.ring();
        Ok(count)
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn send(&self, scope: &Scope, params: contract::Send) -> Result<Sent, ServiceError> {
        durable(scope)?;
        queue_name("queue", &params.queue)?;
        let draft = Draft::new("message", &params.message, params.options.unwrap_or_default())?;
        let ids = self.accept(scope, params.queue, vec![draft]).await?;
        Ok(Sent { id: ids.into_iter().next().unwrap_or_default() })
    }

    async fn batch(&self, scope: &Scope, params: contract::Batch) -> Result<SentBatch, ServiceError> {
        durable(scope)?;
        queue_name("queue", &params.queue)?;
        if params.messages.len() > MAX_BATCH {
            let count = params.messages.len();
            return Err(ServiceError::invalid(format!("messages: has {count} entries and may have {MAX_BATCH}")));
        }
        let drafts = params.messages.iter().enumerate();
        let drafts = drafts.map(|(at, message)| Draft::new(&format!("messages[{at}]"), message, Default::default()));
        let ids = self.accept(scope, params.queue, drafts.collect::<Result<_, _>>()?).await?;
        Ok(SentBatch { ids })
    }

    async fn receive(&self, scope: &Scope, params: contract::Receive) -> Result<Vec<Delivery>, ServiceError> {
        durable(scope)?;
        queue_name("queue", &params.queue)?;
        let options = params.options.unwrap_or_default();
        let max = options.max.unwrap_or(1);
        within("options.max", max.into(), 1, 100)?;
        let visibility = options.visibility_seconds.unwrap_or(30);
        let visibility = within("options.visibilitySeconds", visibility, 1, MAX_VISIBILITY_SECONDS)?;

        let (namespace, queue, now) = (scope.namespace.as_str().to_owned(), params.queue, self.now());
        let (mine, leased_until) = (self.mine.clone(), self.leased_until(now));
        let take = self.store.write(move |transaction| {
            if consumers::exists(transaction, &namespace, &queue)? {
                let message = "queue: has a consumer, which its messages go to; remove it to receive them";
                return Err(ServiceError::new(Code::Conflict, message).into());
            }
            lease::settle(transaction, &mine, leased_until, now)?;
            lease::take(transaction, (&namespace, &queue), max, now.saturating_add(visibility * 1000))
        });
        let taken = take.await?;
        // The loop is to know when their time passes.
        self.alarm.ring();
        let deliveries = taken.into_iter().map(|message| {
            Ok(Delivery {
                receipt: message.receipt(),
                body: list::body(&message.body)?,
                id: message.id,
                attempts: message.attempts,
                timestamp: message.created_at.unsigned_abs(),
            })
        });
        Ok(deliveries.collect::<Result<_, Error>>()?)
    }

    async fn ack(&self, scope: &Scope, params: contract::Ack) -> Result<Count, ServiceError> {
        self.decide(scope, params.ids, lease::complete).await
    }

    async fn retry(&self, scope: &Scope, params: contract::Retry) -> Result<Count, ServiceError> {
        let back = match params.options.unwrap_or_default().delay_seconds {
            Some(seconds) => Back::After(check::delay_ms(seconds)?),
            None => Back::Backoff(self.settings.backoff),
        };
        let given_back = "It was given back by whoever received it";
        let fate = move |transaction: &rusqlite::Transaction<'_>, held: &Held, now| {
            lease::give_back(transaction, held, back, Some(given_back), now)
        };
        self.decide(scope, params.ids, fate).await
    }

    async fn get_job(&self, scope: &Scope, params: contract::GetJob) -> Result<Option<Job>, ServiceError> {
        self.settle().await?;
        let namespace = scope.namespace.as_str().to_owned();
        let read = self.store.database().read(move |connection| list::job(connection, &namespace, &params.id));
        Ok(read.await?)
    }

    async fn list_jobs(&self, scope: &Scope, params: contract::ListJobs) -> Result<Page<Job>, ServiceError> {
        let options = params.options.unwrap_or_default();
        let limit = options.limit.unwrap_or(100);
        within("options.limit", limit.into(), 1, 1000)?;
        if let Some(queue) = &options.queue {
            queue_name("options.queue", queue)?;
        }
        self.settle().await?;
        let (namespace, listing) = (scope.namespace.as_str().to_owned(), Listing::new(options, limit));
        Ok(self.store.database().read(move |connection| list::jobs(connection, &namespace, &listing)).await?)
    }

    async fn cancel_job(&self, scope: &Scope, params: contract::CancelJob) -> Result<bool, ServiceError> {
        durable(scope)?;
        let (namespace, now) = (scope.namespace.as_str().to_owned(), self.now());
        let cancel = self.store.write(move |transaction| {
            let sql = "UPDATE messages SET state = 5, finished_at = ?3 WHERE namespace = ?1 AND id = ?2 AND state < 3";
            Ok(transaction.prepare_cached(sql)?.execute(rusqlite::params![namespace, params.id, now])? > 0)
        });
        Ok(cancel.await?)
    }

    async fn get_stats(&self, scope: &Scope, params: contract::GetStats) -> Result<Vec<Stats>, ServiceError> {
        if let Some(queue) = &params.queue {
            queue_name("queue", queue)?;
        }
        self.settle().await?;
        let namespace = scope.namespace.as_str().to_owned();
        let read = self.store.database();
        Ok(read.read(move |connection| list::stats(connection, &namespace, params.queue.as_deref())).await?)
    }

    async fn set_consumer(&self, scope: &Scope, params: contract::SetConsumer) -> Result<Consumer, ServiceError> {
        durable(scope)?;
        queue_name("queue", &params.queue)?;
        let options = params.options.unwrap_or_default();
        let (max_batch, max_concurrency) = (options.max_batch.unwrap_or(10), options.max_concurrency.unwrap_or(1));
        within("options.maxBatch", max_batch.into(), 1, 100)?;
        within("options.maxConcurrency", max_concurrency.into(), 1, 10)?;
        self.check_target(scope, &params.target)?;
        let created_at = self.clock.now_ms();
        let consumer = Consumer { queue: params.queue, target: params.target, max_batch, max_concurrency, created_at };
        let registered = Registered { consumer, owner: scope.owner() };
        let most = self.quotas.of(scope.tier, &scope.namespace).consumers;
        let set = self.store.write(move |transaction| consumers::set(transaction, registered, most)).await?;
        self.alarm.ring();
        Ok(set)
    }

    async fn get_consumer(
        &self,
        scope: &Scope,
        params: contract::GetConsumer,
    ) -> Result<Option<Consumer>, ServiceError> {
        queue_name("queue", &params.queue)?;
        let namespace = scope.namespace.as_str().to_owned();
        let read = self.store.database();
        let found = read.read(move |connection| consumers::get(connection, &namespace, &params.queue)).await?;
        Ok(found.map(|registered| registered.consumer))
    }

    async fn remove_consumer(&self, scope: &Scope, params: contract::RemoveConsumer) -> Result<bool, ServiceError> {
        durable(scope)?;
        queue_name("queue", &params.queue)?;
        let namespace = scope.namespace.as_str().to_owned();
        let remove = self.store.write(move |transaction| consumers::remove(transaction, &namespace, &params.queue));
        Ok(remove.await?)
    }
}

#[async_trait]
impl Holder for EmbeddedQueue {
    fn name(&self) -> &'static str {
        "queue"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        self.delete_all(namespace).await
    }
}
