//! HTTP: routes, the envelope around them, and the listeners.

pub mod admin;
pub mod body;
pub mod envelope;
pub mod error;
mod execute;
mod executions;
pub mod info;
pub mod ingress;
pub mod listener;
mod mcp;
mod openapi;
pub mod router;
pub mod rpc;
pub mod secrets;
pub mod session;
pub mod webhooks;
mod workers;
