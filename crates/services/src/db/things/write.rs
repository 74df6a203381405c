//! Writing things: the row, its part of the full-text index, and the count of its collection, in one transaction.

use doer_core::service::{
    Code, ServiceError,
    db::{Delete, Operation, Thing, Upsert, UpsertOptions, Visibility},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::{MAX_DATA_BYTES, check_id, check_ns, check_type, from_sql, read, to_sql, visibility, word};
use crate::Error;

/// Steps of a batch.
const MAX_OPERATIONS: usize = 1_000;
/// Data of all steps of a batch, as JSON.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// A step that is known to be in order.
pub(in crate::db) enum Step {
    Upsert(NewThing),
    Delete(Delete),
}

/// A thing to be written.
pub(in crate::db) struct NewThing {
    ns: String,
    id: String,
    data: Value,
    /// The data as JSON.
    json: String,
    options: UpsertOptions,
}

impl NewThing {
    /// Checks a call.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter.
    pub(in crate::db) fn new(call: Upsert) -> Result<Self, ServiceError> {
        let options = call.options.unwrap_or_default();
        check_ns(&call.ns)?;
        check_id(&call.id)?;
        check_type("options.type", options.r#type.as_deref())?;
        let json = serde_json::to_string(&call.data).map_err(ServiceError::internal)?;
        if json.len() > MAX_DATA_BYTES {
            return Err(ServiceError::invalid(format!("data: must have at most {MAX_DATA_BYTES} bytes as JSON")));
        }
        Ok(Self { ns: call.ns, id: call.id, data: call.data, json, options })
    }

    /// Writes it, in the transaction that there is.
    ///
    /// # Errors
    /// SQLite's own.
    pub(in crate::db) fn write(self, connection: &Connection, now_ms: u64) -> Result<Thing, Error> {
        let old = self.old(connection)?;
        self.put(connection, old, now_ms)
    }

    /// The same, unless it is there already.
    ///
    /// # Errors
    /// `conflict`, and SQLite's own.
    pub(in crate::db) fn insert(self, connection: &Connection, now_ms: u64) -> Result<Thing, Error> {
        if self.old(connection)?.is_some() {
            let message = format!("{} has a thing {} already", self.ns, self.id);
            return Err(ServiceError::new(Code::Conflict, message).into());
        }
        self.put(connection, None, now_ms)
    }

    fn old(&self, connection: &Connection) -> Result<Option<Old>, Error> {
        let old = connection
            .prepare_cached("SELECT n, type, visibility, created_at FROM main.things WHERE ns = ?1 AND id = ?2")?
            .query_row(params![self.ns, self.id], Old::read)
            .optional()?;
        Ok(old)
    }

    fn put(self, connection: &Connection, old: Option<Old>, now_ms: u64) -> Result<Thing, Error> {
        let visibility = self.options.visibility.or(old.as_ref().map(|old| old.visibility)).unwrap_or_default();
        let kind = self.options.r#type.clone().or_else(|| old.as_ref().and_then(|old| old.kind.clone()));
        let thing = Thing {
            r#type: kind,
            visibility,
            created_at: old.as_ref().map_or(now_ms, |old| old.created_at),
            updated_at: now_ms,
            ns: self.ns,
            id: self.id,
            data: self.data,
        };
        let n = match &old {
            Some(old) => update(connection, old, &thing, &self.json)?,
            None => insert(connection, &thing, &self.json)?,
        };
        connection
            .prepare_cached("INSERT INTO main.things_fts (rowid, collection, text) VALUES (?1, ?2, ?3)")?
            .execute(params![n, token(&thing.ns), text(&thing.id, thing.r#type.as_deref(), &thing.data)])?;
        Ok(thing)
    }
}

/// What is known of a thing that is there.
struct Old {
    n: i64,
    kind: Option<String>,
    visibility: Visibility,
    created_at: u64,
}

impl Old {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            n: row.get(0)?,
            kind: row.get(1)?,
            visibility: visibility(row.get_ref(2)?.as_str()?),
            created_at: from_sql(row.get(3)?),
        })
    }
}

impl Step {
    /// Checks a deletion.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter.
    pub(in crate::db) fn delete(call: Delete) -> Result<Self, ServiceError> {
        check_ns(&call.ns)?;
        check_id(&call.id)?;
        Ok(Self::Delete(call))
    }

    /// Checks the steps of a batch.
    ///
    /// # Errors
    /// `invalid_request`, naming the step.
    pub(in crate::db) fn all(operations: Vec<Operation>) -> Result<Vec<Self>, ServiceError> {
        if operations.len() > MAX_OPERATIONS {
            return Err(ServiceError::invalid(format!("operations: must be at most {MAX_OPERATIONS}")));
        }
        let mut left = MAX_BATCH_BYTES;
        let mut steps = Vec::with_capacity(operations.len());
        for (index, operation) in operations.into_iter().enumerate() {
            let step = Self::of(operation).map_err(|error| at(index, &error))?;
            let size = if let Self::Upsert(thing) = &step { thing.json.len() } else { 0 };
            left = left.checked_sub(size).ok_or_else(|| {
                ServiceError::invalid(format!(
                    "operations: their data must have at most {MAX_BATCH_BYTES} bytes as JSON"
                ))
            })?;
            steps.push(step);
        }
        Ok(steps)
    }

    fn of(operation: Operation) -> Result<Self, ServiceError> {
        match operation {
            Operation::Upsert { ns, id, data, r#type, visibility } => {
                check_type("type", r#type.as_deref())?;
                let options = Some(UpsertOptions { r#type, visibility });
                NewThing::new(Upsert { ns, id, data, options }).map(Self::Upsert)
            }
            Operation::Delete { ns, id } => Self::delete(Delete { ns, id }),
        }
    }

    /// Does it make room, in the end?
    pub(in crate::db) const fn is_deletion(&self) -> bool {
        matches!(self, Self::Delete(_))
    }

    /// Does it, in the transaction that there is.
    ///
    /// # Errors
    /// SQLite's own.
    pub(in crate::db) fn run(self, connection: &Connection, now_ms: u64) -> Result<Option<Thing>, Error> {
        match self {
            Self::Upsert(thing) => thing.write(connection, now_ms).map(Some),
            Self::Delete(call) => delete(connection, &call),
        }
    }
}

fn at(index: usize, error: &ServiceError) -> ServiceError {
    ServiceError::invalid(format!("operations[{index}].{}", error.message))
}

fn update(connection: &Connection, old: &Old, new: &Thing, json: &str) -> Result<i64, Error> {
    connection
        .prepare_cached("UPDATE main.things SET type = ?2, visibility = ?3, updated_at = ?4, data = ?5 WHERE n = ?1")?
        .execute(params![old.n, new.r#type, word(new.visibility), to_sql(new.updated_at), json])?;
    forget_text(connection, old.n)?;
    if (&old.kind, old.visibility) != (&new.r#type, new.visibility) {
        counted(connection, &new.ns, old.kind.as_deref(), old.visibility, -1)?;
        counted(connection, &new.ns, new.r#type.as_deref(), new.visibility, 1)?;
    }
    Ok(old.n)
}

fn insert(connection: &Connection, new: &Thing, json: &str) -> Result<i64, Error> {
    let time = to_sql(new.updated_at);
    connection
        .prepare_cached(
            "INSERT INTO main.things (ns, id, type, visibility, created_at, updated_at, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        )?
        .execute(params![new.ns, new.id, new.r#type, word(new.visibility), time, json])?;
    let n = connection.last_insert_rowid();
    counted(connection, &new.ns, new.r#type.as_deref(), new.visibility, 1)?;
    Ok(n)
}

fn delete(connection: &Connection, call: &Delete) -> Result<Option<Thing>, Error> {
    let Some(thing) = read::find(connection, &call.ns, &call.id)? else { return Ok(None) };
    let n = connection
        .prepare_cached("DELETE FROM main.things WHERE ns = ?1 AND id = ?2 RETURNING n")?
        .query_row(params![call.ns, call.id], |row| row.get(0))?;
    forget_text(connection, n)?;
    counted(connection, &call.ns, thing.r#type.as_deref(), thing.visibility, -1)?;
    Ok(Some(thing))
}

fn forget_text(connection: &Connection, n: i64) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM main.things_fts WHERE rowid = ?1")?.execute([n])?;
    Ok(())
}

/// So many more things of a kind. What is none any more is not kept.
fn counted(
    connection: &Connection,
    ns: &str,
    kind: Option<&str>,
    visibility: Visibility,
    more: i64,
) -> Result<(), Error> {
    let key = params![ns, kind.unwrap_or_default(), word(visibility), more];
    connection
        .prepare_cached(
            "INSERT INTO main.things_counts (ns, type, visibility, things) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET things = things + excluded.things",
        )?
        .execute(key)?;
    if more < 0 {
        connection
            .prepare_cached(
                "DELETE FROM main.things_counts WHERE ns = ?1 AND type = ?2 AND visibility = ?3 AND things <= 0",
            )?
            .execute(params![ns, kind.unwrap_or_default(), word(visibility)])?;
    }
    Ok(())
}

/// The one word that stands for a collection in the full-text index.
pub(super) fn token(ns: &str) -> String {
    let hash = blake3::hash(ns.as_bytes()).to_hex();
    format!("c{}", &hash[..32])
}

/// What a thing is found by: its id, its type, and every string in its data, a line each.
fn text(id: &str, kind: Option<&str>, data: &Value) -> String {
    let mut text = id.to_owned();
    if let Some(kind) = kind {
        line(&mut text, kind);
    }
    strings(&mut text, data);
    text
}

fn strings(text: &mut String, value: &Value) {
    match value {
        Value::String(string) => line(text, string),
        Value::Array(items) => items.iter().for_each(|item| strings(text, item)),
        Value::Object(members) => members.values().for_each(|member| strings(text, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn line(text: &mut String, line: &str) {
    text.push('\n');
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_strings_of_the_data_are_found_and_nothing_else() {
        let data = json!({"title": "one", "tags": ["two", {"deep": "three"}], "n": 4, "ok": true, "none": null});
        assert_eq!(text("id-1", Some("note"), &data), "id-1\nnote\ntwo\nthree\none");
    }

    #[test]
    fn a_batch_is_bounded_in_steps_and_bytes() {
        let delete = || Operation::Delete { ns: "a".to_owned(), id: "b".to_owned() };
        assert!(Step::all((0..MAX_OPERATIONS).map(|_| delete()).collect()).is_ok());
        let error = Step::all((0..=MAX_OPERATIONS).map(|_| delete()).collect()).err().unwrap();
        assert_eq!(error.message, "operations: must be at most 1000");

        let upsert = |bytes: usize| Operation::Upsert {
            ns: "a".to_owned(),
            id: "b".to_owned(),
            data: "x".repeat(bytes - 2).into(),
            r#type: None,
            visibility: None,
        };
        let full = |last: usize| Step::all((0..8).map(|_| upsert(MAX_DATA_BYTES)).chain([upsert(last)]).collect());
        assert!(full(MAX_BATCH_BYTES - 8 * MAX_DATA_BYTES).is_ok());
        let error = full(MAX_BATCH_BYTES - 8 * MAX_DATA_BYTES + 1).err().unwrap();
        assert_eq!(error.message, "operations: their data must have at most 8388608 bytes as JSON");
        let error = Step::all(vec![delete(), upsert(MAX_DATA_BYTES + 1)]).err().unwrap();
        assert_eq!(error.message, "operations[1].data: must have at most 1000000 bytes as JSON");
    }
}
