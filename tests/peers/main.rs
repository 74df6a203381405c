//! Black-box tests against programs that others have made: an MCP server with the official SDK, webhooks with the
//! published library, a mail server, an issuer of tokens, servers with certificates of a private authority. Each test
//! starts its peers itself, on loopback. Those that run on Node.js are skipped, by name, where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../services/fixtures.rs"]
mod fixtures;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
mod support;

mod egress;
mod https;
mod issuer;
mod mail;
mod mcp;
mod peer;
mod rpc;
mod tls;
mod webhooks;

use support::node;
