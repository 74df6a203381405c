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
        let (rates, quota) = (given.rates(allowance.rates), given.quota(allowance.quota));
        Allowance { limits, rates, quota, loader: allowance.loader }
    }
}

impl Quotas for Allowances {
    fn of(&self, tier: Tier, namespace: &Namespace) -> Quota {
        self.within(tier, namespace.as_str().strip_prefix("tenant:")).quota
    }
}

#[cfg(test)]
mod tests {
    use doer_core::time::SystemClock;
    use doer_services::{
        auth::{Settings, audit::Actor},
        tenants::TenantOverrides,
    };

    use super::*;
    use crate::config::Sources;

    #[tokio::test]
    async fn a_tenant_has_what_its_tier_has_but_for_what_was_configured_and_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("doer.toml");
        std::fs::write(&file, "[tenants.acme]\nusers = 5\nsecrets = 5").unwrap();
        let table = Sources { file: Some(file), ..Sources::default() }.load().unwrap().limits;
        let path = dir.path().join("keys.db");
        let authority = Authority::open(&path, b"key", Arc::new(SystemClock), Settings::default()).unwrap();
        let allowances = Allowances::new(table, authority.clone());
        let quota = |tier, namespace| Quotas::of(&allowances, tier, &Namespace::parse(namespace).unwrap());

        let of_tier = Quota::of(Tier::Tenant);
        assert_eq!(quota(Tier::Tenant, "tenant:acme"), Quota { users: 5, secrets: 5, ..of_tier });
        assert_eq!(quota(Tier::Tenant, "tenant:other"), of_tier);
        let most = Some(u64::MAX);
        let set =
            TenantOverrides { users: Some(7), memory_bytes: most, calls_per_minute: Some(0), ..Default::default() };
        for id in ["acme", "other"] {
            authority.tenants().set_overrides(Actor::operator(), id, set.clone()).await.unwrap();
        }
        assert_eq!(quota(Tier::Tenant, "tenant:acme"), Quota { users: 7, secrets: 5, ..of_tier });
        assert_eq!(quota(Tier::Internal, "tenant:other"), Quota { users: 7, ..Quota::of(Tier::Internal) });
        assert_eq!(quota(Tier::Public, "user:acme"), Quota::of(Tier::Public), "a user is no tenant");

        let given = allowances.within(Tier::Tenant, Some("other"));
        assert_eq!(given.limits.memory_bytes, 256 << 20, "no more than the pool has room for");
        assert_eq!(given.rates.calls_per_minute, None);
    }
}
