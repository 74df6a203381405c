//! Compiling what must not be compiled in this process: TypeScript and users' Wasm.
//!
//! Compilers are attack surfaces that their authors do not defend: a few KB of nested parentheses overflow
//! oxc's stack and kill the process, 140 KB of nested loops keep Cranelift busy for 45 s. So both run in child
//! processes with an empty environment and limits on CPU time, address space, files and threads. Whatever
//! happens to such a process is the answer to the one job it was doing.
//!
//! What the parent trusts: the boundary is one of *resources*. It contains crashes, endless work and memory
//! bombs. It is no sandbox against a compiler that was taken over: a module that comes back is native code, and
//! loading it is to trust the process that made it exactly as much as a compiler inside this process. Two
//! rules keep that trust from spreading:
//!
//! - A process that compiles Wasm does one job and ends, so no guest can reach the next one's module.
//! - A process that compiles TypeScript is used again, but never for Wasm: all it can give back is text, which
//!   only ever runs inside a sandbox. One guest's text could at worst be altered by another's exploit of oxc.
//!
//! Answers are bounded by the size of their request before they are read, and parsed by code that is
//! written for hostile input.

mod answer;
mod confine;
mod error;
mod frame;
mod pool;
mod process;
mod serve;
mod shape;
mod typescript;
mod wasm;

pub use answer::{Compiled, CompiledModule, ScriptKind, TypeScript};
pub(crate) use error::cut;
pub use error::{CompileError, Exhausted};
pub use pool::Compiler;
pub use serve::serve;
