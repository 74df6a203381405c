//! `email`, embedded: mails are checked, kept in an outbox in SQLite, and carried to an SMTP server from there.

mod backoff;
mod check;
mod courier;
mod holds;
mod letter;
mod mime;
mod outbox;
mod relay;
mod senders;
mod settings;
mod templates;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    quota::Quotas,
    scope::{Scope, Standing},
    service::{
        Health, Page, ServiceError,
        email::{
            Accepted, Email, GetEmailStatus, GetTemplates, ListEmails, Mail, MailStatus, Recipients, Send, SendOptions,
            SendTemplate, Template,
        },
    },
    tier::Namespace,
    time::Clock,
};
use lettre::message::Mailbox;
use thiserror::Error;
use tokio::sync::Notify;

pub use self::settings::{Sender, Settings, Smtp, Tls};
use self::{
    courier::Courier,
    letter::Letter,
    outbox::{Allowance, Outbox},
    relay::Relay,
    senders::Senders,
    templates::Templates,
};
use crate::{Error as StoreError, Holder, tasks::Tasks};

/// Between two looks for what is no longer kept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);
const MAX_ID_BYTES: usize = 128;
const MAX_LIMIT: u32 = 1_000;

/// The service cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting makes no sense.
    #[error("email: {0}")]
    Setting(String),
    /// A template of the installation's own is wrong.
    #[error("the template {file}: {why}")]
    Template {
        /// Which.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Templates cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server's certificate could not be checked.
    #[error("email: no TLS is possible with the SMTP server")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl OpenError {
    fn setting(error: ServiceError) -> Self {
        Self::Setting(error.message.into_owned())
    }
}

/// The embedded `email`.
pub struct EmbeddedEmail {
    outbox: Outbox,
    senders: Senders,
    templates: Templates,
    relay: Option<Arc<Relay>>,
    clock: Arc<dyn Clock>,
    quotas: Arc<dyn Quotas>,
    settings: Settings,
    wake: Arc<Notify>,
    reachable: Arc<AtomicBool>,
}

impl EmbeddedEmail {
    /// Opens the outbox in `directory`, and makes it where there is none. Nothing is sent before [`Self::start`].
    ///
    /// # Errors
    /// [`OpenError`]: a database, settings or templates that cannot be used.
    pub fn open(
        directory: &Path,
        clock: Arc<dyn Clock>,
        quotas: Arc<dyn Quotas>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let senders = Senders::new(&settings)?;
        let templates = Templates::load(settings.templates_dir.as_deref())?;
        let relay = settings.smtp.as_ref().map(|smtp| Relay::new(smtp, settings.concurrency)).transpose();
        Ok(Self {
            outbox: Outbox::open(&directory.join("email.db"))?,
            senders,
            templates,
            relay: relay.map_err(OpenError::Tls)?.map(Arc::new),
            clock,
            quotas,
            settings,
            wake: Arc::default(),
            reachable: Arc::new(AtomicBool::new(true)),
        })
    }

    /// Starts what moves by itself: mails are sent, where there is a server for them and `standing` admits their
    /// namespace, and dropped once they have been kept long enough.
    pub fn start(&self, tasks: &Tasks, standing: Arc<dyn Standing>) {
        if let Some(relay) = &self.relay {
            let courier = Courier {
                outbox: self.outbox.clone(),
                relay: relay.clone(),
                clock: self.clock.clone(),
                standing,
                wake: self.wake.clone(),
                reachable: self.reachable.clone(),
                concurrency: self.settings.concurrency.max(1),
            };
            tasks.supervise("email outbox", move |stopping| courier.clone().run(stopping));
        }
        let sweeper = self.sweeper();
        tasks.supervise("email sweep", move |stopping| {
            let sweeper = sweeper.clone();
            async move {
                while !stopping.is_cancelled() {
                    if let Err(error) = sweeper.sweep().await {
                        tracing::error!(error = &error as &dyn std::error::Error, "old mails were not dropped");
                    }
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = tokio::time::sleep(SWEEP_INTERVAL) => {}
                    }
                }
            }
        });
    }

    /// Looks for mails that are due now, rather than when the next one was thought to be: for a clock that was set.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Drops what has been kept long enough. It is done every hour by itself.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.sweeper().sweep().await
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper {
            outbox: self.outbox.clone(),
            clock: self.clock.clone(),
            keep_sent: self.settings.keep_sent,
            keep_records: self.settings.keep_records,
        }
    }

    async fn accept(
        &self,
        scope: &Scope,
        from: &Mailbox,
        to: Recipients,
        (subject, body): (String, &str),
        options: SendOptions,
    ) -> Result<Accepted, ServiceError> {
        let letter = Letter::new(from, to, subject, body, options)?;
        let allowance = Allowance {
            mails_per_day: self.quotas.of(scope.tier, &scope.namespace).mails_per_day,
            bytes: self.settings.outbox_bytes,
        };
        let now = self.clock.now_ms();
        let id = new_id(now)?;
        self.outbox.accept(&scope.namespace, id.clone(), letter, now, allowance).await?;
        self.wake.notify_one();
        Ok(Accepted { id, status: MailStatus::Queued })
    }
}

