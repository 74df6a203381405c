//! What guests may ask of the outside: services and requests, against backends in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "services/budgets.rs"]
mod budgets;
#[path = "services/calls.rs"]
mod calls;
#[path = "services/commands.rs"]
mod commands;
mod common;
#[path = "services/fetch.rs"]
mod fetch;
#[path = "services/hostile.rs"]
mod hostile;
#[path = "services/support.rs"]
mod support;
