//! The effective configuration as TOML, with secrets hidden.

use toml::{Table, Value};

use super::Config;

/// Keys that end so hold secrets.
const SECRET_ENDINGS: [&str; 4] = ["secret", "password", "token", "_key"];
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
            Value::Table(inner) => Value::Table(hide(inner)),
            _ if SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending)) => Value::String(HIDDEN.to_owned()),
            other => other.clone(),
        };
        (key.clone(), value)
    };
    table.iter().map(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let table: Table = "a = 1\n[b]\nsigning_key = 'first'\n[b.c]\npassword = 'second'".parse().unwrap();
        let text = toml::to_string(&hide(&table)).unwrap();
        assert!(text.contains("a = 1"), "{text}");
        assert!(!text.contains("first") && !text.contains("second"), "{text}");
    }
}
