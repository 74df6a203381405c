//! Code that other code gives to `env.LOADER`.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use doer_core::limits::Limits;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use super::{
    bindings::{EnvBinding, Outbound},
    slot::{Factory, LoadError},
    worker::Code,
};
use crate::{
    Program,
    worker::{MAX_ENV_BYTES, decode_modules},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given<'a> {
    #[serde(borrow)]
    main_module: Cow<'a, str>,
    #[serde(borrow)]
    modules: &'a RawValue,
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
    let given: Given<'_> = serde_json::from_str(text).map_err(|error| format!("the code of the worker: {error}"))?;
    if let Some(flag) = given.compatibility_flags.iter().flatten().next() {
        return Err(format!("compatibilityFlags: unknown flag {flag:?}; there are none"));
    }
    let outbound = match given.global_outbound {
        None => Outbound::Policy,
        Some(Value::Null) => Outbound::Nothing,
        Some(_) => return Err("globalOutbound: must be null or absent".to_owned()),
    };
    let env_bytes = given.env.iter().flatten().map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>();
    if env_bytes > MAX_ENV_BYTES {
        return Err(format!("env: {env_bytes} bytes are more than {MAX_ENV_BYTES}"));
    }
    let (main, modules) = decode_modules(given.modules, &given.main_module).map_err(|wrong| wrong.to_string())?;
    let program = Program::Modules { main, modules };
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
    Arc::new(AtHand(code))
}

/// Code that is kept nowhere.
struct AtHand(Code);

#[async_trait]
impl Factory for AtHand {
    async fn code(&self) -> Result<Code, LoadError> {
        Ok(self.0.clone())
    }

    fn is_durable(&self) -> bool {
        false
    }
}
