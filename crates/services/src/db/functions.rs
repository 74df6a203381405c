//! Functions of SQLite whose work grows with the product of their arguments' lengths. A single call with two long
//! texts runs for minutes, and SQLite does not look at its progress handler meanwhile. So each is replaced by one
//! that looks at the lengths first, and leaves the rest to the original, which a connection of its own still has.

use std::{
    ffi::c_uint,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{
    CachedStatement, Connection, Error, Result,
    functions::{Context, FunctionFlags},
    limits::Limit,
    types::{ToSqlOutput, Value, ValueRef},
};
use thiserror::Error as ThisError;

/// Name, number of arguments; the first two are those that count.
const BOUNDED: [(&str, i32); 8] = [
    ("instr", 2),
    ("ltrim", 2),
    ("rtrim", 2),
    ("trim", 2),
    ("unhex", 2),
    ("replace", 3),
    ("json_patch", 2),
    ("jsonb_patch", 2),
];

/// The largest product of lengths: some tens of milliseconds.
const MAX_WORK: usize = 1 << 26;

/// By this SQLite tells JSON from other text.
const JSON_SUBTYPE: c_uint = b'J' as c_uint;

#[derive(Debug, ThisError)]
#[error("{0}: the arguments are too long for each other")]
struct TooMuch(&'static str);

/// Replaces them, on a connection whose values have at most `max_length` bytes.
///
/// # Errors
/// SQLite's own.
pub(super) fn bound(connection: &Connection, max_length: i32) -> Result<()> {
    let original = Connection::open_in_memory()?;
    original.set_limit(Limit::SQLITE_LIMIT_LENGTH, max_length)?;
    let original = Arc::new(Mutex::new(original));
    for (name, arguments) in BOUNDED {
        let flags = FunctionFlags::SQLITE_UTF8
            | FunctionFlags::SQLITE_DETERMINISTIC
            | FunctionFlags::SQLITE_INNOCUOUS
            | FunctionFlags::SQLITE_RESULT_SUBTYPE;
        let placeholders = if arguments == 2 { "?1, ?2" } else { "?1, ?2, ?3" };
        let sql = format!("SELECT {name}({placeholders})");
        let subtype = (name == "json_patch").then_some(JSON_SUBTYPE);
        let original = original.clone();
        connection.create_scalar_function(name, arguments, flags, move |context| {
            if size(context.get_raw(0)).saturating_mul(size(context.get_raw(1))) > MAX_WORK {
                return Err(Error::UserFunctionError(Box::new(TooMuch(name))));
            }
            let original = original.lock().unwrap_or_else(PoisonError::into_inner);
            let value = call(original.prepare_cached(&sql)?, context)?;
            Ok((value, subtype))
        })?;
    }
    Ok(())
}

fn call(mut original: CachedStatement<'_>, context: &Context<'_>) -> Result<Value> {
    for index in 0..context.len() {
        original.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(context.get_raw(index)))?;
    }
    let mut rows = original.raw_query();
    let Some(row) = rows.next()? else { return Ok(Value::Null) };
    Ok(match row.get_ref(0)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    })
}

fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        // As text.
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_answer_as_the_originals_do() {
        let (bounded, original) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
        bound(&bounded, 1 << 20).unwrap();
        for expression in [
            "instr('abcabc', 'ca')",
            "instr(x'0102', x'02')",
            "instr(1.5, '.')",
            "instr(NULL, 'a')",
            "trim('xxaxx', 'x')",
            "ltrim('xxaxx', 'x')",
            "rtrim('xxaxx', 'x')",
            "trim('  a ')",
            "replace('aXbX', 'X', 'yy')",
            "unhex('61-62', '-')",
            "unhex('61?62', '-')",
            "json_patch('{\"b\":1,\"a\":2}', '{\"a\":null,\"c\":3}')",
            "json_set('{}', '$.a', json_patch('{}', '{\"b\":1}'))",
            "hex(jsonb_patch('{}', '{\"b\":1}'))",
        ] {
            let value = |connection: &Connection| {
                connection.query_row(&format!("SELECT {expression}"), [], |row| row.get::<_, Value>(0)).unwrap()
            };
            assert_eq!(value(&bounded), value(&original), "{expression}");
        }
    }

    #[test]
    fn what_would_take_minutes_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        bound(&connection, 1 << 20).unwrap();
        for (name, arguments) in BOUNDED {
            let third = if arguments == 3 { ", ''" } else { "" };
            let sql = |bytes: usize| format!("SELECT {name}(hex(zeroblob({bytes})), hex(zeroblob({bytes})){third})");
            let value = |bytes| connection.query_row(&sql(bytes), [], |row| row.get::<_, Value>(0));
            let refused = value(4_097).unwrap_err().to_string();
            assert_eq!(refused, format!("{name}: the arguments are too long for each other"));
            // The texts are no JSON, which the patches say.
            let allowed = value(4_096);
            assert!(allowed.is_ok() || allowed.unwrap_err().to_string().contains("malformed JSON"), "{name}");
        }
    }
}
