//! The pool of compiler processes, with real processes.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests; clippy knows only functions marked as such")]

#[path = "compiler/hostile.rs"]
mod hostile;
#[path = "compiler/processes.rs"]
mod processes;
#[path = "compiler/support.rs"]
mod support;
#[path = "compiler/typescript.rs"]
mod typescript;
#[path = "compiler/wasm.rs"]
mod wasm;
