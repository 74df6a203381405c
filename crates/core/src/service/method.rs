//! What there is to call: every method of every service, in one table that all doors are made from.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator};

use super::{Code, Service, auth, db, email, gateway, mcp, queue, schedule, webhooks};

/// One method of a service, as its contract declares it.
#[derive(Debug, Clone)]
pub struct Method {
    /// Whose it is.
    pub service: Service,
    /// Its name on every wire.
    pub name: &'static str,
    /// What it does, and how it fails.
    pub docs: &'static str,
    /// Its parameters, in the order in which they are given by position.
    pub parameters: Vec<Parameter>,
    /// Does it change anything? What only reads may be tried again.
    pub effect: Effect,
    /// The codes that its contract documents, beside `invalid_request`, `service_unavailable` and `internal`, which
    /// any method may give.
    pub errors: &'static [Code],
    /// The schema of all parameters as one object.
    pub input: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of the result.
    pub output: fn(&mut SchemaGenerator) -> Schema,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name on every wire.
    pub name: String,
    /// Must it be there? `null` counts as absent.
    pub required: bool,
}

/// Does a method change anything?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads: safe to try again.
    Read,
    /// It changes something.
    Write,
}

static TABLE: LazyLock<Vec<Vec<Method>>> = LazyLock::new(|| {
    let all = |service| match service {
        Service::Db => db::methods(),
        Service::Auth => auth::methods(),
        Service::Gateway => gateway::methods(),
        Service::Schedule => schedule::methods(),
        Service::Webhooks => webhooks::methods(),
        Service::Email => email::methods(),
        Service::Mcp => mcp::methods(),
        Service::Queue => queue::methods(),
    };
    Service::ALL.into_iter().map(all).collect()
});

impl Service {
    /// Its methods, in the order of the contract.
    pub fn methods(self) -> &'static [Method] {
        &TABLE[self as usize]
    }

    /// What it is, as its contract says.
    pub const fn docs(self) -> &'static str {
        match self {
            Self::Db => db::DOCS,
            Self::Auth => auth::DOCS,
            Self::Gateway => gateway::DOCS,
            Self::Schedule => schedule::DOCS,
            Self::Webhooks => webhooks::DOCS,
            Self::Email => email::DOCS,
            Self::Mcp => mcp::DOCS,
            Self::Queue => queue::DOCS,
        }
    }

    /// The method of that name.
    pub fn method(self, name: &str) -> Option<&'static Method> {
        self.methods().iter().find(|method| method.name == name)
    }
}

impl Method {
    /// `service_method`, as members of `env.DO` and tools are called.
    pub fn flat_name(&self) -> String {
        format!("{}_{}", self.service, self.name)
    }

    /// `service.method`, as messages and metrics call it.
    pub fn path(&self) -> String {
        format!("{}.{}", self.service, self.name)
    }

    /// The first paragraph of its documentation.
    pub fn summary(&self) -> &'static str {
        self.docs.split("\n\n").next().unwrap_or_default().trim()
    }

    /// Used by the contract macro.
    pub(super) fn parameters(fields: &[&str], input: fn(&mut SchemaGenerator) -> Schema) -> Vec<Parameter> {
        let schema = input(&mut SchemaGenerator::default());
        let required = |name: &str| {
            let required = schema.get("required").and_then(serde_json::Value::as_array);
            required.is_some_and(|required| required.iter().any(|entry| entry == name))
        };
        fields
            .iter()
            .map(|field| {
                let name = camel_case(field);
                Parameter { required: required(&name), name }
            })
            .collect()
    }
}

/// `task_name` as it is written on the wire: `taskName`.
fn camel_case(field: &str) -> String {
    let mut parts = field.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let head: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        name + &head + letters.as_str()
    })
}