#[async_trait]
impl Email for EmbeddedEmail {
    async fn send(&self, scope: &Scope, params: Send) -> Result<Accepted, ServiceError> {
        durable(scope)?;
        let options = params.options.unwrap_or_default();
        let from = self.senders.pick(&scope.namespace, options.from.as_deref())?;
        self.accept(scope, &from, params.to, (params.subject, &params.body), options).await
    }

    async fn send_template(&self, scope: &Scope, params: SendTemplate) -> Result<Accepted, ServiceError> {
        durable(scope)?;
        let rendered = self.templates.render(&params.template, params.data)?;
        let from = self.senders.pick(&scope.namespace, None)?;
        let options = SendOptions { html: rendered.html, ..SendOptions::default() };
        self.accept(scope, &from, params.to, (rendered.subject, &rendered.text), options).await
    }

    async fn get_email_status(&self, scope: &Scope, params: GetEmailStatus) -> Result<Option<Mail>, ServiceError> {
        if params.id.is_empty() || params.id.len() > MAX_ID_BYTES {
            return Err(ServiceError::invalid(format!("id: must have 1 to {MAX_ID_BYTES} bytes")));
        }
        Ok(self.outbox.find(&scope.namespace, params.id).await?)
    }

    async fn list_emails(&self, scope: &Scope, params: ListEmails) -> Result<Page<Mail>, ServiceError> {
        let options = params.options.unwrap_or_default();
        if options.limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            return Err(ServiceError::invalid(format!("options.limit: must be from 1 to {MAX_LIMIT}")));
        }
        Ok(self.outbox.list(&scope.namespace, options).await?)
    }

    async fn get_templates(&self, _: &Scope, _: GetTemplates) -> Result<Vec<Template>, ServiceError> {
        Ok(self.templates.list())
    }

    /// Degraded while the SMTP server cannot be spoken to.
    fn health(&self) -> Health {
        if self.reachable.load(Relaxed) { Health::Ok } else { Health::Degraded }
    }
}

#[async_trait]
impl Holder for EmbeddedEmail {
    fn name(&self) -> &'static str {
        "email"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), StoreError> {
        self.outbox.forget(namespace).await
    }
}

/// Drops what has been kept long enough.
#[derive(Clone)]
struct Sweeper {
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    keep_sent: Duration,
    keep_records: Duration,
}

impl Sweeper {
    async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = |kept: Duration| u64::try_from(now.saturating_sub(kept).as_millis()).unwrap_or(u64::MAX);
        self.outbox.trim(before(self.keep_sent), before(self.keep_sent + self.keep_records)).await
    }
}

fn durable(scope: &Scope) -> Result<(), ServiceError> {
    if scope.is_durable() {
        return Ok(());
    }
    Err(ServiceError::forbidden("Anonymous callers have no durable storage"))
}

/// `mail_` and a UUID (version 7) of the service's own clock.
fn new_id(now: u64) -> Result<String, ServiceError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| ServiceError::internal(StoreError::Random(error)))?;
    Ok(format!("mail_{}", uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid().simple()))
}
