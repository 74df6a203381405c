//! The vocabulary and the contracts of doer: what every other crate speaks, and nothing that runs.
//!
//! This crate knows neither HTTP nor WebAssembly nor any database.

pub mod auth;
pub mod describe;
pub mod fault;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod outbound;
pub mod quota;
pub mod rate;
pub mod run;
pub mod scope;
pub mod scoped;
pub mod service;
pub mod tier;
pub mod time;
