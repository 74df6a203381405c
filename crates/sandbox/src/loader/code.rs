//! Code that other code gives to `env.LOADER`.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use doer_core::{
    limits::Limits,
    scoped::Grants,
    service::Service,
    time::{Clock as _, SystemClock},
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    bindings::{EnvBinding, Outbound, WorkerBinding},
    slot::{Factory, LoadError},
    worker::Code,
};
use crate::{
    Program,
    links::Target,
    worker::{CompatibilityDate, Flag, MAX_ENV_BYTES, WorkerLimits, decode_modules, flags},
};

/// As with workers that are registered.
const MAX_TAILS: usize = 10;

/// Code, and the stubs in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'a> {
    #[serde(borrow)]
    code: &'a RawValue,
    stubs: Vec<Parts>,
}

/// Worker, entrypoint, props, limits.
#[derive(Deserialize)]
struct Parts(Option<u32>, Option<String>, Option<String>, Option<String>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given<'a> {
    #[serde(borrow)]
    main_module: Cow<'a, str>,
    #[serde(borrow)]
    modules: &'a RawValue,
    #[serde(default)]
    env: BTreeMap<String, Member>,
    #[serde(default, deserialize_with = "present")]
    global_outbound: Option<Option<Stub>>,
    tails: Option<Vec<Stub>>,
    #[serde(borrow)]
    limits: Option<&'a RawValue>,
    #[serde(borrow)]
    compatibility_date: Option<&'a RawValue>,
    #[serde(borrow)]
    compatibility_flags: Option<&'a RawValue>,
}

/// A member of `env`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    /// As guests write values.
    Value(String),
    Service {
        service: u32,
    },
    Stub(Stub),
}

/// By its place among the stubs.
#[derive(Deserialize)]
struct Stub {
    stub: usize,
}

/// Tells `null` from what is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Stub>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What holds for code that is given.
pub(super) struct Parent<'a> {
    /// Of whoever gives it.
    pub(super) limits: Limits,
    /// The services that it can pass on.
    pub(super) grants: Grants,
    /// Where its own requests go: those of code that says nothing go there too.
    pub(super) outbound: Outbound,
    /// Whom a stub of its own stands for.
    pub(super) find: &'a (dyn Fn(&Target) -> Result<WorkerBinding, String> + Sync),
}

/// The code that a text stands for; else what is wrong with it, by its path.
pub(super) fn parse(text: &str, parent: &Parent<'_>) -> Result<Code, String> {
    let wrong = |error: serde_json::Error| format!("the code of the worker: {error}");
    let Whole { code, stubs } = serde_json::from_str(text).map_err(wrong)?;
    let given: Given<'_> = serde_json::from_str(code.get()).map_err(wrong)?;
    let bound = |path: &str, Stub { stub }: &Stub| {
        let Parts(worker, entrypoint, props, limits) = stubs.get(*stub).ok_or_else(|| format!("{path}: no stub"))?;
        let (entrypoint, props) = (entrypoint.clone(), props.clone());
        (parent.find)(&Target { worker: *worker, entrypoint, props, limits: limits.clone() })
            .map_err(|why| format!("{path}: {why}"))
    };
    let env_bytes: u64 = given.env.iter().map(|(name, member)| (name.len() + member.size_bytes()) as u64).sum();
    if env_bytes > MAX_ENV_BYTES {
        return Err(format!("env: {env_bytes} bytes are more than {MAX_ENV_BYTES}"));
    }
    let member = |(name, member): (String, Member)| {
        let path = format!("env[{name:?}]");
        let binding = match member {
            Member::Value(text) => EnvBinding::Cloned(text),
            Member::Service { service } => EnvBinding::Service(granted(&path, service, parent.grants)?),
            Member::Stub(stub) => EnvBinding::Worker(bound(&path, &stub)?),
        };
        Ok::<_, String>((name, binding))
    };
    let env = given.env.into_iter().map(member).collect::<Result<_, _>>()?;
    let outbound = match &given.global_outbound {
        None => parent.outbound.clone(),
        Some(None) => Outbound::Nothing,
        Some(Some(stub)) => Outbound::Worker(bound("globalOutbound", stub)?),
    };
    let tails = given.tails.unwrap_or_default();
    if tails.len() > MAX_TAILS {
        return Err(format!("tails: there are {}, and there may be {MAX_TAILS}", tails.len()));
    }
    let tails = tails.iter().enumerate().map(|(at, tail)| bound(&format!("tails[{at}]"), tail));
    let own_limits = given.limits.map(|limits| WorkerLimits::decode("limits", limits)).transpose();
    if let Some(date) = given.compatibility_date {
        let today = CompatibilityDate::of(SystemClock.now());
        CompatibilityDate::decode("compatibilityDate", date, today).map_err(|wrong| wrong.to_string())?;
    }
    let flags = flags(given.compatibility_flags).map_err(|wrong| wrong.to_string())?;
    let (main, modules) = decode_modules(given.modules, &given.main_module).map_err(|wrong| wrong.to_string())?;
    let program = Program::Modules { main, modules };
    let bytes = program.size_bytes();
    if bytes > parent.limits.code_bytes {
        return Err(format!("modules: {bytes} bytes are more than {}", parent.limits.code_bytes));
    }
    let own_limits = own_limits.map_err(|wrong| wrong.to_string())?.unwrap_or_default();
    Ok(Code {
        program,
        env: Some(env),
        outbound,
        tails: tails.collect::<Result<_, _>>()?,
        own_limits,
        disallow_eval: flags.contains(&Flag::DisallowEval),
        hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        limits: own_limits.lowered(parent.limits),
    })
}

impl Member {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Value(text) => text.len(),
            Self::Service { .. } | Self::Stub(_) => 0,
        }
    }
}

fn granted(path: &str, bit: u32, grants: Grants) -> Result<Service, String> {
    let service = Service::ALL.get(bit as usize).copied().ok_or_else(|| format!("{path}: no such service"))?;
    if grants.has(service) {
        return Ok(service);
    }
    Err(format!("{path}: Access denied to bindings: {service}. Available: {grants}"))
}

/// Code that is at hand, and kept nowhere.
struct AtHand(Code);

#[async_trait]
impl Factory for AtHand {
    async fn code(&self) -> Result<Code, LoadError> {
        Ok(self.0.clone())
    }

    fn held_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn is_durable(&self) -> bool {
        false
    }
}

/// Gives that code whenever it is asked.
pub(super) fn factory(code: Code) -> Arc<dyn Factory> {
    Arc::new(AtHand(code))
}
