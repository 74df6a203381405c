//! Tier, namespace and grants: what follows from who is asking.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{auth::AuthContext, limits::Limits, service::Service};

/// How far a caller is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Everyone else, anonymous callers too.
    Public,
    /// Role `tenant`, or a permission `tenant:*`.
    Tenant,
    /// Role `admin` or `service`.
    Internal,
}

impl Tier {
    /// The tier of a caller.
    pub fn of(context: &AuthContext) -> Self {
        let Some(user) = context.auth.user.as_ref().filter(|_| context.auth.authenticated) else {
            return Self::Public;
        };
        match user.role.as_deref() {
            Some("admin" | "service") => Self::Internal,
            Some("tenant") => Self::Tenant,
            _ if user.permissions.iter().any(|permission| permission.starts_with("tenant:")) => Self::Tenant,
            _ => Self::Public,
        }
    }

    /// The name in answers, configuration and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Tenant => "tenant",
            Self::Public => "public",
        }
    }

    /// The services that a caller of this tier may use.
    pub const fn services(self) -> &'static [Service] {
        match self {
            Self::Internal => &Service::ALL,
            Self::Tenant => &[Service::Db, Service::Email, Service::Queue],
            Self::Public => &[Service::Db],
        }
    }

    /// May code run that the caller brings along?
    pub const fn executes_arbitrary_code(self) -> bool {
        !matches!(self, Self::Public)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The wall between callers: everything stored or counted belongs to exactly one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(String);

impl Namespace {
    /// `*`, `tenant:<tenantId>`, `user:<id>` or `session:<requestId>`.
    pub fn of(context: &AuthContext) -> Self {
        let tier = Tier::of(context);
        let user = context.auth.user.as_ref().filter(|_| context.auth.authenticated);
        Self(match (tier, user) {
            (Tier::Internal, _) => "*".to_owned(),
            (Tier::Tenant, Some(user)) => match context.tenant_id() {
                Some(tenant) => format!("tenant:{tenant}"),
                None => format!("user:{}", user.id),
            },
            (_, Some(user)) => format!("user:{}", user.id),
            (_, None) => format!("session:{}", context.request_id),
        })
    }

    /// One that is named: `*`, `tenant:<id>` or `user:<id>`, of at most 256 bytes without control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix("tenant:").or_else(|| text.strip_prefix("user:"));
        let known = text == "*" || id.is_some_and(|id| !id.is_empty());
        (known && text.len() <= 256 && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that follows from a tier, in the shape in which it is told to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Services, in their usual order.
    pub allowed_bindings: Vec<Service>,
    /// The caller's namespace.
    pub namespace: Namespace,
    /// Milliseconds.
    pub max_execution_time: u64,
    /// Executions at once.
    pub max_concurrent_executions: u32,
    /// May reach what is internal to the platform.
    pub can_access_internal: bool,
    /// No rate limit holds.
    pub can_bypass_rate_limit: bool,
    /// May run code of its own.
    pub can_execute_arbitrary_code: bool,
}

impl Permissions {
    /// The defaults for a caller; configuration may override the numbers.
    pub fn of(context: &AuthContext) -> Self {
        let tier = Tier::of(context);
        Self {
            allowed_bindings: tier.services().to_vec(),
            namespace: Namespace::of(context),
            max_execution_time: u64::try_from(Limits::of(tier).wall.as_millis()).unwrap_or(u64::MAX),
            max_concurrent_executions: match tier {
                Tier::Internal => 100,
                Tier::Tenant => 10,
                Tier::Public => 3,
            },
            can_access_internal: tier == Tier::Internal,
            can_bypass_rate_limit: tier == Tier::Internal,
            can_execute_arbitrary_code: tier.executes_arbitrary_code(),
        }
    }
}
