//! The platform services, implemented.
//!
//! So far the store of API keys; the services themselves come to stand beside it.

pub mod keys;
mod sqlite;

pub use sqlite::Error;
