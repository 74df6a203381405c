//! One SQL statement of a caller: checked, bound, run in a transaction of its own, and its result bounded.

use doer_core::service::{
    ServiceError,
    db::{Query, Rows},
};
use rusqlite::{Batch, Connection, fallible_iterator::FallibleIterator, types::Value as Sql};
use serde_json::Map;

use super::{
    authorizer::TEMPORARY,
    budget::Budget,
    connection::{Inserts, MAX_PARAMS, MAX_SQL_BYTES, Untrusted},
    values,
};
use crate::Error;

/// What a row and a value take beside their bytes, about.
const ROW_BYTES: usize = 32;
const VALUE_BYTES: usize = 16;

/// A statement, and values for it.
#[derive(Debug)]
pub(super) struct Statement {
    sql: String,
    params: Vec<Sql>,
}

/// How large a result may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Statement {
    /// Checks what can be told without the database.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter; `forbidden` for `VACUUM`, which SQLite asks no authorizer for.
    pub(super) fn new(query: Query) -> Result<Self, ServiceError> {
        let Query { sql, params } = query;
        let params = params.unwrap_or_default();
        if sql.len() > MAX_SQL_BYTES {
            return Err(ServiceError::invalid(format!("sql: must have at most {MAX_SQL_BYTES} bytes")));
        }
        if sql.contains('\0') {
            return Err(ServiceError::invalid("sql: must have no NUL in it"));
        }
        if params.len() > MAX_PARAMS {
            return Err(ServiceError::invalid(format!("params: must have at most {MAX_PARAMS} values")));
        }
        if first_word(&sql).eq_ignore_ascii_case("VACUUM") {
            return Err(ServiceError::forbidden("VACUUM is forbidden"));
        }
        let params = params.into_iter().enumerate().map(|(index, value)| values::to_sql(index, value));
        Ok(Self { params: params.collect::<Result<_, _>>()?, sql })
    }

    /// Is it worth a try without the right to write? SQLite has the last word on whether a statement writes.
    pub(super) fn seems_to_read(&self) -> bool {
        let reading = ["SELECT", "WITH", "VALUES", "EXPLAIN", "PRAGMA"];
        reading.iter().any(|word| first_word(&self.sql).eq_ignore_ascii_case(word))
    }

    /// Runs it beside others; gives nothing, and does nothing, where it writes.
    ///
    /// # Errors
    /// SQLite's own, and what is refused.
    pub(super) fn read(&self, on: &mut Untrusted, budget: &Budget, caps: Caps) -> Result<Option<Rows>, Error> {
        on.gate.forget();
        budget.spend(&mut on.connection, |connection| {
            let prepared = self.prepare(connection)?;
            prepared.readonly().then(|| rows(prepared, caps)).transpose()
        })
    }

    /// Runs it while nobody else writes, in a transaction, until the database has `quota` bytes. Without one SQLite
    /// would keep what a statement has done whose result is not read to its end.
    ///
    /// # Errors
    /// SQLite's own, and what is refused.
    pub(super) fn write(&self, on: &mut Untrusted, quota: u64, budget: &Budget, caps: Caps) -> Result<Rows, Error> {
        on.gate.forget();
        on.limit(quota)?;
        let Untrusted { connection, gate, inserts, .. } = on;
        budget.spend(connection, |connection| {
            gate.ours(|| connection.execute_batch("BEGIN IMMEDIATE"))?;
            let done = self.change(connection, inserts, caps).and_then(|rows| {
                gate.ours(|| {
                    has_nothing_temporary(connection)?;
                    connection.execute_batch("COMMIT")?;
                    Ok(rows)
                })
            });
            // Some errors have rolled it back already.
            if !connection.is_autocommit() {
                gate.ours(|| connection.execute_batch("ROLLBACK"))?;
            }
            done
        })
    }

    fn change(&self, connection: &Connection, inserts: &Inserts, caps: Caps) -> Result<Rows, Error> {
        let changes = connection.total_changes();
        inserts.begin(connection.last_insert_rowid());
        let mut rows = rows(self.prepare(connection)?, caps)?;
        // Statements that are no changes leave the count of an earlier one.
        if connection.total_changes() != changes {
            rows.changes = connection.changes();
        }
        rows.last_insert_rowid = inserts.end(connection.last_insert_rowid());
        Ok(rows)
    }

    /// Compiles it, and sees that nothing but comments comes after it. (`Connection::prepare` looks for more by
    /// recursion, which a text of many statements would bring down.)
    fn prepare<'a>(&self, connection: &'a Connection) -> Result<rusqlite::Statement<'a>, Error> {
        let mut statements = Batch::new(connection, &self.sql);
        let Some(mut prepared) = statements.next()? else {
            return Err(ServiceError::invalid("sql: must hold a statement").into());
        };
        if !matches!(statements.next(), Ok(None)) {
            return Err(ServiceError::invalid("sql: must be one statement").into());
        }
        let (wanted, given) = (prepared.parameter_count(), self.params.len());
        if wanted != given {
            let message = format!("params: the statement takes {wanted} values, and {given} were given");
            return Err(ServiceError::invalid(message).into());
        }
        for (index, value) in self.params.iter().enumerate() {
            prepared.raw_bind_parameter(index + 1, value)?;
        }
        Ok(prepared)
    }
}

