//! Code as it arrives: one text, a set of modules, or a Wasm binary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the caller says the code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A snippet, an arrow function or an ES module.
    JavaScript,
    /// The same with types, or JSX.
    TypeScript,
    /// A WASI preview 1 command or a component, as a binary, which says itself which it is.
    Wasm,
    /// The same in WebAssembly's text format.
    Wat,
}

/// Code to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    /// One text. Without a language it is JavaScript, or TypeScript where only that parses.
    Text {
        /// The code.
        code: String,
        /// JavaScript, TypeScript or neither said.
        language: Option<Language>,
    },
    /// ES modules that import each other by name.
    Modules {
        /// The key of the module to start with.
        main: String,
        /// Name to module.
        modules: BTreeMap<String, ModuleSource>,
    },
    /// A WASI preview 1 command or a component.
    Wasm(Vec<u8>),
}

impl Program {
    /// Tells programs apart: the same for the same, another for any other.
    pub(crate) fn fingerprint(&self) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        match self {
            Self::Text { code, language } => {
                add(format!("text {language:?}").as_bytes());
                add(code.as_bytes());
            }
            Self::Wasm(binary) => {
                add(b"wasm");
                add(binary);
            }
            Self::Modules { main, modules } => {
                add(b"modules");
                add(main.as_bytes());
                for (name, module) in modules {
                    let (kind, bytes) = module.parts();
                    add(name.as_bytes());
                    add(kind.as_bytes());
                    add(bytes);
                }
            }
        }
        hash.finalize()
    }

    /// Bytes of code, for the limit on its size.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Text { code, .. } => code.len() as u64,
            Self::Modules { modules, .. } => size_of_modules(modules),
            Self::Wasm(bytes) => bytes.len() as u64,
        }
    }
}

/// Bytes of modules and their names.
pub(crate) fn size_of_modules(modules: &BTreeMap<String, ModuleSource>) -> u64 {
    modules.iter().map(|(name, module)| (name.len() + module.size_bytes()) as u64).sum()
}

/// One module, by what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleSource {
    /// ES module, JavaScript.
    Js(String),
    /// ES module, TypeScript; JSX too where the name ends in `x`.
    Ts(String),
    /// CommonJS.
    Cjs(String),
    /// Text; the default export is a string.
    Text(String),
    /// JSON text; the default export is its value.
    Json(String),
    /// Bytes; the default export is an `ArrayBuffer`.
    Data(Vec<u8>),
    /// A WASI preview 1 command or a component; only as the main module.
    Wasm(Vec<u8>),
    /// The same in WebAssembly's text format.
    Wat(String),
}

impl ModuleSource {
    fn size_bytes(&self) -> usize {
        self.parts().1.len()
    }

    /// What it is made of, in a word, and that.
    const fn parts(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Js(text) => ("js", text.as_bytes()),
            Self::Ts(text) => ("ts", text.as_bytes()),
            Self::Cjs(text) => ("cjs", text.as_bytes()),
            Self::Text(text) => ("text", text.as_bytes()),
            Self::Json(text) => ("json", text.as_bytes()),
            Self::Wat(text) => ("wat", text.as_bytes()),
            Self::Data(bytes) => ("data", bytes.as_slice()),
            Self::Wasm(bytes) => ("wasm", bytes.as_slice()),
        }
    }
}
