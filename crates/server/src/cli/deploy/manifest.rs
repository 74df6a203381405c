//! `worker.toml`: what of a worker's description is not its modules. Its keys are those of the description, and `id`;
//! the server says what is wrong with them.

use std::{error::Error, io::ErrorKind, path::Path};

use serde_json::{Map, Value};
use toml::Table;

const NAME: &str = "worker.toml";

/// What it says.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The worker's id.
    pub id: Option<String>,
    /// The module to start with.
    pub main: Option<String>,
    /// The rest.
    pub code: Map<String, Value>,
}

impl Manifest {
    /// Reads the one of a directory; an empty one where there is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let path = directory.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
        };
        let table = text.parse::<Table>().map_err(|error| format!("{}: {error}", path.display()))?;
        Self::of(table).map_err(|what| format!("{}: {what}", path.display()).into())
    }

    fn of(mut table: Table) -> Result<Self, String> {
        let mut text = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{key}: must be a string, and is {}", other.type_str())),
        };
        let (id, main) = (text("id")?, text("mainModule")?);
        if table.contains_key("modules") {
            return Err("modules: are the files beside it, and cannot be named here".to_owned());
        }
        let mut code: Map<String, Value> = table.into_iter().map(|(key, value)| (key, json(value))).collect();
        // TOML has no null.
        if code.get("globalOutbound") == Some(&Value::Bool(false)) {
            code.insert("globalOutbound".to_owned(), Value::Null);
        }
        Ok(Self { id, main, code })
    }
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        // Dates may be written without quotes.
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}
