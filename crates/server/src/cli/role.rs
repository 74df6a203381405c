//! Roles, as the command line knows them.

use clap::ValueEnum;

/// What somebody is to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Admin,
    Service,
    Tenant,
    User,
}

impl Role {
    /// The word in users and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Service => "service",
            Self::Tenant => "tenant",
            Self::User => "user",
        }
    }

    /// What a key of such an owner allows where nobody says.
    pub const fn default_permission(self) -> &'static str {
        match self {
            Self::Admin | Self::Service => "*",
            Self::Tenant | Self::User => "execute",
        }
    }
}
