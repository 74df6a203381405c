//! What a worker is: `WorkerCode`, read from JSON, checked, and written back in one form.
//!
//! The words are Cloudflare's. Whatever is wrong is told with the path of the field; nothing is ignored.

mod canonical;
mod compatibility;
mod decode;
mod env;
mod error;
mod events;
mod json;
mod limits;
mod loadable;
mod modules;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use doer_core::time::Clock;

pub(crate) use decode::flags;

pub use compatibility::{CompatibilityDate, Flag};
pub use env::{Env, EnvMember, MAX_ENV_BYTES, ServiceBinding};
pub use error::InvalidCode;
pub use events::EVENTS;
pub use limits::WorkerLimits;
pub use modules::{decode_base64, decode_modules};
pub use reference::{GlobalOutbound, WorkerRef};

use crate::{ModuleSource, Program, program::size_of_modules};

/// Code that can be called again and again, and all that it is given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerCode {
    /// Which behaviour of the platform it was written for.
    pub compatibility_date: CompatibilityDate,
    /// What differs from that.
    pub compatibility_flags: BTreeSet<Flag>,
    /// The key of the module to start with.
    pub main_module: String,
    /// Name to module; no name begins with `./`.
    pub modules: BTreeMap<String, ModuleSource>,
    /// What it sees as `env`.
    pub env: Env,
    /// Where its requests to the outside go.
    pub global_outbound: GlobalOutbound,
    /// Workers that are told what became of each invocation.
    pub tails: Vec<WorkerRef>,
    /// Its own limits.
    pub limits: WorkerLimits,
}

/// What holds where code is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// No compatibility date is later.
    pub today: CompatibilityDate,
    /// The date of code that names none. It is part of what is kept: another default later changes nothing for it.
    pub default_date: CompatibilityDate,
    /// Names and bytes of all modules together.
    pub max_code_bytes: u64,
}

impl Rules {
    /// For code that somebody brings now, of any size.
    pub fn now(clock: &dyn Clock, default_date: CompatibilityDate) -> Self {
        Self { today: CompatibilityDate::of(clock.now()), default_date, max_code_bytes: u64::MAX }
    }

    /// For code that was accepted before: neither a clock that was set back nor a lowered limit makes it wrong.
    pub const fn kept() -> Self {
        Self { today: CompatibilityDate::LAST, default_date: CompatibilityDate::LAST, max_code_bytes: u64::MAX }
    }
}

impl WorkerCode {
    /// Bytes of code, for the limit on its size.
    pub fn size_bytes(&self) -> u64 {
        size_of_modules(&self.modules)
    }

    /// Does `eval` not work in it?
    pub fn disallows_eval(&self) -> bool {
        self.compatibility_flags.contains(&Flag::DisallowEval)
    }

    /// The modules, to be run.
    pub fn program(&self) -> Program {
        Program::Modules { main: self.main_module.clone(), modules: self.modules.clone() }
    }
}

#[cfg(test)]
mod tests;
