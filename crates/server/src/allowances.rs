//! What callers are allowed: the configuration, and over it what the installation has given to single tenants since.

use doer_core::{
    limits::Allowance,
    quota::{Quota, Quotas},
    scope::Scope,
    tier::{Namespace, Tier},
};

use crate::config::LimitTable;

/// What callers are allowed.
#[derive(Debug)]
pub struct Allowances {
    table: LimitTable,
}

impl Allowances {
    /// Those of a configuration.
    pub const fn new(table: LimitTable) -> Self {
        Self { table }
    }

    /// What a caller is allowed.
    pub fn of(&self, scope: &Scope) -> Allowance {
        self.table.of(scope.tier, scope.context.tenant_id())
    }
}

impl Quotas for Allowances {
    fn of(&self, tier: Tier, namespace: &Namespace) -> Quota {
        self.table.of(tier, namespace.as_str().strip_prefix("tenant:")).quota
    }
}
