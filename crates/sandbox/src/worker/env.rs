//! `env`: plain values, and bindings to services, workers and secrets.

use std::collections::BTreeMap;

use doer_core::{
    id::{MAX_SECRET_NAME_BYTES, is_secret_name},
    service::Service,
};
use serde_json::value::RawValue;

use super::{
    InvalidCode, WorkerRef, canonical,
    json::{self, Fields, Members},
};

/// The largest `env`, as JSON without spaces.
pub const MAX_ENV_BYTES: u64 = 1 << 20;
const MAX_NAME_BYTES: usize = 256;
const BINDINGS: &str = "$service, $worker, $secret";
/// All services as one.
const UNIFIED: &str = "DO";
const LOADER: &str = "LOADER";

/// What code sees as `env`, by name.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Env {
    /// Each under its name.
    pub members: BTreeMap<String, EnvMember>,
}

/// A member of `env`.
#[derive(Debug, Clone)]
pub enum EnvMember {
    /// A value.
    Plain(Box<RawValue>),
    /// A service of the platform, or all of them.
    Service(ServiceBinding),
    /// Another worker.
    Worker(WorkerRef),
    /// A secret of the namespace, by its name.
    Secret(String),
}

/// What `$service` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceBinding {
    /// One of the eight.
    One(Service),
    /// `DO`: all that is granted, under one name.
    Unified,
    /// `LOADER`, which loads other code.
    Loader,
}

impl ServiceBinding {
    /// The name in `$service`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One(service) => service.name(),
            Self::Unified => UNIFIED,
            Self::Loader => LOADER,
        }
    }

    fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        let name = json::text(path, raw)?;
        match name.as_str() {
            UNIFIED => return Ok(Self::Unified),
            LOADER => return Ok(Self::Loader),
            _ => {}
        }
        Service::from_name(&name).map(Self::One).ok_or_else(|| {
            let known = Service::ALL.map(Service::name).join(", ");
            let unknown = json::shortened(&name);
            InvalidCode::at(
                path,
                format_args!(
                    "{unknown:?} is no service; services are {known}, {UNIFIED} for all, {LOADER} to load code"
                ),
            )
        })
    }
}

impl Env {
    /// Reads `env`.
    ///
    /// # Errors
    /// [`InvalidCode`] with the path of the member, below `path`.
    pub fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        let mut members = BTreeMap::new();
        for (name, raw) in json::members(path, raw, " of values and bindings by name")? {
            let path = json::member(path, &name);
            check_name(&path, &name)?;
            members.insert(name, EnvMember::decode(&path, raw)?);
        }
        let env = Self { members };
        let size = canonical::env_bytes(&env);
        if size > MAX_ENV_BYTES {
            return Err(InvalidCode::at(path, format_args!("has {size} bytes, and may have {MAX_ENV_BYTES}")));
        }
        Ok(env)
    }

    /// The services that it binds.
    pub fn services(&self) -> impl Iterator<Item = ServiceBinding> {
        self.members.values().filter_map(|member| match member {
            EnvMember::Service(service) => Some(*service),
            EnvMember::Plain(_) | EnvMember::Worker(_) | EnvMember::Secret(_) => None,
        })
    }
}

impl EnvMember {
    fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        if !raw.get().starts_with('{') {
            return json::data(path, raw).map(Self::Plain);
        }
        let members = json::members(path, raw, "")?;
        let marks: Vec<&str> =
            members.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with('$')).collect();
        match marks[..] {
            [] => json::data(path, raw).map(Self::Plain),
            ["$service"] => {
                let (at, raw) = only(path, "$service", members)?;
                ServiceBinding::decode(&at, raw).map(Self::Service)
            }
            ["$worker"] => WorkerRef::of(path, members).map(Self::Worker),
            ["$secret"] => {
                let (at, raw) = only(path, "$secret", members)?;
                secret(&at, raw).map(Self::Secret)
            }
            [unknown] => {
                let message = format_args!("is not known; known are {BINDINGS}, and a plain object has no such key");
                Err(InvalidCode::at(&json::member(path, unknown), message))
            }
            [..] => Err(InvalidCode::at(path, format_args!("must have exactly one of {BINDINGS}"))),
        }
    }
}

/// The value of a binding that has nothing beside its mark.
fn only<'a>(path: &str, mark: &'static str, members: Members<'a>) -> Result<(String, &'a RawValue), InvalidCode> {
    let fields = Fields::of(path, members, &[mark])?;
    Ok((fields.path(mark), fields.required(mark)?))
}

fn secret(path: &str, raw: &RawValue) -> Result<String, InvalidCode> {
    let name = json::text(path, raw)?;
    if !is_secret_name(&name) {
        let message = format_args!(
            "a secret's name has 1 to {MAX_SECRET_NAME_BYTES} letters, digits or _, and does not begin with a digit"
        );
        return Err(InvalidCode::at(path, message));
    }
    Ok(name)
}

fn check_name(path: &str, name: &str) -> Result<(), InvalidCode> {
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || name.contains('\0') {
        return Err(InvalidCode::at(path, format_args!("a name has 1 to {MAX_NAME_BYTES} bytes, and no NUL")));
    }
    if name == "__proto__" {
        return Err(InvalidCode::at(path, "a member cannot have this name"));
    }
    Ok(())
}
