//! `WorkerCode` as the loader takes it. What the loader does not know yet is refused here, by its path, and nowhere else.

use doer_core::{limits::Limits, scoped::Grants};

use super::{EnvMember, Flag, GlobalOutbound, InvalidCode, ServiceBinding, WorkerCode, WorkerRef, json};
use crate::{
    ModuleSource,
    loader::{Code, EnvBinding, Outbound, Props, WorkerBinding},
};

impl WorkerCode {
    /// The code, to be loaded; its top level has `limits`, or its own where they are lower.
    ///
    /// # Errors
    /// [`InvalidCode`] for what cannot be loaded, with its path.
    pub fn loadable(&self, limits: Limits) -> Result<Code, InvalidCode> {
        self.check_loadable()?;
        let env = self.env.members.iter().map(|(name, member)| {
            let path = json::member("env", name);
            Ok((name.clone(), binding(&path, member)?))
        });
        let env = env.collect::<Result<Vec<_>, InvalidCode>>()?;
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
        if let Some(ModuleSource::Wasm(_) | ModuleSource::Wat(_)) = self.modules.get(&self.main_module) {
            let what = "a WebAssembly command answers no requests and has no methods to call: use POST /execute";
            return Err(InvalidCode::at("mainModule", what));
        }
        if self.disallows_eval() {
            let what = format_args!("{:?} {NOT_YET}", Flag::DisallowEval.name());
            return Err(InvalidCode::at("compatibilityFlags", what));
        }
        Ok(())
    }
}

const NOT_YET: &str = "is not supported yet";

fn binding(path: &str, member: &EnvMember) -> Result<EnvBinding, InvalidCode> {
    match member {
        EnvMember::Plain(value) => Ok(EnvBinding::Value(value.get().to_owned())),
        EnvMember::Service(ServiceBinding::One(service)) => Ok(EnvBinding::Service(*service)),
        EnvMember::Service(ServiceBinding::Unified) => Ok(EnvBinding::Unified),
        EnvMember::Worker(worker) => Ok(EnvBinding::Worker(bound(worker))),
        EnvMember::Secret(_) => Err(InvalidCode::at(&json::member(path, "$secret"), NOT_YET)),
    }
}

fn bound(worker: &WorkerRef) -> WorkerBinding {
    WorkerBinding {
        id: worker.id.to_string(),
        entrypoint: worker.entrypoint.clone(),
        props: worker.props.as_ref().map(|props| Props::Json(props.get().to_owned())),
    }
}
