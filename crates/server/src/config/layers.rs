//! Layers of configuration laid over each other, each checked against the compiled-in one: a key that is not
//! there is unknown, a value of another type is wrong.

use std::{collections::BTreeMap, ffi::OsString};

use toml::{Table, Value};

use super::problem::{Origin, Problem};

const ENV_PREFIX: &str = "DOER__";

/// The one table whose keys are names of the user's own; each of its values is like `limits.tenant`.
const TENANTS: &str = "tenants";

/// What the layers amount to so far.
#[derive(Debug)]
pub struct Layers {
    schema: Table,
    /// The values that hold.
    pub table: Table,
    /// Where each value came from, by path; what is not in it is a default.
    pub origins: BTreeMap<String, Origin>,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

impl Layers {
    /// Starts with the defaults, which are the schema too.
    pub fn new(schema: Table) -> Self {
        Self { table: schema.clone(), schema, origins: BTreeMap::new(), problems: Vec::new() }
    }

    /// Lays the text of a file on top.
    pub fn add_file(&mut self, path: &str, text: &str) {
        let origin = Origin::File(path.to_owned());
        match text.parse::<Table>() {
            Ok(layer) => self.add_table(layer, &origin),
            Err(error) => self.problem("", &origin, error.to_string().trim_end().to_owned()),
        }
    }

    /// Lays the variables on top that begin with `DOER__`.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)).map(str::to_owned) else {
                continue;
            };
            let origin = Origin::Environment(name.clone());
            let path = name[ENV_PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            let Some(value) = value.to_str() else {
                self.problem(&path, &origin, "is not UTF-8".to_owned());
                continue;
            };
            self.set_text(&path, value, origin);
        }
    }

    /// Sets one value from text, which is read as what the key's type says.
    pub fn set_text(&mut self, path: &str, text: &str, origin: Origin) {
        let Some(expected) = lookup(&self.schema, path) else {
            let message = if path.starts_with("tenants.") {
                "limits of tenants are set in a file".to_owned()
            } else {
                "no such key; `doer config` lists them".to_owned()
            };
            return self.problem(path, &origin, message);
        };
        let value = match expected {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Float(_) => text.parse().ok().map(Value::Float),
            Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
        };
        match value {
            Some(value) => {
                set(&mut self.table, path, value);
                self.origins.insert(path.to_owned(), origin);
            }
            None => {
                let message = format!("must be {}", type_name(expected));
                self.problem(path, &origin, message);
            }
        }
    }

    fn add_table(&mut self, layer: Table, origin: &Origin) {
        let schema = self.schema.clone();
        for (key, value) in layer {
            if key == TENANTS {
                self.add_tenants(value, &schema, origin);
            } else {
                self.add_value(&key, &key, value, &schema, origin);
            }
        }
    }

    fn add_tenants(&mut self, value: Value, schema: &Table, origin: &Origin) {
        let Some(Value::Table(limits)) = lookup(schema, "limits.tenant").cloned() else {
            return;
        };
        let Value::Table(tenants) = value else {
            return self.problem(TENANTS, origin, "must be a table with a table for each tenant".to_owned());
        };
        for (id, overrides) in tenants {
            let path = format!("{TENANTS}.{id:?}");
            let Value::Table(overrides) = overrides else {
                self.problem(&path, origin, "must be a table of limits".to_owned());
                continue;
            };
            for (key, value) in overrides {
                let path = format!("{path}.{key}");
                if self.fits(&path, limits.get(&key), &value, &limits, origin) {
                    let tenants = self.table.entry(TENANTS).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(tenants) = tenants
                        && let Value::Table(tenant) =
                            tenants.entry(id.clone()).or_insert_with(|| Value::Table(Table::new()))
                    {
                        tenant.insert(key, value);
                        self.origins.insert(path, origin.clone());
                    }
                }
            }
        }
    }

    fn add_value(&mut self, path: &str, key: &str, value: Value, schema: &Table, origin: &Origin) {
        let expected = schema.get(key);
        if !self.fits(path, expected, &value, schema, origin) {
            return;
        }
        match (expected, value) {
            (Some(Value::Table(inner)), Value::Table(table)) => {
                for (key, value) in table {
                    self.add_value(&format!("{path}.{key}"), &key, value, inner, origin);
                }
            }
            (_, value) => {
                set(&mut self.table, path, value);
                self.origins.insert(path.to_owned(), origin.clone());
            }
        }
    }

    fn fits(&mut self, path: &str, expected: Option<&Value>, value: &Value, siblings: &Table, origin: &Origin) -> bool {
        let Some(expected) = expected else {
            let known: Vec<&str> = siblings.keys().map(String::as_str).collect();
            self.problem(path, origin, format!("no such key; known here: {}", known.join(", ")));
            return false;
        };
        let fits = expected.same_type(value);
        if !fits {
            self.problem(path, origin, format!("must be {}, and is {}", type_name(expected), type_name(value)));
        }
        fits
    }

    fn problem(&mut self, key: &str, origin: &Origin, message: String) {
        self.problems.push(Problem { key: key.to_owned(), origin: origin.clone(), message });
    }
}

/// The value at a path of bare keys.
pub fn lookup<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (section, key) = path.rsplit_once('.').map_or((None, path), |(section, key)| (Some(section), key));
    match section {
        None => table.get(key),
        Some(section) => lookup(table, section)?.get(key),
    }
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                set(inner, rest, value);
            }
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
