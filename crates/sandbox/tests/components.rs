//! Components: made by hand of core modules, as what toolchains make is in `tests/toolchains` of the workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "components/bodies.rs"]
mod bodies;
#[path = "components/bombs.rs"]
mod bombs;
#[path = "components/commands.rs"]
mod commands;
mod common;
#[path = "components/disk.rs"]
mod disk;
#[path = "components/guest.rs"]
mod guest;
#[path = "components/limits.rs"]
mod limits;
#[path = "components/outgoing.rs"]
mod outgoing;
#[path = "components/platform.rs"]
mod platform;
#[path = "services/support.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod support;
#[path = "components/workers.rs"]
mod workers;
