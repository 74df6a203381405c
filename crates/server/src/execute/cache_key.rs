//! Where a result is kept: a hash over the whole question and whoever asks it, so that nobody is ever answered
//! with what another question or another user was told.

use doer_core::{limits::Limits, scoped::Grants};
use doer_sandbox::{ModuleSource, Program};
use serde_json::value::RawValue;

use super::{plan::Route, request::ExecuteRequest};
use crate::auth::Caller;

/// Where a result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The hash over everything that an answer may depend on.
    pub fn of(
        key: &str,
        program: &Program,
        request: &ExecuteRequest<'_>,
        (grants, loader): (Grants, bool),
        limits: &Limits,
        caller: &Caller,
        route: Route,
    ) -> Self {
        let mut hash = Fields(blake3::Hasher::new());
        hash.add(key.as_bytes());
        hash.add(&[route as u8]);
        hash.add(caller.namespace.as_str().as_bytes());
        hash.add(caller.tier.name().as_bytes());
        // Everything of the user that the code could read from `ctx`.
        hash.add(format!("{:?}", caller.context.auth.user).as_bytes());
        hash.add(format!("{grants} {loader} {limits:?}").as_bytes());
        hash.add(&[request.truncate.into(), request.capture_console.into(), request.capture_fetch.into()]);
        hash.add_json(request.input);
        hash.add_json(request.props);
        hash.add_program(program);
        Self(*hash.0.finalize().as_bytes())
    }

    /// One by its bytes.
    #[cfg(test)]
    pub const fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Fields one after the other, each with its length, so that no two lists of fields give the same bytes.
struct Fields(blake3::Hasher);

impl Fields {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    fn add_json(&mut self, json: Option<&RawValue>) {
        // No JSON is empty, so the absent one can be.
        self.add(json.map_or("", RawValue::get).as_bytes());
    }

    fn add_program(&mut self, program: &Program) {
        match program {
            Program::Text { code, language } => {
                self.add(format!("text {language:?}").as_bytes());
                self.add(code.as_bytes());
            }
            Program::Wasm(bytes) => {
                self.add(b"wasm");
                self.add(bytes);
            }
            Program::Modules { main, modules } => {
                self.add(format!("modules {}", modules.len()).as_bytes());
                self.add(main.as_bytes());
                for (name, module) in modules {
                    self.add(name.as_bytes());
                    self.add_module(module);
                }
            }
        }
    }

    fn add_module(&mut self, module: &ModuleSource) {
        let (kind, bytes): (&[u8], &[u8]) = match module {
            ModuleSource::Js(text) => (b"js", text.as_bytes()),
            ModuleSource::Ts(text) => (b"ts", text.as_bytes()),
            ModuleSource::Cjs(text) => (b"cjs", text.as_bytes()),
            ModuleSource::Text(text) => (b"text", text.as_bytes()),
            ModuleSource::Json(text) => (b"json", text.as_bytes()),
            ModuleSource::Wat(text) => (b"wat", text.as_bytes()),
            ModuleSource::Data(bytes) => (b"data", bytes),
            ModuleSource::Wasm(bytes) => (b"wasm", bytes),
        };
        self.add(kind);
        self.add(bytes);
    }
}
