//! What takes hours, against programs that others have made: an issuer whose keys change, a mail server that wants to
//! be asked again. A clock that the tests move stands between. Skipped, by name, without Node.js.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "peers/issuer.rs"]
mod issuer;
#[path = "support/jobs.rs"]
mod jobs;
#[path = "peers/mail.rs"]
mod mail;
#[path = "../../../tests/support/node.rs"]
mod node_js;
#[path = "../../../tests/peers/peer.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod peer;
#[path = "auth/setup.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod setup;
#[path = "../../../tests/support/wait.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod wait;

use node_js::node;
