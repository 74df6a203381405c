//! Which exports of a worker can be called: found out by loading it, beside a module that looks at them.

use doer_sandbox::{ModuleSource, Program, loader::Code, worker::WorkerCode};
use doer_services::workers::EntrypointInfo;
use serde_json::value::RawValue;

/// What can be told of one worker.
const MAX_ENTRYPOINTS: usize = 100;
const MAX_METHODS: usize = 200;
const MAX_NAME_BYTES: usize = 256;

/// What came of looking.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// They can be called.
    Entrypoints(Vec<EntrypointInfo>),
    /// There are none, or more than there may be; this says which.
    Unusable(String),
}

impl Found {
    /// What the module has answered. The code that was looked at may have had its hand in it: any answer will do, as
    /// long as it has the form of one.
    pub fn read(answer: &RawValue) -> Self {
        let Ok(mut found) = serde_json::from_str::<Vec<EntrypointInfo>>(answer.get()) else {
            return Self::Unusable("its exports cannot be told".to_owned());
        };
        if found.is_empty() {
            let what = "it has no entrypoint: export default { fetch() {} }, or classes that extend WorkerEntrypoint";
            return Self::Unusable(what.to_owned());
        }
        let long = |name: &String| name.len() > MAX_NAME_BYTES;
        let much = |entrypoint: &EntrypointInfo| {
            entrypoint.methods.len() > MAX_METHODS || long(&entrypoint.name) || entrypoint.methods.iter().any(long)
        };
        if found.len() > MAX_ENTRYPOINTS || found.iter().any(much) {
            return Self::Unusable(format!(
                "it may have {MAX_ENTRYPOINTS} entrypoints with {MAX_METHODS} methods, and names of {MAX_NAME_BYTES} bytes"
            ));
        }
        found.sort_by(|one, other| (one.name != "default", &one.name).cmp(&(other.name != "default", &other.name)));
        Self::Entrypoints(found)
    }
}

/// The same code with a module before it whose method `entrypoints` says what there is.
pub fn inspection(code: &WorkerCode, loadable: Code) -> Code {
    let mut name = "entrypoints.js".to_owned();
    while code.modules.contains_key(&name) {
        name.insert(0, '_');
    }
    let mut modules = code.modules.clone();
    // JSON strings are JavaScript's too.
    let main = serde_json::Value::from(format!("./{}", code.main_module)).to_string();
    modules.insert(name.clone(), ModuleSource::Js(INSPECT.replace("\"WORKER\"", &main)));
    Code { program: Program::Modules { main: name, modules }, ..loadable }
}

/// No getter is called: what it would give is not the same each time.
const INSPECT: &str = r#"import * as worker from "WORKER";
import { WorkerEntrypoint } from "doer:workers";

function methods(object, end) {
  const names = new Set();
  for (let at = object; at && at !== end; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      const { value } = Object.getOwnPropertyDescriptor(at, name);
      if (typeof value === "function" && name !== "constructor") names.add(name);
    }
  }
  return [...names].sort();
}

function entrypoint(value) {
  if (typeof value === "function" && value.prototype instanceof WorkerEntrypoint) {
    return methods(value.prototype, WorkerEntrypoint.prototype);
  }
  if (typeof value !== "object" || value === null) return undefined;
  const found = methods(value, Object.prototype);
  return found.length ? found : undefined;
}

export default {
  entrypoints() {
    const found = Object.keys(worker).map((name) => ({ name, methods: entrypoint(worker[name]) }));
    return found.filter(({ methods }) => methods);
  },
};
"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: serde_json::Value) -> Found {
        Found::read(&serde_json::value::to_raw_value(&answer).unwrap())
    }

    #[test]
    fn the_default_one_comes_first() {
        let one = |name: &str| EntrypointInfo { name: name.to_owned(), methods: vec!["fetch".to_owned()] };
        let found = read(json!([{"name": "a", "methods": ["fetch"]}, {"name": "default", "methods": ["fetch"]}]));
        assert_eq!(found, Found::Entrypoints(vec![one("default"), one("a")]));
    }

    #[test]
    fn whatever_else_is_answered_is_unusable() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let many = vec![json!({"name": "a", "methods": []}); MAX_ENTRYPOINTS + 1];
        for answer in [json!([]), json!(1), json!([{"name": 1}]), json!([{"name": long, "methods": []}]), json!(many)] {
            assert!(matches!(read(answer.clone()), Found::Unusable(_)), "{answer}");
        }
    }
}
