//! The JavaScript runtime that runs inside doer's sandbox.

pub mod host;
pub mod scope;
pub mod web;
