//! What a caller is allowed: by its tier, and what its tenant was given beyond that.

use std::collections::BTreeMap;

use doer_core::{
    limits::{Allowance, Limits, Rates},
    quota::Quota,
    tier::Tier,
};

use super::reader::Reader;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Allowances by tier and tenant.
#[derive(Debug, Clone)]
pub struct LimitTable {
    /// `[limits.internal]`
    pub internal: Allowance,
    /// `[limits.tenant]`
    pub tenant: Allowance,
    /// `[limits.public]`
    pub public: Allowance,
    /// `[tenants.*]`, over `tenant`.
    pub tenants: BTreeMap<String, Allowance>,
}

impl LimitTable {
    /// The allowance of a caller.
    pub fn of(&self, tier: Tier, tenant: Option<&str>) -> Allowance {
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
            .map(|allowance| allowance.limits.memory_bytes)
            .max()
            .unwrap_or(0)
    }
}

/// Reads one table of limits; every key must be there.
pub fn read(reader: &mut Reader<'_>) -> Allowance {
    let loader = reader.boolean("loader");
    Allowance { limits: read_limits(reader), rates: read_rates(reader), quota: read_quota(reader), loader }
}

fn read_limits(reader: &mut Reader<'_>) -> Limits {
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

fn read_rates(reader: &mut Reader<'_>) -> Rates {
    let per_minute = |reader: &mut Reader<'_>, key| {
        let number: u32 = reader.integer(key, 0..=1_000_000_000);
        (number > 0).then_some(number)
    };
    Rates {
        concurrency: reader.integer("concurrency", 0..=100_000),
        waiting: reader.integer("waiting", 0..=1_000_000),
        executions_per_minute: per_minute(reader, "executions_per_minute"),
        calls_per_minute: per_minute(reader, "calls_per_minute"),
    }
}

fn read_quota(reader: &mut Reader<'_>) -> Quota {
    let mut count = |key| reader.integer(key, 0..=i64::MAX);
    let (queue_messages, consumers, tasks) = (count("queue_messages"), count("consumers"), count("tasks"));
    let (mails_per_day, endpoints, sources) = (count("mails_per_day"), count("endpoints"), count("sources"));
    let (deliveries, users, api_keys) = (count("deliveries"), count("users"), count("api_keys"));
    let (secrets, workers) = (count("secrets"), count("workers"));
    Quota {
        db_bytes: reader.bytes("db_mib", MIB),
        queue_messages,
        queue_bytes: reader.bytes("queue_mib", MIB),
        consumers,
        tasks,
        mails_per_day,
        endpoints,
        sources,
        deliveries,
        users,
        api_keys,
        secrets,
        workers,
        worker_bytes: reader.bytes("worker_mib", MIB),
    }
}

/// Guests are 32-bit: they cannot use more than 4 GiB.
fn memory(reader: &mut Reader<'_>) -> u64 {
    reader.integer::<u64>("memory_mib", 0..=4096) * MIB
}
