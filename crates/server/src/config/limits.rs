//! The limits that hold for a caller: those of the tier, and what a tenant was given beyond them.

use std::collections::BTreeMap;

use doer_core::{limits::Limits, tier::Tier};

use super::reader::Reader;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Limits by tier and tenant.
#[derive(Debug, Clone)]
pub struct LimitTable {
    /// `[limits.internal]`
    pub internal: Limits,
    /// `[limits.tenant]`
    pub tenant: Limits,
    /// `[limits.public]`
    pub public: Limits,
    /// `[tenants.*]`, over `tenant`.
    pub tenants: BTreeMap<String, Limits>,
}

impl LimitTable {
    /// The limits of a caller.
    pub fn of(&self, tier: Tier, tenant: Option<&str>) -> Limits {
        match tier {
            Tier::Internal => self.internal,
            Tier::Tenant => tenant.and_then(|id| self.tenants.get(id)).copied().unwrap_or(self.tenant),
            Tier::Public => self.public,
        }
    }

    /// The most memory that any execution may be given.
    pub fn max_memory_bytes(&self) -> u64 {
        [&self.internal, &self.tenant, &self.public]
            .into_iter()
            .chain(self.tenants.values())
            .map(|limits| limits.memory_bytes)
            .max()
            .unwrap_or(0)
    }
}

/// Reads one table of limits; every key must be there.
pub fn read(reader: &mut Reader<'_>) -> Limits {
    Limits {
        wall: reader.duration("wall"),
        cpu: reader.duration("cpu"),
        startup_cpu: reader.duration("startup_cpu"),
        fuel: reader.integer("fuel", 0..=i64::MAX),
        memory_bytes: memory(reader),
        output_bytes: reader.bytes("output_kib", KIB),
        calls: reader.integer("calls", 0..=i64::from(u32::MAX)),
        transfer_bytes: reader.bytes("transfer_mib", MIB),
        code_bytes: reader.bytes("code_kib", KIB),
    }
}

/// Guests are 32-bit: they cannot use more than 4 GiB.
fn memory(reader: &mut Reader<'_>) -> u64 {
    reader.integer::<u64>("memory_mib", 0..=4096) * MIB
}
