//! The embedded webhooks, beyond what the conformance suite can see: time, failures, races, and what is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "conformance/door.rs"]
#[allow(dead_code, reason = "only its scopes are used here")]
mod door;
#[path = "fixtures/github.rs"]
mod fake_github;
#[path = "webhooks/github.rs"]
mod github;
#[path = "webhooks/inbound.rs"]
mod inbound;
#[path = "webhooks/keeping.rs"]
mod keeping;
#[path = "outbound/names.rs"]
mod names;
#[path = "webhooks/outbound.rs"]
mod outbound;
#[path = "webhooks/rebinding.rs"]
mod rebinding;
#[path = "fixtures/receiver.rs"]
mod receiver;
#[path = "../../../tests/scenarios/mod.rs"]
#[allow(dead_code, reason = "the door needs its types")]
mod scenarios;
#[path = "webhooks/world.rs"]
mod world;
