//! One attempt to hand an event on to its source's target, on behalf of whoever registered the source.

use doer_core::{run::Target, scope::Owner, service::webhooks::Provider};
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;
use serde_json::Value;

use super::{State, events, from_json, from_word, lanes::Claim, worker::Outcome};
use crate::Error;

/// What a target gets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Handed {
    id: String,
    provider: Provider,
    endpoint: String,
    event_id: String,
    event: Option<String>,
    payload: Value,
    received_at: u64,
}

/// What an attempt needs.
struct Found {
    provider: String,
    endpoint: String,
    event_id: String,
    event: Option<String>,
    body: Vec<u8>,
    received_at: i64,
    owner: String,
    target: Option<String>,
}

impl State {
    pub(super) async fn hand_on(&self, claim: &Claim) -> Result<Outcome, Error> {
        let id = claim.id.clone();
        let found = self.database.read(move |connection| {
            let sql = "SELECT events.provider, sources.endpoint, events.event_id, events.event, events.body,
                              events.created_at, sources.owner, sources.target
                       FROM events JOIN sources ON sources.id = events.lane WHERE events.id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([&id], read).optional()?)
        });
        let Some(found) = found.await? else { return Ok(Outcome::failed("the source was deleted")) };
        let Some(target) = found.target else { return Ok(Outcome::Done(None)) };

        let target: Target = from_json(&target, "sources.target")?;
        let owner: Owner = from_json(&found.owner, "sources.owner")?;
        let Some(scope) = self.standing.scope(&owner).await? else {
            return Ok(Outcome::Held(
                "not handed on: the namespace is suspended, or who registered the source is gone",
            ));
        };
        let handed = Handed {
            id: claim.id.clone(),
            provider: from_word(found.provider, "events.provider")?,
            endpoint: found.endpoint,
            event_id: found.event_id,
            event: found.event,
            payload: events::payload(&found.body),
            received_at: found.received_at.unsigned_abs(),
        };
        let handed = serde_json::to_value(handed).map_err(|source| Error::Damaged { column: "events", source })?;
        let timeout = self.settings.hand_on_timeout;
        Ok(match tokio::time::timeout(timeout, self.dispatch.run(&scope, &target, handed)).await {
            Ok(Ok(())) => Outcome::Done(None),
            Ok(Err(error)) if error.counts => Outcome::failed(error.message),
            Ok(Err(error)) => Outcome::NotNow(error.message),
            Err(_) => Outcome::failed(format!("the target did not end within {} ms", timeout.as_millis())),
        })
    }
}

fn read(row: &Row<'_>) -> Result<Found, rusqlite::Error> {
    Ok(Found {
        provider: row.get(0)?,
        endpoint: row.get(1)?,
        event_id: row.get(2)?,
        event: row.get(3)?,
        body: row.get(4)?,
        received_at: row.get(5)?,
        owner: row.get(6)?,
        target: row.get(7)?,
    })
}
