//! The embedded `db`, attacked, filled, closed and forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "db/hostile.rs"]
mod hostile;
#[path = "db/isolation.rs"]
mod isolation;
#[path = "db/life.rs"]
mod life;
#[path = "db/limits.rs"]
mod limits;
#[path = "db/support.rs"]
mod support;
#[path = "db/things.rs"]
mod things;
