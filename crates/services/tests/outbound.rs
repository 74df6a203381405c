//! What speaks to the outside, against servers that answer, misbehave and lie.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "outbound/addresses.rs"]
mod addresses;
#[path = "outbound/egress.rs"]
mod egress;
#[path = "outbound/forward.rs"]
mod forward;
#[path = "outbound/gateway.rs"]
mod gateway;
#[path = "outbound/mcp.rs"]
mod mcp;
#[path = "fixtures/mcp.rs"]
mod mcp_server;
#[path = "outbound/names.rs"]
mod names;
#[path = "outbound/scopes.rs"]
mod scopes;
#[path = "fixtures/serve.rs"]
mod serve;
#[path = "fixtures/upstream.rs"]
mod upstream;
#[path = "outbound/way_out.rs"]
mod way_out;
