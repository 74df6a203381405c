//! The one form in which code is written: it is what is kept, and what is hashed.
//!
//! The order in which members were given and the spaces between them do not count, nor does how a module's kind was
//! said. Within data (a plain value of `env`, `props`, a JSON module) the order of keys is kept: code can see it.

use base64::{Engine, engine::general_purpose::STANDARD};
use doer_core::id::CodeHash;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Env, EnvMember, GlobalOutbound, WorkerCode, WorkerLimits, WorkerRef, json::compact};
use crate::ModuleSource;

impl WorkerCode {
    /// The code as JSON, in its one form. Reading it gives the same code.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write(self, &mut Out(&mut |part| json.push_str(part)));
        json
    }

    /// SHA-256 of the code in its one form.
    pub fn hash(&self) -> CodeHash {
        let mut sha = Sha256::new();
        write(self, &mut Out(&mut |part| sha.update(part)));
        CodeHash::from_bytes(sha.finalize().into())
    }
}

/// Bytes of `env` in that form.
pub(super) fn env_bytes(env: &Env) -> u64 {
    let mut bytes = 0;
    write_env(env, &mut Out(&mut |part| bytes += part.len() as u64));
    bytes
}

/// Takes the parts of the text, one after the other.
struct Out<'a>(&'a mut dyn FnMut(&str));

impl Out<'_> {
    fn put(&mut self, part: &str) {
        (self.0)(part);
    }

    fn string(&mut self, text: &str) {
        self.put(&Value::from(text).to_string());
    }

    /// An object; `value` writes each member's.
    fn object<'n, T>(&mut self, members: impl IntoIterator<Item = (&'n str, T)>, value: impl Fn(&mut Self, T)) {
        self.put("{");
        for (at, (name, member)) in members.into_iter().enumerate() {
            if at > 0 {
                self.put(",");
            }
            self.string(name);
            self.put(":");
            value(self, member);
        }
        self.put("}");
    }

    /// An array; `value` writes each item.
    fn array<T>(&mut self, items: impl IntoIterator<Item = T>, value: impl Fn(&mut Self, T)) {
        self.put("[");
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.put(",");
            }
            value(self, item);
        }
        self.put("]");
    }
}

/// A member of the code that is not as it would be by default.
#[derive(Clone, Copy)]
enum Part {
    Date,
    Flags,
    Main,
    Modules,
    Env,
    Outbound,
    Tails,
    Limits,
}

fn write(code: &WorkerCode, out: &mut Out<'_>) {
    let parts = [
        (true, "compatibilityDate", Part::Date),
        (!code.compatibility_flags.is_empty(), "compatibilityFlags", Part::Flags),
        (true, "mainModule", Part::Main),
        (true, "modules", Part::Modules),
        (!code.env.members.is_empty(), "env", Part::Env),
        (!matches!(code.global_outbound, GlobalOutbound::Policy), "globalOutbound", Part::Outbound),
        (!code.tails.is_empty(), "tails", Part::Tails),
        (code.limits != WorkerLimits::default(), "limits", Part::Limits),
    ];
    let there = parts.into_iter().filter(|(there, ..)| *there).map(|(_, name, part)| (name, part));
    out.object(there, |out, part| match part {
        Part::Date => out.string(&code.compatibility_date.to_string()),
        Part::Flags => out.array(&code.compatibility_flags, |out, flag| out.string(flag.name())),
        Part::Main => out.string(&code.main_module),
        Part::Modules => out.object(code.modules.iter().map(|(name, module)| (name.as_str(), module)), write_module),
        Part::Env => write_env(&code.env, out),
        Part::Outbound => match &code.global_outbound {
            GlobalOutbound::Policy | GlobalOutbound::Nowhere => out.put("null"),
            GlobalOutbound::Worker(worker) => write_worker(worker, out),
        },
        Part::Tails => out.array(&code.tails, |out, worker| write_worker(worker, out)),
        Part::Limits => {
            let members = code.limits.members().into_iter().filter_map(|(name, limit)| Some((name, limit?)));
            out.object(members, |out, limit| out.put(&limit.to_string()));
        }
    });
}

fn write_module(out: &mut Out<'_>, module: &ModuleSource) {
    let text = |out: &mut Out<'_>, kind, text: &str| out.object([(kind, text)], Out::string);
    let bytes = |out: &mut Out<'_>, kind, bytes: &[u8]| text(out, kind, &STANDARD.encode(bytes));
    match module {
        ModuleSource::Js(code) => text(out, "js", code),
        ModuleSource::Ts(code) => text(out, "ts", code),
        ModuleSource::Cjs(code) => text(out, "cjs", code),
        ModuleSource::Text(value) => text(out, "text", value),
        ModuleSource::Json(value) => out.object([("json", value)], |out, value| out.put(&compact(value))),
        ModuleSource::Data(value) => bytes(out, "data", value),
        ModuleSource::Wasm(code) => bytes(out, "wasm", code),
        // Said by its name only.
        ModuleSource::Wat(code) => out.string(code),
    }
}

fn write_env(env: &Env, out: &mut Out<'_>) {
    out.object(env.members.iter().map(|(name, member)| (name.as_str(), member)), |out, member| match member {
        EnvMember::Plain(value) => out.put(value.get()),
        EnvMember::Service(service) => out.object([("$service", service.name())], Out::string),
        EnvMember::Secret(name) => out.object([("$secret", name.as_str())], Out::string),
        EnvMember::Worker(worker) => write_worker(worker, out),
    });
}

fn write_worker(worker: &WorkerRef, out: &mut Out<'_>) {
    let quoted = |text: &str| Value::from(text).to_string();
    let members = [
        ("$worker", Some(quoted(worker.id.as_str()))),
        ("entrypoint", worker.entrypoint.as_deref().map(quoted)),
        ("props", worker.props.as_ref().map(|props| props.get().to_owned())),
    ];
    let there = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    out.object(there, |out, value| out.put(&value));
}
