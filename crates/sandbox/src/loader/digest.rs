//! What a worker's code is, as one number: two workers with the same one become the same.

use doer_guest_protocol::encode;

use super::{bindings::guest_bindings, worker::Code};
use crate::{ModuleSource, Program};

/// A hash of all that a worker's heap after its top level comes from, and of whatever else its own hash stands for. That
/// one alone would not do: how well it tells code apart is up to whoever brings the code.
pub(super) fn of(code: &Code) -> blake3::Hash {
    let mut parts = Parts(blake3::Hasher::new());
    parts.add(code.hash.as_bytes());
    parts.add(&encode(&code.env.as_deref().map(guest_bindings)));
    match &code.program {
        Program::Text { code, language } => {
            parts.add(format!("{language:?}").as_bytes());
            parts.add(code.as_bytes());
        }
        Program::Modules { main, modules } => {
            parts.add(b"modules");
            parts.add(main.as_bytes());
            for (name, module) in modules {
                let (kind, content): (&str, &[u8]) = match module {
                    ModuleSource::Js(code) => ("js", code.as_bytes()),
                    ModuleSource::Ts(code) => ("ts", code.as_bytes()),
                    ModuleSource::Cjs(code) => ("cjs", code.as_bytes()),
                    ModuleSource::Text(text) => ("text", text.as_bytes()),
                    ModuleSource::Json(text) => ("json", text.as_bytes()),
                    ModuleSource::Data(bytes) => ("data", bytes),
                    ModuleSource::Wasm(bytes) => ("wasm", bytes),
                    ModuleSource::Wat(text) => ("wat", text.as_bytes()),
                };
                [name.as_bytes(), kind.as_bytes(), content].into_iter().for_each(|part| parts.add(part));
            }
        }
        Program::Wasm(binary) => {
            parts.add(b"wasm");
            parts.add(binary);
        }
    }
    parts.0.finalize()
}

/// Parts, each with its length: where one ends and the next begins counts.
struct Parts(blake3::Hasher);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::{limits::Limits, tier::Tier};

    use super::*;
    use crate::loader::{EnvBinding, Outbound};

    fn modules(modules: &[(&str, ModuleSource)]) -> Code {
        let modules = modules.iter().map(|(name, module)| ((*name).to_owned(), module.clone())).collect();
        Code {
            program: Program::Modules { main: "a".to_owned(), modules },
            env: None,
            outbound: Outbound::Policy,
            tails: Vec::new(),
            hash: "the same".to_owned(),
            limits: Limits::of(Tier::Tenant),
        }
    }

    #[test]
    fn whatever_a_heap_comes_from_counts() {
        let text = |text: &str| ModuleSource::Text(text.to_owned());
        let js = |text: &str| ModuleSource::Js(text.to_owned());
        let base = modules(&[("a", js("1")), ("b", text("2"))]);
        let env = |env: &[(&str, EnvBinding)]| Code {
            env: Some(env.iter().map(|(name, member)| ((*name).to_owned(), member.clone())).collect()),
            ..base.clone()
        };
        let value = |json: &str| EnvBinding::Value(json.to_owned());
        let codes = [
            base.clone(),
            modules(&[("a", js("1")), ("b", text("3"))]),
            modules(&[("a", js("1")), ("b", js("2"))]),
            modules(&[("a", js("1")), ("c", text("2"))]),
            modules(&[("a", js("1b")), ("", text("2"))]),
            modules(&[("a", js("1"))]),
            Code { hash: "another".to_owned(), ..base.clone() },
            Code { program: Program::Text { code: "1".to_owned(), language: None }, ..base.clone() },
            Code { program: Program::Wasm(b"1".to_vec()), ..base.clone() },
            env(&[]),
            env(&[("A", value("1"))]),
            env(&[("A", value("2"))]),
            env(&[("A", EnvBinding::Secret("1".to_owned()))]),
        ];
        let digests: std::collections::HashSet<_> = codes.iter().map(of).collect();
        assert_eq!(digests.len(), codes.len());
        assert_eq!(of(&base), of(&base.clone()));
    }
}
