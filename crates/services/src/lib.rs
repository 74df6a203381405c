//! The platform services, implemented.
//!
//! Each service is one folder: its embedded form, durable in SQLite, and whatever moves in it by itself. Beside them
//! stands what several of them need.

mod alarm;
pub mod auth;
mod backoff;
pub mod backup;
mod clockwork;
pub mod db;
pub mod egress;
pub mod email;
pub mod forward;
pub mod gateway;
mod group;
mod holder;
pub mod keys;
pub mod mcp;
mod mine;
mod names;
pub mod queue;
pub mod schedule;
mod seal;
pub mod secrets;
mod slots;
mod sqlite;
pub mod targets;
pub mod tasks;
pub mod tenants;
pub mod tls;
pub mod webhooks;
mod wire;
pub mod workers;

pub use backoff::Backoff;
pub use holder::Holder;
pub use seal::Sealer;
pub use sqlite::{Database, Error};
