//! `WorkerCode` as the loader takes it. What the loader does not know yet is refused here, by its path, and nowhere else.

use doer_core::{limits::Limits, scoped::Grants};

use super::{EnvMember, Flag, GlobalOutbound, InvalidCode, ServiceBinding, WorkerCode, WorkerRef};
use crate::loader::{Code, EnvBinding, Outbound, Props, WorkerBinding};

impl WorkerCode {
    /// The code, to be loaded; its top level has `limits`, or its own where they are lower.
    ///
    /// # Errors
    /// [`InvalidCode`] for what cannot be loaded, with its path.
    pub fn loadable(&self, limits: Limits) -> Result<Code, InvalidCode> {
        self.check_loadable()?;
        let env: Vec<_> = self.env.members.iter().map(|(name, member)| (name.clone(), binding(member))).collect();
        Ok(Code {
            program: self.program(),
            env: (!env.is_empty()).then_some(env),
            outbound: match &self.global_outbound {
                GlobalOutbound::Policy => Outbound::Policy,
                GlobalOutbound::Nowhere => Outbound::Nothing,
                GlobalOutbound::Worker(worker) => Outbound::Worker(bound(worker)),
            },
            tails: self.tails.iter().map(bound).collect(),
            hash: self.hash().to_string(),
            limits: self.limits.lowered(limits),
        })
    }

    /// The services that it is given; all that its caller has where this is nothing.
    pub fn services(&self) -> Option<Grants> {
        if self.env.members.is_empty() {
            return None;
        }
        let bound: Vec<ServiceBinding> = self.env.services().collect();
        let one = |binding: &ServiceBinding| match binding {
            ServiceBinding::One(service) => Some(*service),
            ServiceBinding::Unified => None,
        };
        let named: Vec<_> = bound.iter().filter_map(one).collect();
        (named.len() == bound.len()).then(|| Grants::of(named))
    }

    /// Do its requests go out at all?
    pub const fn has_network(&self) -> bool {
        !matches!(self.global_outbound, GlobalOutbound::Nowhere)
    }

    fn check_loadable(&self) -> Result<(), InvalidCode> {
        if self.disallows_eval() {
            let what = format_args!("{:?} {NOT_YET}", Flag::DisallowEval.name());
            return Err(InvalidCode::at("compatibilityFlags", what));
        }
        Ok(())
    }
}

const NOT_YET: &str = "is not supported yet";

fn binding(member: &EnvMember) -> EnvBinding {
    match member {
        EnvMember::Plain(value) => EnvBinding::Value(value.get().to_owned()),
        EnvMember::Service(ServiceBinding::One(service)) => EnvBinding::Service(*service),
        EnvMember::Service(ServiceBinding::Unified) => EnvBinding::Unified,
        EnvMember::Worker(worker) => EnvBinding::Worker(bound(worker)),
        EnvMember::Secret(name) => EnvBinding::Secret(name.to_string()),
    }
}

fn bound(worker: &WorkerRef) -> WorkerBinding {
    WorkerBinding {
        id: worker.id.to_string(),
        entrypoint: worker.entrypoint.clone(),
        props: worker.props.as_ref().map(|props| Props::Json(props.get().to_owned())),
    }
}
