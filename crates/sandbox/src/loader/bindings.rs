//! What a worker is bound to: values, services, secrets, other workers.

use doer_core::{scoped::Grants, service::Service};
use doer_guest_protocol::Binding;

use super::worker::Code;
use crate::links;

/// A member of `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvBinding {
    /// A value, as JSON text.
    Value(String),
    /// A value that another worker gave, as guests write them for each other.
    Cloned(String),
    /// A service.
    Service(Service),
    /// All services in one object.
    Unified,
    /// A secret, by its name. Its value comes with each run, and is in no image.
    Secret(String),
    /// Another worker of the same namespace.
    Worker(WorkerBinding),
    /// The loader itself: for code that is trusted to load other code.
    Loader,
}

impl EnvBinding {
    /// Is it one of the services, or all of them?
    pub(super) const fn is_service(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Unified)
    }

    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Value(text) | Self::Cloned(text) | Self::Secret(text) => text.len(),
            Self::Worker(binding) => binding.id.len(),
            Self::Service(_) | Self::Unified | Self::Loader => 0,
        }
    }
}

/// An entrypoint of a worker of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerBinding {
    /// The worker's id.
    pub id: String,
    /// Which of its exports; the default one where there is none.
    pub entrypoint: Option<String>,
    /// What it sees as `ctx.props`.
    pub props: Option<Props>,
}

/// What an entrypoint sees as `ctx.props`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Props {
    /// JSON text.
    Json(String),
    /// As guests write values for each other.
    Cloned(String),
}

/// What answers a worker's `fetch`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outbound {
    /// The network, under the policy of its namespace.
    #[default]
    Policy,
    /// Nothing: each `fetch` throws.
    Nothing,
    /// A worker.
    Worker(WorkerBinding),
}

/// Whom a worker is bound to, in the order of the guest's numbers.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) workers: Vec<WorkerBinding>,
    pub(super) secrets: Vec<String>,
    pub(super) outbound: links::Outbound,
    pub(super) tails: Vec<WorkerBinding>,
    /// Has it the loader?
    pub(super) loads: bool,
    /// The services that it is bound to; all that there are for its tier, where it is not said.
    pub(super) grants: Grants,
}

impl Links {
    pub(super) fn of(code: &Code) -> Self {
        let mut links = Self { tails: code.tails.clone(), grants: grants(code.env.as_deref()), ..Self::default() };
        for (_, member) in code.env.iter().flatten() {
            match member {
                EnvBinding::Secret(name) => links.secrets.push(name.clone()),
                EnvBinding::Worker(binding) => links.workers.push(binding.clone()),
                EnvBinding::Loader => links.loads = true,
                EnvBinding::Value(_) | EnvBinding::Cloned(_) | EnvBinding::Service(_) | EnvBinding::Unified => {}
            }
        }
        links.outbound = match &code.outbound {
            Outbound::Policy => links::Outbound::Policy,
            Outbound::Nothing => links::Outbound::Nothing,
            Outbound::Worker(binding) => {
                links.workers.push(binding.clone());
                links::Outbound::Worker(number(links.workers.len() - 1))
            }
        };
        links
    }
}

fn grants(env: Option<&[(String, EnvBinding)]>) -> Grants {
    let Some(env) = env else { return Grants::of(Service::ALL) };
    if env.iter().any(|(_, member)| *member == EnvBinding::Unified) {
        return Grants::of(Service::ALL);
    }
    Grants::of(env.iter().filter_map(|(_, member)| match member {
        EnvBinding::Service(service) => Some(*service),
        _ => None,
    }))
}

/// The members as the guest takes them, numbered as in [`Links`].
pub(super) fn guest_bindings(env: &[(String, EnvBinding)]) -> Vec<(String, Binding)> {
    let (mut workers, mut secrets) = (0, 0);
    let next = |counter: &mut u32| std::mem::replace(counter, *counter + 1);
    let mut binding = |binding: &EnvBinding| match binding {
        EnvBinding::Value(json) => Binding::Value(json.clone()),
        EnvBinding::Cloned(text) => Binding::Cloned(text.clone()),
        EnvBinding::Service(service) => Binding::Service(*service as u32),
        EnvBinding::Unified => Binding::Unified,
        EnvBinding::Secret(_) => Binding::Secret(next(&mut secrets)),
        EnvBinding::Worker(_) => Binding::Worker(next(&mut workers)),
        EnvBinding::Loader => Binding::Loader,
    };
    env.iter().map(|(name, member)| (name.clone(), binding(member))).collect()
}

/// There are never so many that it would not fit: code is smaller than that.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
