//! The conformance suite, run over the embedded services.

mod auth;
mod db;
#[path = "conformance/door.rs"]
mod door;
mod email;
mod gateway;
mod mcp;
mod queue;
#[path = "../../../tests/scenarios/mod.rs"]
mod scenarios;
mod schedule;
mod webhooks;
