//! Events that came in, as their namespace sees them: listed, handed on once more.

use doer_core::{
    scope::Scope,
    service::{
        Page, ServiceError,
        webhooks::{Event, ListEventsOptions},
    },
};
use rusqlite::{OptionalExtension, Row, params_from_iter};
use serde_json::Value;

use super::{
    State, durable, from_word,
    lanes::{self, Kind},
    page, paged, stored, word_of,
};
use crate::Error;

/// Bytes of payloads in one page: it is shorter where they would be more.
const MAX_PAGE_BYTES: usize = 8 << 20;

const COLUMNS: &str = "id, lane, provider, event_id, event, status, attempts, last_error, created_at, body";

impl State {
    pub(super) async fn list_events(
        &self,
        scope: &Scope,
        options: ListEventsOptions,
    ) -> Result<Page<Event>, ServiceError> {
        let (limit, offset) = page(options.limit, options.offset)?;
        let mut condition = "namespace = ?".to_owned();
        let mut values = vec![scope.namespace.as_str().to_owned()];
        if let Some(source) = options.source_id {
            condition.push_str(" AND lane = ?");
            values.push(source);
        }
        if let Some(status) = options.status {
            condition.push_str(" AND status = ?");
            values.push(word_of(status));
        }
        let listed = self.database.read(move |connection| {
            let total = connection
                .prepare_cached(&format!("SELECT count(*) FROM events WHERE {condition}"))?
                .query_row(params_from_iter(&values), |row| row.get(0))?;
            let sql = format!(
                "SELECT {COLUMNS} FROM events WHERE {condition} ORDER BY id DESC LIMIT {limit} OFFSET {}",
                stored(offset)
            );
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            let (mut data, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let found = read(row)?;
                bytes += found.body.len();
                if bytes > MAX_PAGE_BYTES && !data.is_empty() {
                    break;
                }
                data.push(found.into_event()?);
            }
            Ok(paged(data, limit, offset, total))
        });
        Ok(listed.await?)
    }

    pub(super) async fn retry_event(&self, scope: &Scope, id: String) -> Result<Event, ServiceError> {
        durable(scope)?;
        let (namespace, now) = (scope.namespace.clone(), self.clock.now_ms());
        let retried = self.database.write(move |transaction| {
            let unknown = || Error::from(ServiceError::not_found("id: there is no such event"));
            let target = transaction
                .prepare_cached(
                    "SELECT sources.target IS NOT NULL FROM events JOIN sources ON sources.id = events.lane
                     WHERE events.id = ?1 AND events.namespace = ?2",
                )?
                .query_row([&id, namespace.as_str()], |row| row.get::<_, bool>(0))
                .optional()?;
            let refused = |status: &str| match (status, target) {
                ("pending", _) => Some("id: it is pending already"),
                (_, Some(false)) => Some("id: its source has no target"),
                _ => None,
            };
            lanes::retry(transaction, Kind::Event, &namespace, &id, refused, now)?.ok_or_else(unknown)?;
            let row = transaction
                .prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE id = ?1"))?
                .query_row([&id], read)
                .optional()?;
            row.ok_or_else(unknown)?.into_event()
        });
        let event = self.watched(retried.await)?;
        self.wake(Kind::Event).notify_one();
        Ok(event)
    }
}

/// A row before its words and its body are read.
struct Stored {
    id: String,
    source_id: String,
    provider: String,
    event_id: String,
    event: Option<String>,
    status: String,
    attempts: u32,
    last_error: Option<String>,
    received_at: i64,
    body: Vec<u8>,
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored {
        id: row.get(0)?,
        source_id: row.get(1)?,
        provider: row.get(2)?,
        event_id: row.get(3)?,
        event: row.get(4)?,
        status: row.get(5)?,
        attempts: row.get(6)?,
        last_error: row.get(7)?,
        received_at: row.get(8)?,
        body: row.get(9)?,
    })
}

impl Stored {
    fn into_event(self) -> Result<Event, Error> {
        Ok(Event {
            id: self.id,
            source_id: self.source_id,
            provider: from_word(self.provider, "events.provider")?,
            event_id: self.event_id,
            event: self.event,
            payload: payload(&self.body),
            status: from_word(self.status, "events.status")?,
            attempts: self.attempts,
            last_error: self.last_error,
            received_at: self.received_at.unsigned_abs(),
        })
    }
}

/// Parsed where it is JSON, else a string.
pub(super) fn payload(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
