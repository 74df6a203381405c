//! The fixtures of the services' own tests: systems outside that services speak to.

#![allow(dead_code, reason = "each test binary uses a part of them")]

#[path = "../../crates/services/tests/fixtures/github.rs"]
pub mod github;
#[path = "../../crates/services/tests/fixtures/mcp.rs"]
pub mod mcp;
#[path = "../../crates/services/tests/fixtures/receiver.rs"]
pub mod receiver;
#[path = "../../crates/services/tests/fixtures/serve.rs"]
pub mod serve;
#[path = "../../crates/services/tests/fixtures/smtp.rs"]
pub mod smtp;
#[path = "../../crates/services/tests/fixtures/upstream.rs"]
pub mod upstream;
