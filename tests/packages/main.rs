//! Packages of npm, as they are published, in workers: bundled and registered by `doer deploy`, and asked over HTTP as
//! their users ask. The same bundle runs under Node.js, and what both answer to the same requests is compared. Skipped,
//! by name, where there is no Node.js.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
mod support;

mod ask;
mod data;
mod database;
mod hono;
mod ids;
mod routes;
mod syntax;
mod texts;
mod tokens;
mod worker;
