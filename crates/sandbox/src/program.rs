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
        match self {
            Self::Js(text)
            | Self::Ts(text)
            | Self::Cjs(text)
            | Self::Text(text)
            | Self::Json(text)
            | Self::Wat(text) => text.len(),
            Self::Data(bytes) | Self::Wasm(bytes) => bytes.len(),
        }
    }
}
