//! What providers send: verified, and kept once per event.

use bytes::Bytes;
use doer_core::{
    scope::{Owner, Scope},
    service::{ServiceError, webhooks::Provider},
    tier::Namespace,
};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    EmbeddedWebhooks, State, from_json, from_word,
    lanes::{self, Kind},
    new_id,
    signature::{self, Headers},
    sources, stored, trim, word_of,
};
use crate::Error;

/// Characters of an event's id or name; a longer id is kept as its hash, a longer name not at all.
const MAX_NAME_CHARS: usize = 256;

/// An event that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Our id of it.
    pub id: String,
    /// It had come before; nothing was written.
    pub duplicate: bool,
}

/// Why a request was not taken.
#[derive(Debug, Error)]
pub enum Refused {
    /// No such source, or it is not signed, not rightly, or not lately: which of them is not told.
    #[error("The webhook cannot be verified")]
    Unverified,
    /// The body is too large.
    #[error("The body of a webhook must be at most {max_bytes} bytes")]
    TooLarge {
        /// What would do.
        max_bytes: usize,
    },
    /// The namespace has as much as it may have that is not done. The provider should try again.
    #[error("{0}")]
    Full(ServiceError),
    /// Nothing may be done in the namespace at present.
    #[error("The namespace is suspended")]
    Suspended,
    /// Our own failure. The provider should try again.
    #[error("Internal error")]
    Failed(#[source] ServiceError),
}

impl Refused {
    /// The HTTP status that goes with it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unverified => 401,
            Self::TooLarge { .. } => 413,
            // Not the 403 of a caller's own quota: providers try again after this one.
            Self::Full(_) => 429,
            Self::Suspended => 403,
            Self::Failed(_) => 500,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(full) => Self::Full(full),
            failure => Self::Failed(failure.into()),
        }
    }
}

impl EmbeddedWebhooks {
    /// Takes what came to `POST /webhooks/{provider}/{endpoint}`. `body` is what was sent, to the byte; `ip` is for the
    /// log. An event that came before is taken again without a trace.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn receive(
        &self,
        provider: &str,
        endpoint: &str,
        headers: &[(String, String)],
        body: Bytes,
        ip: Option<&str>,
    ) -> Result<Received, Refused> {
        let received = self.0.receive(provider, endpoint, &Headers(headers), body).await;
        match &received {
            Ok(_) => {}
            Err(Refused::Failed(error)) => {
                tracing::error!(provider, endpoint, error = error as &dyn std::error::Error, "a webhook failed");
            }
            Err(refused) => tracing::debug!(provider, endpoint, ip, %refused, "a webhook was refused"),
        }
        received
    }
}

/// A source, as far as it is needed here.
struct Found {
    id: String,
    namespace: String,
    secret: Vec<u8>,
    owner: String,
    has_target: bool,
}

impl State {
    async fn receive(
        &self,
        provider: &str,
        endpoint: &str,
        headers: &Headers<'_>,
        body: Bytes,
    ) -> Result<Received, Refused> {
        if body.len() > self.settings.max_event_bytes {
            return Err(Refused::TooLarge { max_bytes: self.settings.max_event_bytes });
        }
        let provider: Provider = from_word(provider.to_owned(), "provider").map_err(|_: Error| Refused::Unverified)?;
        let now = self.clock.now_ms();
        let source = self.source(provider, endpoint).await?;
        let key = match &source {
            Some(source) => self.sealer.open(&source.secret, &sources::purpose(&source.namespace, &source.id))?,
            // Checked all the same, so that the time taken does not tell which sources there are.
            None => Vec::new(),
        };
        let verified = signature::verify(provider, &key, headers, &body, now, self.settings.tolerance);
        let source = source.filter(|_| verified).ok_or(Refused::Unverified)?;

        let owner: Owner = from_json(&source.owner, "sources.owner")?;
        let Some(scope) = self.standing.scope(&owner).await.map_err(Refused::Failed)? else {
            return Err(Refused::Suspended);
        };
        self.keep(provider, source, &scope, headers, body, now).await
    }

