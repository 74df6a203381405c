//! The eight platform services: their names, their contracts, and how a call finds its method.
//!
//! Each service is one file here, which is its whole contract: a trait with typed parameters and results. The
//! table of methods is made from those declarations, and everything else that lists methods is made from the table.

#[macro_use]
mod contract;

mod arguments;
pub mod auth;
pub mod backend;
pub mod db;
pub mod email;
mod error;
pub mod gateway;
pub mod mcp;
mod members;
mod method;
mod page;
pub mod queue;
pub mod schedule;
pub mod webhooks;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use arguments::Arguments;
pub use backend::{Backend, Health, Off};
pub use error::{Code, ServiceError};
pub use method::{Effect, Method, Parameter};
pub use page::{Order, Page, Pagination};

/// One of the eight services, in the order in which they are listed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Documents, full-text search and SQL.
    Db,
    /// Users, sessions, keys and permissions.
    Auth,
    /// The way to the outside.
    Gateway,
    /// Tasks by the clock.
    Schedule,
    /// Webhooks, out and in.
    Webhooks,
    /// Mail.
    Email,
    /// Tools of other MCP servers.
    Mcp,
    /// Messages, at least once.
    Queue,
}

impl Service {
    /// All eight.
    pub const ALL: [Self; 8] =
        [Self::Db, Self::Auth, Self::Gateway, Self::Schedule, Self::Webhooks, Self::Email, Self::Mcp, Self::Queue];

    /// The name in code, routes and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Auth => "auth",
            Self::Gateway => "gateway",
            Self::Schedule => "schedule",
            Self::Webhooks => "webhooks",
            Self::Email => "email",
            Self::Mcp => "mcp",
            Self::Queue => "queue",
        }
    }

    /// The service of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
