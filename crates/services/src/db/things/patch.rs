//! Changing things: what is there and what becomes different, merged.

use doer_core::service::{
    ServiceError,
    db::{Patch, Thing, Upsert},
};
use rusqlite::Connection;
use serde_json::{Map, Value};

use super::{check_id, check_ns, read, write::NewThing};
use crate::Error;

/// Changes a thing, in the transaction that there is.
///
/// # Errors
/// `not_found`, `invalid_request` where it becomes too large, and SQLite's own.
pub(in crate::db) fn patch(connection: &Connection, call: Patch, now_ms: u64) -> Result<Thing, Error> {
    let Patch { ns, id, changes } = call;
    check_ns(&ns)?;
    check_id(&id)?;
    let Some(thing) = read::find(connection, &ns, &id)? else {
        return Err(ServiceError::not_found(format!("{ns} has no thing {id}")).into());
    };
    let data = merged(thing.data, changes);
    NewThing::new(Upsert { ns, id, data, options: None })?.write(connection, now_ms)
}

/// JSON Merge Patch, RFC 7396.
fn merged(old: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { return changes };
    let mut members = match old {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            let old = members.remove(&name).unwrap_or_default();
            members.insert(name, merged(old, change));
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of the RFC's appendix.
    #[test]
    fn what_changes_is_merged_as_the_standard_says() {
        for (old, changes, new) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(old.clone(), changes.clone()), new, "{old} {changes}");
        }
    }
}
