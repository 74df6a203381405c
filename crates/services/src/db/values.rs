//! Values of SQLite as JSON, and back. What JSON lacks is written `{"$base64": "..."}`: blobs, and text that is not
//! UTF-8.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use doer_core::service::ServiceError;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::{Number, Value, json};

const BLOB: &str = "$base64";

/// A parameter.
///
/// # Errors
/// `invalid_request`, naming its place.
pub(super) fn to_sql(index: usize, value: Value) -> Result<Sql, ServiceError> {
    let invalid = |what: &str| ServiceError::invalid(format!("params[{index}]: {what}"));
    match value {
        Value::Null => Ok(Sql::Null),
        Value::Bool(truth) => Ok(Sql::Integer(truth.into())),
        Value::String(text) => Ok(Sql::Text(text)),
        Value::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(integer), ..) => Ok(Sql::Integer(integer)),
            (None, false, Some(real)) => Ok(Sql::Real(real)),
            _ => Err(invalid("integers go up to 9223372036854775807")),
        },
        Value::Object(members) => match (members.get(BLOB), members.len()) {
            (Some(Value::String(text)), 1) => {
                STANDARD.decode(text).map(Sql::Blob).map_err(|_| invalid("`$base64` must be base64, with padding"))
            }
            _ => Err(invalid("must be null, a boolean, a number, a string or {\"$base64\": \"...\"}")),
        },
        Value::Array(_) => Err(invalid("must be null, a boolean, a number, a string or {\"$base64\": \"...\"}")),
    }
}

/// A value of a row.
pub(super) fn to_json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        // JSON has no infinity.
        ValueRef::Real(real) => Number::from_f64(real).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text.into(),
            Err(_) => blob(text),
        },
        ValueRef::Blob(bytes) => blob(bytes),
    }
}

/// Bytes that a value takes in an answer, about.
pub(super) fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() + bytes.len() / 3,
    }
}

fn blob(bytes: &[u8]) -> Value {
    json!({ BLOB: STANDARD.encode(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        for value in [
            json!(null),
            json!(0),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(9_007_199_254_740_993_i64),
            json!(1.5),
            json!("a\u{0}\"é"),
            json!({"$base64": "AP8="}),
            json!({"$base64": ""}),
        ] {
            let sql = to_sql(0, value.clone()).unwrap();
            assert_eq!(to_json((&sql).into()), value);
        }
        assert_eq!(to_sql(0, json!(true)).unwrap(), Sql::Integer(1));
        assert_eq!(to_json(ValueRef::Real(f64::INFINITY)), Value::Null);
        assert_eq!(to_json(ValueRef::Text(&[0xff])), json!({"$base64": "/w=="}));
    }

    #[test]
    fn what_sqlite_has_no_value_for_is_refused_by_its_place() {
        for value in [json!([]), json!({}), json!({"$base64": 1}), json!({"$base64": "", "a": 1})] {
            let message = "params[3]: must be null, a boolean, a number, a string or {\"$base64\": \"...\"}";
            assert_eq!(to_sql(3, value).unwrap_err().message, message);
        }
        let message = to_sql(0, json!(u64::MAX)).unwrap_err().message;
        assert_eq!(message, "params[0]: integers go up to 9223372036854775807");
        let message = to_sql(1, json!({"$base64": "A"})).unwrap_err().message;
        assert_eq!(message, "params[1]: `$base64` must be base64, with padding");
    }
}
