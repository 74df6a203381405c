//! Work that stands in lanes: deliveries before their endpoint, events before their source. Whoever wants to do some
//! claims it for a while; what becomes of it is recorded by whoever still has the claim, or it is done again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use doer_core::{quota::Quota, service::ServiceError, tier::Namespace};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::{Concurrency, stored};
use crate::Error;

/// Which work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delivery,
    Event,
}

impl Kind {
    /// Its table.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Delivery => "deliveries",
            Self::Event => "events",
        }
    }

    /// The table of its lanes.
    pub(super) const fn lanes(self) -> &'static str {
        match self {
            Self::Delivery => "endpoints",
            Self::Event => "sources",
        }
    }

    /// The status of what went well.
    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Delivery => "delivered",
            Self::Event => "processed",
        }
    }
}

/// A right to do one piece of work, until its lease ends.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) lane: String,
    pub(super) namespace: String,
    /// Number of this attempt, counted from one.
    pub(super) attempt: u32,
    /// Held while the work is done.
    slot: Slot,
}

impl Claim {
    /// Leaves the whole lane alone until then: nothing in it can be done now.
    pub(super) fn rest_lane(&self, until_ms: u64) {
        let mut busy = self.slot.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.resting.insert(self.lane.clone(), until_ms);
    }
}

/// What is being done right now.
#[derive(Debug, Default)]
pub(super) struct Busy {
    in_all: usize,
    lanes: HashMap<String, usize>,
    namespaces: HashMap<String, usize>,
    /// Lanes that are left alone until then.
    resting: HashMap<String, u64>,
}

/// A place among what is done at once; given back when dropped, after a panic too.
#[derive(Debug)]
struct Slot {
    busy: Arc<Mutex<Busy>>,
    lane: String,
    namespace: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.in_all -= 1;
        let busy = &mut *busy;
        for (counts, key) in [(&mut busy.lanes, &self.lane), (&mut busy.namespaces, &self.namespace)] {
            match counts.get_mut(key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(counts.remove(key)),
            }
        }
    }
}

impl Busy {
    /// How much more of a lane may be begun.
    fn room(&self, lane: &str, namespace: &str, limits: Concurrency) -> usize {
        let used = |counts: &HashMap<String, usize>, key| counts.get(key).copied().unwrap_or_default();
        limits
            .in_all
            .saturating_sub(self.in_all)
            .min(limits.per_lane.saturating_sub(used(&self.lanes, lane)))
            .min(limits.per_namespace.saturating_sub(used(&self.namespaces, namespace)))
    }

    fn take(shared: &Arc<Mutex<Self>>, lane: &str, namespace: &str) -> Slot {
        let mut busy = shared.lock().unwrap_or_else(PoisonError::into_inner);
        busy.in_all += 1;
        *busy.lanes.entry(lane.to_owned()).or_default() += 1;
        *busy.namespaces.entry(namespace.to_owned()).or_default() += 1;
        Slot { busy: shared.clone(), lane: lane.to_owned(), namespace: namespace.to_owned() }
    }

    /// When the next lane has rested.
    pub(super) fn next_rested(&self) -> Option<u64> {
        self.resting.values().copied().min()
    }

    /// Keys that have come to their limit.
    fn full(counts: &HashMap<String, usize>, limit: usize) -> impl Iterator<Item = &str> {
        counts.iter().filter(move |(_, count)| **count >= limit).map(|(key, _)| key.as_str())
    }
}

