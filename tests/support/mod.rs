//! What the tests stand on: servers, callers, and waiting for conditions.

mod answer;
mod client;
mod data;
pub mod node;
mod ports;
mod secrets;
mod server;
mod sse;
mod wait;

pub use answer::Answer;
pub use client::{Caller, Client};
pub use data::{DataDir, key_of, token};
pub use node::node;
pub use ports::free_port;
pub use secrets::secret;
pub use server::{Server, Setup};
pub use sse::{Event, Events};
pub use wait::{eventually, within};

use std::process::Command;

/// The binary under test, with no configuration from our own environment.
pub fn doer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doer"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command
}
