//! Endpoints: URLs that a namespace's events are sent to.

use doer_core::{
    scope::Scope,
    service::{
        ServiceError,
        webhooks::{CreatedEndpoint, Endpoint, NewEndpoint},
    },
    tier::Namespace,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    State, durable, from_json,
    lanes::{self, Kind},
    new_id, signature, stored, to_json,
};
use crate::Error;

/// Filters of one endpoint.
const MAX_FILTERS: usize = 100;
/// Bytes of an event's name.
const MAX_EVENT_BYTES: usize = 128;
/// Bytes of a signing key.
const KEY_BYTES: usize = 32;

impl State {
    pub(super) async fn create_endpoint(
        &self,
        scope: &Scope,
        new: NewEndpoint,
    ) -> Result<CreatedEndpoint, ServiceError> {
        durable(scope)?;
        self.check_url("endpoint.url", &new.url)?;
        check_filters(&new.events)?;

        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(Error::Random)?;
        let endpoint = Endpoint { id: new_id("ep"), url: new.url, events: new.events, created_at: self.clock.now_ms() };
        let sealed = self.sealer.seal(&key, &purpose(scope.namespace.as_str(), &endpoint.id))?;
        let (row, owner) = (endpoint.clone(), to_json(&scope.owner(), "endpoints.owner")?);
        let (namespace, most) = (scope.namespace.clone(), self.quota(scope).endpoints);
        let created = self.database.write(move |transaction| {
            let count: i64 = transaction.query_row(
                "SELECT count(*) FROM endpoints WHERE namespace = ?1",
                [namespace.as_str()],
                |row| row.get(0),
            )?;
            if count.unsigned_abs() >= most {
                return Err(ServiceError::quota(format!("Webhook endpoints: at most {most}")).into());
            }
            transaction.execute(
                "INSERT INTO endpoints (id, namespace, url, events, owner, secret, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    row.id,
                    namespace.as_str(),
                    row.url,
                    to_json(&row.events, "endpoints.events")?,
                    owner,
                    sealed,
                    stored(row.created_at)
                ],
            )?;
            Ok(())
        });
        self.watched(created.await)?;
        Ok(CreatedEndpoint { secret: signature::shown(&key), endpoint })
    }

    pub(super) async fn list_endpoints(&self, scope: &Scope) -> Result<Vec<Endpoint>, ServiceError> {
        let namespace = scope.namespace.clone();
        Ok(self.database.read(move |connection| endpoints_of(connection, &namespace)).await?)
    }

    /// Deletes an endpoint or a source; what stands before it is given up.
    pub(super) async fn delete_lane(&self, scope: &Scope, kind: Kind, id: String) -> Result<bool, ServiceError> {
        loop {
            let (namespace, id, now) = (scope.namespace.clone(), id.clone(), self.clock.now_ms());
            let closed = self.database.write(move |transaction| {
                let sql = format!("SELECT 1 FROM {} WHERE id = ?1 AND namespace = ?2", kind.lanes());
                let known = transaction.query_row(&sql, [&id, namespace.as_str()], |_| Ok(())).optional()?;
                match known {
                    Some(()) => lanes::close(transaction, kind, &id, now).map(Some),
                    None => Ok(None),
                }
            });
            match self.watched(closed.await)? {
                Some(false) => {}
                closed => return Ok(closed.is_some()),
            }
        }
    }
}

/// What a sealed secret of an endpoint is bound to.
pub(super) fn purpose(namespace: &str, id: &str) -> String {
    format!("webhooks/endpoint/{namespace}/{id}")
}

/// The endpoints of a namespace, the oldest first.
pub(super) fn endpoints_of(connection: &Connection, namespace: &Namespace) -> Result<Vec<Endpoint>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT id, url, events, created_at FROM endpoints WHERE namespace = ?1 ORDER BY id")?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?));
    let rows = statement.query_map([namespace.as_str()], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter()
        .map(|(id, url, events, created_at)| {
            let events = from_json(&events, "endpoints.events")?;
            Ok(Endpoint { id, url, events, created_at: created_at.unsigned_abs() })
        })
        .collect()
}

/// Does one of the filters want the event?
pub(super) fn wants(filters: &[String], event: &str) -> bool {
    filters.iter().any(|filter| match filter.strip_suffix('*') {
        // `invoice.*`, without its star, ends with the dot: `invoices.paid` is not among it.
        Some(start) => event.starts_with(start),
        None => filter == event,
    })
}

/// Is it a name of an event?
pub(super) fn is_event_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    name.len() <= MAX_EVENT_BYTES && name.split('.').all(plain)
}

fn check_filters(filters: &[String]) -> Result<(), ServiceError> {
    if filters.is_empty() || filters.len() > MAX_FILTERS {
        return Err(ServiceError::invalid(format!("endpoint.events: must have 1 to {MAX_FILTERS} entries")));
    }
    let known = |filter: &String| filter == "*" || is_event_name(filter.strip_suffix(".*").unwrap_or(filter));
    match filters.iter().position(|filter| !known(filter)) {
        Some(number) => Err(ServiceError::invalid(format!(
            "endpoint.events[{number}]: must be *, a name like invoice.paid, or one that ends with .* like invoice.*"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(filters: &[&str]) -> Vec<String> {
        filters.iter().map(|filter| (*filter).to_owned()).collect()
    }

    #[test]
    fn filters_want_names_beginnings_or_everything() {
        assert!(wants(&list(&["*"]), "anything"));
        assert!(wants(&list(&["user.created", "invoice.*"]), "invoice.paid.late"));
        assert!(!wants(&list(&["invoice.*"]), "invoices.paid"));
        assert!(!wants(&list(&["invoice.*"]), "invoice"));
        assert!(!wants(&list(&["invoice"]), "invoice.paid"));
    }

    #[test]
    fn filters_are_names_or_beginnings() {
        assert!(check_filters(&list(&["*", "a.b-c_1", "a.b.*"])).is_ok());
        for wrong in ["", "a*", "*.a", "a..b", ".*", "a b", "a.*.b", "**"] {
            assert!(check_filters(&list(&[wrong])).is_err(), "{wrong}");
        }
        assert!(check_filters(&[]).is_err());
        assert!(check_filters(&vec!["a".to_owned(); MAX_FILTERS]).is_ok());
        assert!(check_filters(&vec!["a".to_owned(); MAX_FILTERS + 1]).is_err());
        assert!(is_event_name(&"a".repeat(MAX_EVENT_BYTES)) && !is_event_name(&"a".repeat(MAX_EVENT_BYTES + 1)));
    }
}
