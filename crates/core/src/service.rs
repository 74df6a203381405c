//! The eight platform services by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the eight services, in the order in which they are listed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
