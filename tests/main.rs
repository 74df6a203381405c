//! Black-box tests: they start the real binary and talk to it as a user would.
//!
//! One binary, so that tests share servers and link once. What a module covers is its name; `cases/` holds
//! what can be said as data.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "scenarios/mod.rs"]
mod scenarios;
#[allow(unused_imports, reason = "each test binary uses a part of it")]
mod support;

mod auth;
mod bodies;
mod cancellation;
mod cli;
mod config;
mod crash;
mod dev;
mod dollar;
mod eval;
mod execute;
mod http;
mod kinds;
mod limits;
mod load;
mod mcp;
mod openapi;
mod rpc;
mod secrecy;
mod services;
mod sessions;
mod shutdown;
mod streaming;
mod suspension;
mod telemetry;
mod types;
mod walls;
mod workers;