/// Claims what is due and has room, the lanes that waited longest for their turn first.
pub(super) fn claim(
    transaction: &Transaction<'_>,
    kind: Kind,
    busy: &Arc<Mutex<Busy>>,
    limits: Concurrency,
    now_ms: u64,
    lease_ms: u64,
) -> Result<Vec<Claim>, Error> {
    let (free, full_lanes, full_namespaces) = {
        let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.resting.retain(|_, until| *until > now_ms);
        let free = limits.in_all.saturating_sub(busy.in_all);
        let resting = busy.resting.keys().map(String::as_str);
        let lanes = Value::from_iter(Busy::full(&busy.lanes, limits.per_lane).chain(resting));
        let namespaces = Value::from_iter(Busy::full(&busy.namespaces, limits.per_namespace));
        (free, lanes.to_string(), namespaces.to_string())
    };
    let lanes: Vec<(String, String)> = transaction
        .prepare_cached(&format!(
            "SELECT id, namespace FROM {} WHERE due_at <= ?1 AND id NOT IN (SELECT value FROM json_each(?2))
             AND namespace NOT IN (SELECT value FROM json_each(?3)) ORDER BY served_at LIMIT ?4",
            kind.lanes()
        ))?
        .query_map(params![stored(now_ms), full_lanes, full_namespaces, stored(free as u64)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;

    let mut claims = Vec::new();
    for (lane, namespace) in lanes {
        let room = busy.lock().unwrap_or_else(PoisonError::into_inner).room(&lane, &namespace, limits);
        for (id, attempt) in claim_in_lane(transaction, kind, &lane, room, now_ms, lease_ms)? {
            let slot = Busy::take(busy, &lane, &namespace);
            claims.push(Claim { id, lane: lane.clone(), namespace: namespace.clone(), attempt, slot });
        }
    }
    Ok(claims)
}

fn claim_in_lane(
    transaction: &Transaction<'_>,
    kind: Kind,
    lane: &str,
    room: usize,
    now_ms: u64,
    lease_ms: u64,
) -> Result<Vec<(String, u32)>, Error> {
    let claimed: Vec<(String, u32)> = transaction
        .prepare_cached(&format!(
            "UPDATE {table} SET attempts = attempts + 1, leased = 1, due_at = ?3 WHERE id IN
             (SELECT id FROM {table} WHERE lane = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?4) RETURNING id, attempts",
            table = kind.table()
        ))?
        .query_map(params![lane, stored(now_ms), stored(now_ms + lease_ms), stored(room as u64)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    if !claimed.is_empty() {
        transaction
            .prepare_cached(&format!("UPDATE {} SET served_at = ?2 WHERE id = ?1", kind.lanes()))?
            .execute(params![lane, stored(now_ms)])?;
        refresh(transaction, kind, lane)?;
    }
    Ok(claimed)
}

/// Brings a lane's `due_at` up to its work's; to be called after every change of that.
pub(super) fn refresh(transaction: &Transaction<'_>, kind: Kind, lane: &str) -> Result<(), Error> {
    transaction
        .prepare_cached(&format!(
            "UPDATE {} SET due_at = (SELECT min(due_at) FROM {} WHERE lane = ?1 AND due_at IS NOT NULL) WHERE id = ?1",
            kind.lanes(),
            kind.table()
        ))?
        .execute([lane])?;
    Ok(())
}

/// When the next lane becomes due that is not so yet.
pub(super) fn next_due(transaction: &Transaction<'_>, kind: Kind, now_ms: u64) -> Result<Option<u64>, Error> {
    let next: Option<i64> = transaction
        .prepare_cached(&format!("SELECT min(due_at) FROM {} WHERE due_at > ?1", kind.lanes()))?
        .query_row([stored(now_ms)], |row| row.get(0))?;
    Ok(next.map(i64::unsigned_abs))
}

/// Where a piece of work stands after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) status: &'static str,
    /// When it is tried again; `None` where it is done.
    pub(super) due_at: Option<u64>,
    /// Attempts that count.
    pub(super) attempts: u32,
    pub(super) last_status: Option<u16>,
    pub(super) last_error: Option<String>,
}

/// Records what became of a claim; says whether it still held.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    kind: Kind,
    claim: &Claim,
    settled: &Settled,
    now_ms: u64,
) -> Result<bool, Error> {
    let finished_at = settled.due_at.is_none().then_some(stored(now_ms));
    let changed = transaction
        .prepare_cached(&format!(
            "UPDATE {} SET status = ?3, due_at = ?4, attempts = ?5, last_status = ?6, last_error = ?7, finished_at = ?8,
             leased = 0 WHERE id = ?1 AND attempts = ?2 AND leased = 1",
            kind.table()
        ))?
        .execute(params![
            claim.id,
            claim.attempt,
            settled.status,
            settled.due_at.map(stored),
            settled.attempts,
            settled.last_status,
            settled.last_error,
            finished_at,
        ])?;
    if changed == 1 && kind == Kind::Delivery && settled.status == kind.done() {
        // Nothing will ever send it again, so that its body only takes room.
        transaction
            .prepare_cached("UPDATE deliveries SET body = x'', bytes = 0 WHERE id = ?1")?
            .execute([&claim.id])?;
    }
    refresh(transaction, kind, &claim.lane)?;
    Ok(changed == 1)
}

/// Makes a piece of work due now; `None` where there is none of that id.
///
/// # Errors
/// `conflict` where it is under way, is in a status that `refused` has words for, or its lane is gone.
pub(super) fn retry(
    transaction: &Transaction<'_>,
    kind: Kind,
    namespace: &Namespace,
    id: &str,
    refused: impl Fn(&str) -> Option<&'static str>,
    now_ms: u64,
) -> Result<Option<()>, Error> {
    let sql = format!(
        "SELECT work.status, work.leased, work.lane, lane.id IS NOT NULL FROM {} AS work
         LEFT JOIN {} AS lane ON lane.id = work.lane WHERE work.id = ?1 AND work.namespace = ?2",
        kind.table(),
        kind.lanes()
    );
    let found: Option<(String, bool, String, bool)> = transaction
        .prepare_cached(&sql)?
        .query_row([id, namespace.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((status, leased, lane, stands)) = found else { return Ok(None) };
    let refusal = match (leased, stands, kind) {
        (true, _, _) => Some("id: it is being tried right now"),
        (false, false, Kind::Delivery) => Some("id: its endpoint was deleted"),
        (false, false, Kind::Event) => Some("id: its source was deleted"),
        (false, true, _) => refused(&status),
    };
    if let Some(refusal) = refusal {
        return Err(ServiceError::new(doer_core::service::Code::Conflict, refusal).into());
    }
    transaction
        .prepare_cached(&format!(
            "UPDATE {} SET status = 'pending', due_at = ?2, finished_at = NULL WHERE id = ?1",
            kind.table()
        ))?
        .execute(params![id, stored(now_ms)])?;
    refresh(transaction, kind, &lane)?;
    Ok(Some(()))
}

/// Rows that one transaction changes at most, so that nobody waits long for his turn to write.
pub(super) const BATCH: usize = 2000;

/// Gives up what is left in a lane, and then removes the lane itself; to be repeated until it says `true`.
pub(super) fn close(transaction: &Transaction<'_>, kind: Kind, lane: &str, now_ms: u64) -> Result<bool, Error> {
    let why = match kind {
        Kind::Delivery => "the endpoint was deleted",
        Kind::Event => "the source was deleted",
    };
    let changed = transaction
        .prepare_cached(&format!(
            "UPDATE {table} SET status = 'dead', due_at = NULL, leased = 0, finished_at = ?2, last_error = ?3 WHERE id IN
             (SELECT id FROM {table} WHERE lane = ?1 AND due_at IS NOT NULL LIMIT ?4)",
            table = kind.table()
        ))?
        .execute(params![lane, stored(now_ms), why, stored(BATCH as u64)])?;
    let closed = changed < BATCH;
    if closed {
        transaction.prepare_cached(&format!("DELETE FROM {} WHERE id = ?1", kind.lanes()))?.execute([lane])?;
    }
    Ok(closed)
}

/// Is there room for `more` pieces of work with so many bytes in all?
///
/// # Errors
/// `quota` where there is not.
pub(super) fn admit(
    transaction: &Transaction<'_>,
    namespace: &Namespace,
    kind: Kind,
    more: u64,
    bytes: u64,
    quota: &Quota,
    max_open_bytes: u64,
) -> Result<(), Error> {
    let open: i64 = transaction
        .prepare_cached("SELECT coalesce(sum(open), 0) FROM usage WHERE namespace = ?1")?
        .query_row([namespace.as_str()], |row| row.get(0))?;
    if open.unsigned_abs().saturating_add(more) > quota.deliveries {
        let message = format!(
            "Deliveries and events that are not done: at most {}, and {} are there",
            quota.deliveries,
            open.unsigned_abs()
        );
        return Err(ServiceError::quota(message).into());
    }
    let held: i64 = transaction
        .prepare_cached("SELECT coalesce(sum(open_bytes), 0) FROM usage WHERE namespace = ?1 AND kind = ?2")?
        .query_row([namespace.as_str(), kind.table()], |row| row.get(0))?;
    if held.unsigned_abs().saturating_add(bytes) > max_open_bytes {
        let message = format!("{} that are not done: at most {max_open_bytes} bytes", kind.label());
        return Err(ServiceError::quota(message).into());
    }
    Ok(())
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Delivery => "Deliveries",
            Self::Event => "Events",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schema::MIGRATIONS, *};
    use crate::sqlite;

    const LIMITS: Concurrency = Concurrency { per_lane: 2, per_namespace: 3, in_all: 4 };
    const LEASE_MS: u64 = 100;

    /// Endpoints of namespaces, each with so many deliveries that are due.
    fn connection(endpoints: &[(&str, &str, u32)]) -> (tempfile::TempDir, rusqlite::Connection) {
        let dir = tempfile::tempdir().unwrap();
        let connection = sqlite::open(&dir.path().join("webhooks.db"), MIGRATIONS).unwrap();
        for (id, namespace, deliveries) in endpoints {
            let endpoint = "INSERT INTO endpoints (id, namespace, url, events, owner, secret, created_at, due_at)
                            VALUES (?1, ?2, '', '', '', x'', 0, 0)";
            connection.execute(endpoint, [id, namespace]).unwrap();
            for number in 0..*deliveries {
                let delivery =
                    "INSERT INTO deliveries (id, namespace, lane, event, status, due_at, created_at, bytes, body)
                                VALUES (?1, ?2, ?3, 'a', 'pending', 0, 0, 0, x'')";
                connection.execute(delivery, params![format!("{id}-{number}"), namespace, id]).unwrap();
            }
        }
        (dir, connection)
    }

    fn claimed(connection: &mut rusqlite::Connection, busy: &Arc<Mutex<Busy>>, now_ms: u64) -> Vec<Claim> {
        let transaction = connection.transaction().unwrap();
        let claims = claim(&transaction, Kind::Delivery, busy, LIMITS, now_ms, LEASE_MS).unwrap();
        transaction.commit().unwrap();
        claims
    }

    fn count(claims: &[Claim], of: impl Fn(&Claim) -> &str, value: &str) -> usize {
        claims.iter().filter(|claim| of(claim) == value).count()
    }

    #[test]
    fn no_lane_namespace_or_whole_gets_more_than_its_limit() {
        let (_dir, mut connection) = connection(&[("a", "n", 9), ("b", "n", 9), ("c", "m", 9)]);
        let busy = Arc::default();
        let mut claims = claimed(&mut connection, &busy, 1);
        claims.extend(claimed(&mut connection, &busy, 1));
        assert_eq!(claims.len(), 4);
        assert!(["a", "b", "c"].iter().all(|lane| count(&claims, |claim| &claim.lane, lane) <= 2));
        assert!(count(&claims, |claim| &claim.namespace, "n") <= 3);
        assert!(claimed(&mut connection, &busy, 1).is_empty());

        drop(claims);
        let again = claimed(&mut connection, &busy, 2);
        assert_eq!(again.len(), 4, "places are given back");
    }

    #[test]
    fn lanes_take_turns() {
        let (_dir, mut connection) = connection(&[("a", "n", 9), ("b", "m", 9), ("c", "o", 9)]);
        let busy = Arc::default();
        let first = claimed(&mut connection, &busy, 1);
        assert_eq!(first.len(), 4);
        let served: Vec<String> = first.iter().map(|claim| claim.lane.clone()).collect();
        drop(first);
        let next = claimed(&mut connection, &busy, 2);
        assert!(!served.contains(&next[0].lane), "who has waited longest comes first");
    }

    #[test]
    fn who_has_lost_a_lease_records_nothing() {
        let (_dir, mut connection) = connection(&[("a", "n", 1)]);
        let busy = Arc::default();
        let lost = claimed(&mut connection, &busy, 1).remove(0);
        assert!(claimed(&mut connection, &busy, LEASE_MS).is_empty(), "the lease still holds");
        let holder = claimed(&mut connection, &busy, 1 + LEASE_MS).remove(0);
        assert_eq!((lost.attempt, holder.attempt), (1, 2));

        let dead = Settled { status: "dead", due_at: None, attempts: 1, last_status: None, last_error: None };
        let done = Settled { status: "delivered", attempts: 2, ..dead.clone() };
        let transaction = connection.transaction().unwrap();
        assert!(!settle(&transaction, Kind::Delivery, &lost, &dead, 200).unwrap());
        assert!(settle(&transaction, Kind::Delivery, &holder, &done, 200).unwrap());
        assert!(!settle(&transaction, Kind::Delivery, &holder, &dead, 200).unwrap(), "once only");
        let status: String = transaction.query_row("SELECT status FROM deliveries", [], |row| row.get(0)).unwrap();
        assert_eq!(status, "delivered");
        let usage: (i64, i64) = transaction
            .query_row("SELECT open, finished FROM usage", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(usage, (0, 1));
    }
}
