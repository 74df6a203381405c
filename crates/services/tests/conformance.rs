//! The conformance suite, run over the embedded services.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "conformance/auth.rs"]
mod auth;
#[path = "conformance/db.rs"]
mod db;
#[path = "conformance/door.rs"]
mod door;
#[path = "conformance/email.rs"]
mod email;
#[path = "conformance/gateway.rs"]
mod gateway;
#[path = "support/jobs.rs"]
mod jobs;
#[path = "conformance/mcp.rs"]
mod mcp;
#[path = "conformance/queue.rs"]
mod queue;
#[path = "../../../tests/scenarios/mod.rs"]
mod scenarios;
#[path = "conformance/schedule.rs"]
mod schedule;
#[path = "conformance/webhooks.rs"]
mod webhooks;
