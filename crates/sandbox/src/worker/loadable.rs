//! `WorkerCode` as the loader takes it. What the loader does not know yet is refused here, by its path, and nowhere else.

use doer_core::{limits::Limits, scoped::Grants};

use super::{EnvMember, GlobalOutbound, InvalidCode, ServiceBinding, WorkerCode, WorkerRef, events};
use crate::{
    ModuleSource, Program,
    loader::{Code, EnvBinding, Outbound, Props, WorkerBinding},
};

impl WorkerCode {
    /// The code, to be loaded; its top level has `limits`, or its own where they are lower.
    ///
    /// # Errors
    /// [`InvalidCode`] for what cannot be loaded, with its path.
    pub fn loadable(&self, limits: Limits) -> Result<Code, InvalidCode> {
        self.check_loadable()?;
        let env: Vec<_> = self.env.members.iter().map(|(name, member)| (name.clone(), binding(member))).collect();
        Ok(Code {
            program: self.entered(),
            env: (!env.is_empty()).then_some(env),
            outbound: match &self.global_outbound {
                GlobalOutbound::Policy => Outbound::Policy,
                GlobalOutbound::Nowhere => Outbound::Nothing,
                GlobalOutbound::Worker(worker) => Outbound::Worker(bound(worker)),
            },
            tails: self.tails.iter().map(bound).collect(),
            own_limits: self.limits,
            disallow_eval: self.disallows_eval(),
            hash: self.hash().to_string(),
            limits: self.limits.lowered(limits),
        })
    }

    /// Is it a WebAssembly component, rather than a script?
    pub fn is_component(&self) -> bool {
        match self.modules.get(&self.main_module) {
            Some(ModuleSource::Wasm(binary)) => binary.get(4..8) == Some(&COMPONENT),
            Some(ModuleSource::Wat(text)) => text.trim_start().starts_with("(component"),
            Some(_) | None => false,
        }
    }

    /// The program, with what stands before a script for the host's own calls.
    fn entered(&self) -> Program {
        if self.is_component() {
            return self.program();
        }
        let (main, modules) = events::before(&self.main_module, &self.modules);
        Program::Modules { main, modules }
    }

    /// The services that it is given; all that its caller has where this is nothing.
    pub fn services(&self) -> Option<Grants> {
        if self.env.members.is_empty() {
            return None;
        }
        let bound: Vec<ServiceBinding> =
            self.env.services().filter(|binding| *binding != ServiceBinding::Loader).collect();
        let one = |binding: &ServiceBinding| match binding {
            ServiceBinding::One(service) => Some(*service),
            ServiceBinding::Unified | ServiceBinding::Loader => None,
        };
        let named: Vec<_> = bound.iter().filter_map(one).collect();
        (named.len() == bound.len()).then(|| Grants::of(named))
    }

    /// Do its requests go out at all?
    pub const fn has_network(&self) -> bool {
        !matches!(self.global_outbound, GlobalOutbound::Nowhere)
    }

    fn check_loadable(&self) -> Result<(), InvalidCode> {
        let main = self.modules.get(&self.main_module);
        if matches!(main, Some(ModuleSource::Wasm(_) | ModuleSource::Wat(_))) && !self.is_component() {
            let what = "a WebAssembly command answers no requests and has no methods to call: use POST /execute";
            return Err(InvalidCode::at("mainModule", what));
        }
        Ok(())
    }
}

/// Version and layer in a binary's head: a core module has another layer.
const COMPONENT: [u8; 4] = [0x0d, 0x00, 0x01, 0x00];

fn binding(member: &EnvMember) -> EnvBinding {
    match member {
        EnvMember::Plain(value) => EnvBinding::Value(value.get().to_owned()),
        EnvMember::Service(ServiceBinding::One(service)) => EnvBinding::Service(*service),
        EnvMember::Service(ServiceBinding::Unified) => EnvBinding::Unified,
        EnvMember::Service(ServiceBinding::Loader) => EnvBinding::Loader,
        EnvMember::Worker(worker) => EnvBinding::Worker(bound(worker)),
        EnvMember::Secret(name) => EnvBinding::Secret(name.to_string()),
    }
}

fn bound(worker: &WorkerRef) -> WorkerBinding {
    WorkerBinding {
        entrypoint: worker.entrypoint.clone(),
        props: worker.props.as_ref().map(|props| Props::Json(props.get().to_owned())),
        ..WorkerBinding::to(worker.id.as_str())
    }
}