/// The authorizer is not told of all that is temporary: `CREATE TRIGGER temp.t` looks like any other trigger.
fn has_nothing_temporary(connection: &Connection) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema)")?;
    match statement.query_row([], |row| row.get(0))? {
        true => Err(ServiceError::forbidden(TEMPORARY).into()),
        false => Ok(()),
    }
}

/// Runs a statement to its end.
fn rows(mut prepared: rusqlite::Statement<'_>, caps: Caps) -> Result<Rows, Error> {
    let mut result = Rows::default();
    let mut left = caps.bytes;
    let mut found = prepared.raw_query();
    while let Some(row) = found.next()? {
        if result.rows.is_empty() {
            // Not before the first step, which compiles the statement anew where the schema has changed.
            result.columns = columns(row.as_ref());
        }
        if result.rows.len() == caps.rows {
            let message = format!("The result has more than {} rows: ask for less with LIMIT", caps.rows);
            return Err(ServiceError::quota(message).into());
        }
        let mut members = Map::new();
        let mut size = ROW_BYTES;
        for (index, name) in result.columns.iter().enumerate() {
            let value = row.get_ref(index)?;
            size += VALUE_BYTES + name.len() + values::size(value);
            if size > left {
                let message = format!("The result has more than {} bytes: ask for less with LIMIT", caps.bytes);
                return Err(ServiceError::quota(message).into());
            }
            members.insert(name.clone(), values::to_json(value));
        }
        left -= size;
        result.rows.push(members);
    }
    drop(found);
    if result.rows.is_empty() {
        result.columns = columns(&prepared);
    }
    Ok(result)
}

fn columns(statement: &rusqlite::Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}

/// The first word of a statement, after comments and empty statements.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest
            .trim_start_matches(|letter: char| letter == ';' || letter.is_ascii_whitespace() || letter == '\u{feff}');
        let comment_end = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.find('\n').map(|end| &comment[end..]),
            (_, Some(comment)) => comment.find("*/").map(|end| &comment[end + 2..]),
            (None, None) => break,
        };
        rest = comment_end.unwrap_or_default();
    }
    rest.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_comments() {
        for (sql, word) in [
            ("SELECT 1", "SELECT"),
            (" ;; -- VACUUM\n/* VACUUM */ vacuum", "vacuum"),
            ("WITH(x)", "WITH"),
            ("/* open", ""),
            ("-- all", ""),
            ("", ""),
        ] {
            assert_eq!(first_word(sql), word, "{sql}");
        }
    }
}
