//! Things: their names and limits, and how they stand in the table.

pub(super) mod patch;
pub(super) mod read;
pub(super) mod write;

use doer_core::service::{
    ServiceError,
    db::{Thing, Visibility},
};
use rusqlite::Row;

use crate::Error;

/// The longest name of a collection, and of a type, in bytes.
const MAX_NS_BYTES: usize = 128;
/// The longest id, in bytes.
const MAX_ID_BYTES: usize = 256;
/// The longest data, as JSON: less than a value of SQL may have.
const MAX_DATA_BYTES: usize = 1_000_000;

/// What [`thing`] reads.
const COLUMNS: &str = "t.id, t.type, t.visibility, t.created_at, t.updated_at, t.data";

fn check_ns(ns: &str) -> Result<(), ServiceError> {
    check("ns", ns, MAX_NS_BYTES)
}

fn check_id(id: &str) -> Result<(), ServiceError> {
    check("id", id, MAX_ID_BYTES)
}

fn check_type(field: &str, kind: Option<&str>) -> Result<(), ServiceError> {
    kind.map_or(Ok(()), |kind| check(field, kind, MAX_NS_BYTES))
}

fn check(field: &str, text: &str, max: usize) -> Result<(), ServiceError> {
    match !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(ServiceError::invalid(format!("{field}: must have 1 to {max} bytes, without control characters"))),
    }
}

/// A row of [`COLUMNS`].
fn thing(ns: &str, row: &Row<'_>) -> Result<Thing, Error> {
    let data = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Thing {
        ns: ns.to_owned(),
        id: row.get(0)?,
        r#type: row.get(1)?,
        visibility: visibility(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?),
        created_at: from_sql(row.get(3)?),
        updated_at: from_sql(row.get(4)?),
        data: serde_json::from_str(data).map_err(|source| Error::Damaged { column: "things.data", source })?,
    })
}

/// The word in the table.
const fn word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
        Visibility::Unlisted => "unlisted",
    }
}

fn visibility(word: &str) -> Visibility {
    match word {
        "public" => Visibility::Public,
        "unlisted" => Visibility::Unlisted,
        _ => Visibility::Private,
    }
}

/// Numbers of SQL have a sign; none of ours is below nought.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Nothing is beyond the largest.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
