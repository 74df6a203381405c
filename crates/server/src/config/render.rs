//! The effective configuration as TOML, with secrets hidden.

use toml::{Table, Value};

use super::Config;

/// Keys that end so hold secrets.
const SECRET_ENDINGS: [&str; 4] = ["secret", "password", "token", "_key"];
/// Tables of the user's own names, whose values may all be secrets.
const SECRET_TABLES: [&str; 2] = ["headers", "env"];
const HIDDEN: &str = "<hidden>";

impl Config {
    /// What holds, as a file that would give the same configuration again, secrets aside.
    pub fn to_toml(&self) -> String {
        // Only tables that were parsed from TOML go in, so all of it can be written as TOML.
        toml::to_string(&hide(&self.effective)).unwrap_or_default()
    }
}

fn hide(table: &Table) -> Table {
    let hidden = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Table(inner) if SECRET_TABLES.contains(&key.as_str()) => {
                inner.keys().map(|name| (name.clone(), Value::from(HIDDEN))).collect::<Table>().into()
            }
            // What is empty hides nothing, and that is worth knowing.
            Value::String(text) if text.is_empty() => value.clone(),
            Value::Table(_) | Value::Array(_) => hide_inside(value),
            _ if SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending)) => Value::from(HIDDEN),
            other => other.clone(),
        };
        (key.clone(), value)
    };
    table.iter().map(hidden).collect()
}

fn hide_inside(value: &Value) -> Value {
    match value {
        Value::Table(table) => Value::Table(hide(table)),
        Value::Array(items) => items.iter().map(hide_inside).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let table: Table = "a = 1\n[b]\nsigning_key = 'first'\n[b.c]\npassword = 'second'\n[[d]]\n\
                            headers = { Authorization = 'third' }\ntoken = 'fourth'\nempty_key = ''"
            .parse()
            .unwrap();
        let text = toml::to_string(&hide(&table)).unwrap();
        assert!(text.contains("a = 1") && text.contains("empty_key = \"\""), "{text}");
        assert!(["first", "second", "third", "fourth"].iter().all(|secret| !text.contains(secret)), "{text}");
    }
}
