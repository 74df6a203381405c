//! What is asked of a compiler process, and what it answers.
//!
//! A message is a small JSON head and a body of raw bytes: code one way, code or native code the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// TypeScript, with or without JSX, to become JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeScript {
    /// The text.
    pub code: String,
    /// Whether `<` may open an element; then `<T>value` is no type assertion.
    pub jsx: bool,
    /// What the text stands for.
    pub kind: ScriptKind,
}

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptKind {
    /// The body of an async function, an arrow function, or a module: `return`, `await`, `import` and
    /// `export` are all taken at top level, and whoever runs it finds out which it is.
    Snippet,
    /// An ES module.
    Module,
}

/// JavaScript made of TypeScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The JavaScript: types gone, nothing else made older.
    pub code: String,
    /// From positions in it to positions in the original, as the `mappings` of a source map, version 3. There
    /// is one source and no name that matters.
    pub mappings: String,
}

/// Native code made of Wasm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledModule {
    /// A serialized module or component; it says itself which.
    pub artifact: Vec<u8>,
    /// The linear memory that it begins with.
    pub memory_bytes: u64,
}

/// The first message to a process: what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// Address space of the whole process.
    pub memory_bytes: u64,
    /// CPU time of each job.
    pub cpu: Duration,
}

/// One job; what is to be compiled is the message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    /// Answered by [`Reply::Script`].
    TypeScript { jsx: bool, kind: ScriptKind },
    /// Answered by [`Reply::Module`].
    Wasm { text: bool },
}

/// What a process answers: to its budget, and to each job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The process has limited itself to its [`Budget`] and waits for a job.
    Ready,
    /// The body is JavaScript.
    Script { mappings: String },
    /// The body is a serialized module or component.
    Module { memory_bytes: u64 },
    /// It is no valid program.
    Refused(Refusal),
}

/// Why a program is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub name: RefusalName,
    pub message: String,
    /// Line and column in the user's text, both counted from 1; columns in UTF-16 code units, as in source maps.
    pub position: Option<(u32, u32)>,
}

/// The name of the guest's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RefusalName {
    SyntaxError,
    CompileError,
}

impl RefusalName {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SyntaxError => "SyntaxError",
            Self::CompileError => "CompileError",
        }
    }
}

impl Refusal {
    /// A text that does not follow its language's grammar.
    pub(super) fn syntax(message: impl Into<String>, position: Option<(u32, u32)>) -> Self {
        Self { name: RefusalName::SyntaxError, message: message.into(), position }
    }

    /// A program that follows the grammar and is refused all the same.
    pub(super) fn compile(message: impl Into<String>) -> Self {
        Self { name: RefusalName::CompileError, message: message.into(), position: None }
    }
}
