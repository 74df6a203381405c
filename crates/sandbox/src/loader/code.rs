//! Code that other code gives to `env.LOADER`.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use doer_core::limits::Limits;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    bindings::{EnvBinding, Outbound},
    slot::Factory,
    worker::Code,
};
use crate::{ModuleSource, Program};

/// What `env` may be, as text.
const MAX_ENV_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    main_module: String,
    modules: BTreeMap<String, Value>,
    /// Values as guests write them.
    env: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "present")]
    global_outbound: Option<Value>,
    #[serde(rename = "compatibilityDate")]
    _compatibility_date: Option<String>,
    compatibility_flags: Option<Vec<String>>,
}

/// Tells `null` from what is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The code that a text stands for; else what is wrong with it, by its path.
pub(super) fn parse(text: &str, limits: Limits) -> Result<Code, String> {
    let given: Given = serde_json::from_str(text).map_err(|error| format!("the code of the worker: {error}"))?;
    if !given.modules.contains_key(&given.main_module) {
        return Err(format!("mainModule: there is no module {:?}", given.main_module));
    }
    if let Some(flag) = given.compatibility_flags.iter().flatten().next() {
        return Err(format!("compatibilityFlags: unknown flag {flag:?}; there are none"));
    }
    let outbound = match given.global_outbound {
        None => Outbound::Policy,
        Some(Value::Null) => Outbound::Nothing,
        Some(_) => return Err("globalOutbound: must be null or absent".to_owned()),
    };
    let env_bytes = given.env.iter().flatten().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if env_bytes > MAX_ENV_BYTES {
        return Err(format!("env: {env_bytes} bytes are more than {MAX_ENV_BYTES}"));
    }
    let mut modules = BTreeMap::new();
    for (name, module) in given.modules {
        let module = module_of(&name, module).map_err(|wrong| format!("modules[{name:?}]: {wrong}"))?;
        modules.insert(name, module);
    }
    let program = Program::Modules { main: given.main_module, modules };
    let bytes = program.size_bytes();
    if bytes > limits.code_bytes {
        return Err(format!("modules: {bytes} bytes are more than {}", limits.code_bytes));
    }
    let env = given.env.unwrap_or_default();
    Ok(Code {
        program,
        env: Some(env.into_iter().map(|(name, text)| (name, EnvBinding::Cloned(text))).collect()),
        outbound,
        tails: Vec::new(),
        hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        limits,
    })
}

/// Gives that code whenever it is asked.
pub(super) fn factory(code: Code) -> Arc<dyn Factory> {
    Arc::new(move || {
        let code = code.clone();
        async move { Ok(code) }
    })
}

fn module_of(name: &str, module: Value) -> Result<ModuleSource, String> {
    let members = match module {
        Value::String(text) => return by_extension(name, text),
        Value::Object(members) => members,
        _ => return Err("must be a string or an object".to_owned()),
    };
    let mut members = members.into_iter();
    let (Some((kind, Value::String(text))), None) = (members.next(), members.next()) else {
        return Err("must have exactly one of js, ts, cjs, text, json, data, wasm".to_owned());
    };
    let bytes = |text: &str| BASE64_STANDARD.decode(text).map_err(|error| error.to_string());
    Ok(match kind.as_str() {
        "js" => ModuleSource::Js(text),
        "ts" => ModuleSource::Ts(text),
        "cjs" => ModuleSource::Cjs(text),
        "text" => ModuleSource::Text(text),
        "json" => ModuleSource::Json(text),
        "data" => ModuleSource::Data(bytes(&text)?),
        "wasm" => ModuleSource::Wasm(bytes(&text)?),
        other => return Err(format!("{other:?} is no kind of module")),
    })
}

fn by_extension(name: &str, text: String) -> Result<ModuleSource, String> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    Ok(match extension {
        "js" | "mjs" => ModuleSource::Js(text),
        "ts" | "mts" | "tsx" | "jsx" => ModuleSource::Ts(text),
        "cjs" => ModuleSource::Cjs(text),
        "json" => ModuleSource::Json(text),
        "txt" => ModuleSource::Text(text),
        "wat" => ModuleSource::Wat(text),
        other => return Err(format!("the extension {other:?} says nothing of what it is")),
    })
}
