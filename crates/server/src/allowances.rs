//! What callers are allowed: the configuration, and over it what the installation has given to single tenants since.

use std::sync::Arc;

use doer_core::{
    limits::Allowance,
    quota::{Quota, Quotas},
    scope::Scope,
    tier::{Namespace, Tier},
};
use doer_services::auth::Authority;

use crate::config::LimitTable;

/// What callers are allowed.
#[derive(Debug)]
pub struct Allowances {
    table: LimitTable,
    /// The most memory that the pool has room for: no tenant can be given more while the server runs.
    max_memory_bytes: u64,
    authority: Arc<Authority>,
}

impl Allowances {
    /// Those of a configuration, under what is stored for tenants.
    pub fn new(table: LimitTable, authority: Arc<Authority>) -> Self {
        Self { max_memory_bytes: table.max_memory_bytes(), table, authority }
    }

    /// What a caller is allowed.
    pub fn of(&self, scope: &Scope) -> Allowance {
        self.within(scope.tier, scope.context.tenant_id().filter(|_| scope.tier != Tier::Internal))
    }

    fn within(&self, tier: Tier, tenant: Option<&str>) -> Allowance {
        let allowance = self.table.of(tier, tenant);
        let Some(given) = tenant.and_then(|id| self.authority.tenants().overrides(id)) else { return allowance };
        let mut limits = given.limits(allowance.limits);
        limits.memory_bytes = limits.memory_bytes.min(self.max_memory_bytes);
        Allowance { limits, rates: given.rates(allowance.rates), quota: given.quota(allowance.quota) }
    }
}

impl Quotas for Allowances {
    fn of(&self, tier: Tier, namespace: &Namespace) -> Quota {
        self.within(tier, namespace.as_str().strip_prefix("tenant:")).quota
    }
}