    async fn source(&self, provider: Provider, endpoint: &str) -> Result<Option<Found>, Error> {
        let endpoint = endpoint.to_owned();
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id, namespace, secret, owner, target IS NOT NULL FROM sources
                     WHERE provider = ?1 AND endpoint = ?2",
                )?;
                let found = statement.query_row(params![word_of(provider), endpoint], |row| {
                    Ok(Found {
                        id: row.get(0)?,
                        namespace: row.get(1)?,
                        secret: row.get(2)?,
                        owner: row.get(3)?,
                        has_target: row.get(4)?,
                    })
                });
                Ok(found.optional()?)
            })
            .await
    }

    /// Keeps an event, unless it is there already.
    async fn keep(
        &self,
        provider: Provider,
        source: Found,
        scope: &Scope,
        headers: &Headers<'_>,
        body: Bytes,
        now_ms: u64,
    ) -> Result<Received, Refused> {
        let (event_id, event) = names(provider, headers, &body);
        let (quota, most) = (self.quota(scope), self.settings.max_open_bytes);
        let (namespace, keep): (Namespace, _) = (scope.namespace.clone(), self.kept());
        let kept = self.database.write(move |transaction| {
            let known: Option<String> = transaction
                .prepare_cached("SELECT id FROM events WHERE lane = ?1 AND event_id = ?2")?
                .query_row([&source.id, &event_id], |row| row.get(0))
                .optional()?;
            if let Some(id) = known {
                return Ok(Received { id, duplicate: true });
            }
            let bytes = body.len() as u64;
            if source.has_target {
                lanes::admit(transaction, &namespace, Kind::Event, 1, bytes, &quota, most)?;
            }
            let id = new_id("evt");
            let (status, due_at, finished_at) = match source.has_target {
                true => ("pending", Some(stored(now_ms)), None),
                false => (Kind::Event.done(), None, Some(stored(now_ms))),
            };
            transaction
                .prepare_cached(
                    "INSERT INTO events (id, namespace, lane, provider, event_id, event, status, due_at, created_at,
                                         finished_at, bytes, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    id,
                    source.namespace,
                    source.id,
                    word_of(provider),
                    event_id,
                    event,
                    status,
                    due_at,
                    stored(now_ms),
                    finished_at,
                    stored(bytes),
                    body.as_ref()
                ])?;
            lanes::refresh(transaction, Kind::Event, &source.id)?;
            trim::forget_finished(transaction, Kind::Event, &source.namespace, keep, trim::AT_ONCE)?;
            Ok(Received { id, duplicate: false })
        });
        let received = self.watched(kept.await)?;
        self.wake(Kind::Event).notify_one();
        Ok(received)
    }
}

/// The provider's id of an event, and what it calls it.
///
/// The ids of GitHub and of generic sources stand in headers that are not signed: whoever has captured a request can
/// send it again under another id, within the tolerance where the time is signed, and for as long as the secret holds
/// at GitHub's.
fn names(provider: Provider, headers: &Headers<'_>, body: &[u8]) -> (String, Option<String>) {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let member = |name: &str| parsed.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let header = |name| headers.get(name).map(str::to_owned);
    let (id, event) = match provider {
        Provider::Stripe => (member("id"), member("type")),
        Provider::Github => (header("x-github-delivery"), header("x-github-event")),
        Provider::Svix => (header("svix-id"), member("type").or_else(|| member("event_type"))),
        Provider::Standard => (header("webhook-id"), member("type")),
        Provider::Workos => (member("id"), member("event")),
        Provider::Hmac => (header("x-event-id"), member("type")),
    };
    let short = |text: &String| !text.is_empty() && text.chars().count() <= MAX_NAME_CHARS;
    let id = match id {
        Some(id) if short(&id) => id,
        Some(id) if !id.is_empty() => hash(&[id.as_bytes()]),
        _ => hash(&[headers.get("x-timestamp").unwrap_or_default().as_bytes(), b".", body]),
    };
    (id, event.filter(short))
}

fn hash(parts: &[&[u8]]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    format!("sha256:{}", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(provider: Provider, list: &[(&str, &str)], body: &str) -> (String, Option<String>) {
        let list: Vec<_> = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        names(provider, &Headers(&list), body.as_bytes())
    }

    fn some(id: &str, event: &str) -> (String, Option<String>) {
        (id.to_owned(), Some(event.to_owned()))
    }

    #[test]
    fn each_provider_names_its_events_in_its_own_place() {
        let body = r#"{"id":"evt_1","type":"invoice.paid","event":"user.created","event_type":"ping"}"#;
        assert_eq!(named(Provider::Stripe, &[], body), some("evt_1", "invoice.paid"));
        assert_eq!(named(Provider::Workos, &[], body), some("evt_1", "user.created"));
        let github = [("X-GitHub-Delivery", "72d3162e"), ("X-GitHub-Event", "push")];
        assert_eq!(named(Provider::Github, &github, body), some("72d3162e", "push"));
        assert_eq!(named(Provider::Svix, &[("Svix-Id", "msg_1")], r#"{"event_type":"ping"}"#), some("msg_1", "ping"));
        assert_eq!(named(Provider::Standard, &[("webhook-id", "msg_1")], body), some("msg_1", "invoice.paid"));
        assert_eq!(named(Provider::Hmac, &[("X-Event-Id", "7")], "text"), ("7".to_owned(), None));
    }

    #[test]
    fn what_has_no_id_is_known_by_time_and_content() {
        let at = |timestamp, body| named(Provider::Hmac, &[("X-Timestamp", timestamp)], body).0;
        assert!(at("1", "body").starts_with("sha256:"));
        assert_eq!(at("1", "body"), at("1", "body"));
        assert_ne!(at("1", "body"), at("2", "body"));
        assert_ne!(at("1", "body"), at("1", "Body"));
    }

    #[test]
    fn long_ids_are_hashed_and_long_names_dropped() {
        let long = "ä".repeat(MAX_NAME_CHARS + 1);
        let (id, event) = named(Provider::Github, &[("X-GitHub-Delivery", &long), ("X-GitHub-Event", &long)], "{}");
        assert_eq!((id.len(), event), ("sha256:".len() + 64, None));
        let edge = "ä".repeat(MAX_NAME_CHARS);
        assert_eq!(named(Provider::Github, &[("X-GitHub-Delivery", &edge)], "{}").0, edge);
    }
}
