//! The server around the sandbox: HTTP, callers, limits, configuration, the command line.
#![doc = include_str!("../../../docs/architecture.md")]

pub mod admission;
pub mod allowances;
pub mod app;
pub mod auth;
pub mod budget;
pub mod cli;
pub mod config;
pub mod data;
pub mod dev;
pub mod execute;
pub mod executions;
pub mod http;
pub mod ingress;
pub mod lifecycle;
pub mod mcp;
pub mod platform;
pub mod telemetry;
pub mod workers;
