//! Reading things: one, pages of them in order, pages of matches, and how many there are.

use doer_core::service::{
    Order, Page, Pagination, ServiceError,
    db::{Count, Get, List, Match, OrderBy, Search, Thing, Visibility},
};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{COLUMNS, check_id, check_ns, check_type, from_sql, thing, to_sql, word, write::token};
use crate::{Error, db::search::Expression};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1_000;

/// The thing of that id.
pub(in crate::db) fn get(connection: &Connection, call: &Get) -> Result<Option<Thing>, Error> {
    check_ns(&call.ns)?;
    check_id(&call.id)?;
    find(connection, &call.ns, &call.id)
}

pub(super) fn find(connection: &Connection, ns: &str, id: &str) -> Result<Option<Thing>, Error> {
    // Spelled out, since this is the most frequent of all: the others' texts are put together each time.
    let mut statement = connection.prepare_cached(
        "SELECT t.id, t.type, t.visibility, t.created_at, t.updated_at, t.data
         FROM main.things t WHERE t.ns = ?1 AND t.id = ?2",
    )?;
    statement.query_row(params![ns, id], |row| Ok(thing(ns, row))).optional()?.transpose()
}

/// A page of a collection.
pub(in crate::db) fn list(connection: &Connection, call: List, max_bytes: usize) -> Result<Page<Thing>, Error> {
    let options = call.options.unwrap_or_default();
    check_ns(&call.ns)?;
    let filter = Filter::new(options.r#type, options.visibility)?;
    let (limit, offset) = window(options.limit, options.offset)?;
    let by = match options.order_by.unwrap_or_default() {
        OrderBy::CreatedAt => "created_at",
        OrderBy::UpdatedAt => "updated_at",
    };
    let order = match options.order.unwrap_or_default() {
        Order::Asc => "ASC",
        Order::Desc => "DESC",
    };
    // One view of the database for both statements.
    let snapshot = connection.unchecked_transaction()?;
    let total = total(&snapshot, &call.ns, &filter)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM main.things t WHERE t.ns = ?1 {} ORDER BY t.{by} {order}, t.n {order} LIMIT ?4 OFFSET ?5",
        filter.sql(),
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let mut rows = statement.query(params![call.ns, filter.kind, filter.visibility, limit, to_sql(offset)])?;
    let mut page = Filling::new(max_bytes);
    while let Some(row) = rows.next()? {
        if !page.has_room_for(row)? {
            break;
        }
        page.data.push(thing(&call.ns, row)?);
    }
    Ok(Page { data: page.data, pagination: Pagination { limit, offset, total } })
}

/// How many things a collection has.
pub(in crate::db) fn count(connection: &Connection, call: Count) -> Result<u64, Error> {
    let options = call.options.unwrap_or_default();
    check_ns(&call.ns)?;
    total(connection, &call.ns, &Filter::new(options.r#type, options.visibility)?)
}

/// A page of what matches in a collection.
pub(in crate::db) fn search(connection: &Connection, call: Search, max_bytes: usize) -> Result<Page<Match>, Error> {
    let options = call.options.unwrap_or_default();
    check_ns(&call.ns)?;
    let expression = Expression::parse(&call.query)?.within(&token(&call.ns));
    let filter = Filter::new(options.r#type, options.visibility)?;
    let (limit, offset) = window(options.limit, options.offset)?;
    let matches = format!("FROM main.things_fts {} WHERE things_fts MATCH ?1 {}", filter.join(), filter.sql());

    let snapshot = connection.unchecked_transaction()?;
    let total = number(&snapshot, &format!("SELECT count(*) {matches}"), &expression, &filter)?;
    // Texts are read for the page only, not for every match that is ranked. The collection's token has no weight.
    let sql = format!(
        "SELECT {COLUMNS}, best.rank FROM (
            SELECT things_fts.rowid AS n, bm25(things_fts, 0.0, 1.0) AS rank {matches}
            ORDER BY rank, things_fts.rowid LIMIT ?4 OFFSET ?5
         ) best JOIN main.things t ON t.n = best.n ORDER BY best.rank, best.n"
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let mut rows = statement.query(params![expression, filter.kind, filter.visibility, limit, to_sql(offset)])?;
    let mut page = Filling::new(max_bytes);
    while let Some(row) = rows.next()? {
        if !page.has_room_for(row)? {
            break;
        }
        page.data.push(Match { thing: thing(&call.ns, row)?, rank: row.get(6)? });
    }
    Ok(Page { data: page.data, pagination: Pagination { limit, offset, total } })
}

/// Which things of a collection: the parameters `?2` and `?3`.
struct Filter {
    kind: Option<String>,
    visibility: Option<&'static str>,
}

impl Filter {
    fn new(kind: Option<String>, visibility: Option<Visibility>) -> Result<Self, ServiceError> {
        check_type("options.type", kind.as_deref())?;
        Ok(Self { kind, visibility: visibility.map(word) })
    }

    /// A statement of its own for every kind of filter, so that each finds its index.
    fn sql(&self) -> &'static str {
        match (&self.kind, self.visibility) {
            (None, None) => "",
            (Some(_), None) => "AND t.type = ?2",
            (None, Some(_)) => "AND t.visibility = ?3",
            (Some(_), Some(_)) => "AND t.type = ?2 AND t.visibility = ?3",
        }
    }

    /// What the full-text index does not know has to be looked up.
    fn join(&self) -> &'static str {
        match self.kind.is_some() || self.visibility.is_some() {
            true => "JOIN main.things t ON t.n = things_fts.rowid",
            false => "",
        }
    }
}

fn total(connection: &Connection, ns: &str, filter: &Filter) -> Result<u64, Error> {
    let sql = format!("SELECT coalesce(sum(t.things), 0) FROM main.things_counts t WHERE t.ns = ?1 {}", filter.sql());
    number(connection, &sql, ns, filter)
}

/// The number that a statement gives, for as many of its parameters as it has.
fn number(connection: &Connection, sql: &str, first: &str, filter: &Filter) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let params = [Some(first), filter.kind.as_deref(), filter.visibility];
    let known = params.into_iter().take(statement.parameter_count());
    Ok(from_sql(statement.query_row(params_from_iter(known), |row| row.get(0))?))
}

/// Limit and offset.
fn window(limit: Option<u32>, offset: Option<u64>) -> Result<(u32, u64), ServiceError> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok((limit, offset.unwrap_or_default())),
        _ => Err(ServiceError::invalid(format!("options.limit: must be 1 to {MAX_LIMIT}"))),
    }
}

/// A page that ends where the next thing would make it too large. The first one has room always.
struct Filling<T> {
    data: Vec<T>,
    left: usize,
}

impl<T> Filling<T> {
    fn new(max_bytes: usize) -> Self {
        Self { data: Vec::new(), left: max_bytes }
    }

    fn has_room_for(&mut self, row: &rusqlite::Row<'_>) -> Result<bool, Error> {
        let size = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?.len();
        let has_room = self.data.is_empty() || size <= self.left;
        self.left = self.left.saturating_sub(size);
        Ok(has_room)
    }
}
