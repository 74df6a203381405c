//! Deliveries as their namespace sees them: sent, listed, tried again.

use chrono::{DateTime, SecondsFormat};
use doer_core::{
    scope::Scope,
    service::{
        Page, ServiceError,
        webhooks::{Delivery, ListDeliveriesOptions, Send},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use serde_json::Value;

use super::{
    State, durable, endpoints, from_word,
    lanes::{self, Kind},
    new_id, page, paged, stored, word_of,
};
use crate::Error;

/// Bytes of a payload.
const MAX_PAYLOAD_BYTES: usize = 256 << 10;

const COLUMNS: &str =
    "id, lane, event, status, attempts, last_status, last_error, iif(leased, NULL, due_at), created_at,
    iif(status = 'delivered', finished_at, NULL)";

/// What endpoints get, as Standard Webhooks has it.
#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    timestamp: String,
    data: &'a Value,
}

impl State {
    pub(super) async fn send(&self, scope: &Scope, params: Send) -> Result<Vec<String>, ServiceError> {
        durable(scope)?;
        if !endpoints::is_event_name(&params.event) {
            let message = "event: must be 1 to 128 letters, digits, _ or -, in parts separated by dots";
            return Err(ServiceError::invalid(message));
        }
        let now = self.clock.now_ms();
        let body = message(&params, now)?;
        let (namespace, quota, most) = (scope.namespace.clone(), self.quota(scope), self.settings.max_open_bytes);
        let sent = self.database.write(move |transaction| {
            let mut wanting = endpoints::endpoints_of(transaction, &namespace)?;
            wanting.retain(|endpoint| endpoints::wants(&endpoint.events, &params.event));
            let (count, bytes) = (wanting.len() as u64, body.len() as u64);
            lanes::admit(transaction, &namespace, Kind::Delivery, count, count * bytes, &quota, most)?;
            let mut ids = Vec::with_capacity(wanting.len());
            for endpoint in wanting {
                let id = new_id("msg");
                transaction
                    .prepare_cached(
                        "INSERT INTO deliveries (id, namespace, lane, event, status, due_at, created_at, bytes, body)
                         VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?5, ?6, ?7)",
                    )?
                    .execute(params![
                        id,
                        namespace.as_str(),
                        endpoint.id,
                        params.event,
                        stored(now),
                        stored(bytes),
                        body
                    ])?;
                lanes::refresh(transaction, Kind::Delivery, &endpoint.id)?;
                ids.push(id);
            }
            Ok(ids)
        });
        let ids = self.watched(sent.await)?;
        self.wake(Kind::Delivery).notify_one();
        Ok(ids)
    }

    pub(super) async fn list_deliveries(
        &self,
        scope: &Scope,
        options: ListDeliveriesOptions,
    ) -> Result<Page<Delivery>, ServiceError> {
        let (limit, offset) = page(options.limit, options.offset)?;
        let mut condition = "namespace = ?".to_owned();
        let mut values = vec![scope.namespace.as_str().to_owned()];
        if let Some(endpoint) = options.endpoint_id {
            condition.push_str(" AND lane = ?");
            values.push(endpoint);
        }
        if let Some(status) = options.status {
            condition.push_str(" AND status = ?");
            values.push(word_of(status));
        }
        let listed = self.database.read(move |connection| {
            let total = connection
                .prepare_cached(&format!("SELECT count(*) FROM deliveries WHERE {condition}"))?
                .query_row(params_from_iter(&values), |row| row.get(0))?;
            let sql = format!(
                "SELECT {COLUMNS} FROM deliveries WHERE {condition} ORDER BY id DESC LIMIT {limit} OFFSET {}",
                stored(offset)
            );
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), read)?.collect::<Result<Vec<_>, _>>()?;
            let data = rows.into_iter().map(Stored::into_delivery).collect::<Result<_, _>>()?;
            Ok(paged(data, limit, offset, total))
        });
        Ok(listed.await?)
    }

    pub(super) async fn retry_delivery(&self, scope: &Scope, id: String) -> Result<Delivery, ServiceError> {
        durable(scope)?;
        let (namespace, now) = (scope.namespace.clone(), self.clock.now_ms());
        let retried = self.database.write(move |transaction| {
            let refused = |status: &str| match status {
                "pending" => Some("id: it is pending already"),
                "delivered" => Some("id: it was delivered"),
                _ => None,
            };
            match lanes::retry(transaction, Kind::Delivery, &namespace, &id, refused, now)? {
                Some(()) => one(transaction, &id),
                None => Err(ServiceError::not_found("id: there is no such delivery").into()),
            }
        });
        let delivery = self.watched(retried.await)?;
        self.wake(Kind::Delivery).notify_one();
        Ok(delivery)
    }
}

/// The body that endpoints get.
fn message(params: &Send, now_ms: u64) -> Result<Vec<u8>, ServiceError> {
    let payload = serde_json::to_vec(&params.payload).map_err(ServiceError::internal)?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(ServiceError::invalid(format!("payload: must be at most {MAX_PAYLOAD_BYTES} bytes as JSON")));
    }
    let time = DateTime::from_timestamp_millis(stored(now_ms)).unwrap_or_default();
    let timestamp = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let message = Message { r#type: &params.event, timestamp, data: &params.payload };
    serde_json::to_vec(&message).map_err(ServiceError::internal)
}

fn one(connection: &Connection, id: &str) -> Result<Delivery, Error> {
    let row = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?1"))?
        .query_row([id], read)
        .optional()?;
    row.ok_or_else(|| Error::from(ServiceError::not_found("id: there is no such delivery")))?.into_delivery()
}

/// A row before its words are read.
struct Stored(Delivery, String);

impl Stored {
    fn into_delivery(self) -> Result<Delivery, Error> {
        Ok(Delivery { status: from_word(self.1, "deliveries.status")?, ..self.0 })
    }
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::unsigned_abs));
    let delivery = Delivery {
        id: row.get(0)?,
        endpoint_id: row.get(1)?,
        event: row.get(2)?,
        status: doer_core::service::webhooks::DeliveryStatus::Pending,
        attempts: row.get(4)?,
        last_status: row.get(5)?,
        last_error: row.get(6)?,
        next_attempt_at: time(7)?,
        created_at: time(8)?.unwrap_or_default(),
        delivered_at: time(9)?,
    };
    Ok(Stored(delivery, row.get(3)?))
}
