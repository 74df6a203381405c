//! How much each namespace may have: what its tier may, but for what was configured for a tenant, but for what was
//! set for it since.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    limits::Limits,
    quota::{Quota, Quotas},
    tier::{Namespace, Tier},
};

use super::{TenantOverrides, Tenants};

/// Quotas and limits by tier and tenant.
#[derive(Debug, Clone)]
pub struct TenantQuotas {
    tenants: Tenants,
    configured: Arc<BTreeMap<String, TenantOverrides>>,
}

impl TenantQuotas {
    /// Those of the configuration, under those that are stored.
    pub fn new(tenants: Tenants, configured: BTreeMap<String, TenantOverrides>) -> Self {
        Self { tenants, configured: Arc::new(configured) }
    }

    /// The limits of an execution, where `of_tier` are those of its tier.
    pub fn limits(&self, namespace: &Namespace, of_tier: Limits) -> Limits {
        self.overrides(namespace).map_or(of_tier, |overrides| overrides.limits(of_tier))
    }

    fn overrides(&self, namespace: &Namespace) -> Option<TenantOverrides> {
        let tenant = namespace.as_str().strip_prefix("tenant:")?;
        match (self.configured.get(tenant), self.tenants.overrides(tenant)) {
            (Some(configured), Some(stored)) => Some(configured.under(&stored)),
            (Some(configured), None) => Some(configured.clone()),
            (None, stored) => stored.as_deref().cloned(),
        }
    }
}

impl Quotas for TenantQuotas {
    fn of(&self, tier: Tier, namespace: &Namespace) -> Quota {
        let of_tier = Quota::of(tier);
        self.overrides(namespace).map_or(of_tier, |overrides| overrides.quota(of_tier))
    }
}
