//! The JavaScript runtime that runs inside doer's sandbox: QuickJS-ng, a web platform, and the few
//! exports by which the host drives them (`doer_guest_protocol` says how).
//!
//! Nothing here trusts user code, and nothing here relies on what user code can replace: results,
//! errors and console output are read with natives that look at internal slots.

#[cfg(target_family = "wasm")]
mod alloc;
mod arrow;
mod console;
mod error;
mod exports;
mod heap;
mod host;
mod inspect;
mod intrinsics;
mod invoke;
mod json;
mod modules;
mod operations;
mod program;
mod random;
mod raw;
mod runtime;
mod scope;
mod services;
mod source_map;
mod timers;
pub mod web;
mod worker;
