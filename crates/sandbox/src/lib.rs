//! Code in, isolated running guest out.
//!
//! A [`Sandbox`] takes a [`Program`] and an [`Invocation`] and gives an [`Outcome`]. Each execution has a
//! store and a heap of its own, made from an image in microseconds and wiped afterwards; nothing of it
//! is ever used again. This crate knows no service and no HTTP: what a guest may ask of the outside goes through the
//! [`ScopedServices`](doer_core::scoped::ScopedServices) that its invocation brings along. It can be embedded by itself.

mod account;
mod answered;
mod body;
mod cache;
pub mod compiler;
mod config;
mod door;
mod engine;
mod error;
mod explain;
mod guest;
mod invocation;
mod linked;
mod links;
pub mod loader;
mod memory;
mod outcome;
mod program;
mod sandbox;
mod schedule;
mod store;
mod translate;
pub mod worker;

pub use answered::{Answered, Running};
pub use body::{Body, BodyError, TooLarge};
pub use config::{CompilerConfig, SandboxConfig};
pub use error::Error;
pub use invocation::{Console, Entrypoint, Event, Invocation, Request, Surface};
pub use memory::Image;
pub use outcome::{Answer, GuestError, Outcome, Reply, ResponseHead, Usage, WholeReply};
pub use program::{Language, ModuleSource, Program};
pub use sandbox::{Sandbox, Stats};
