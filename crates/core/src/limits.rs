//! What one execution may use. Every limit has a default per tier, and a code that says it was reached.

use std::time::Duration;

use crate::{quota::Quota, tier::Tier};

const MIB: u64 = 1 << 20;

/// The limits of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time, waiting included.
    pub wall: Duration,
    /// CPU time of the thread that runs the guest.
    pub cpu: Duration,
    /// CPU time of a program's top level; also counts towards `cpu`.
    pub startup_cpu: Duration,
    /// WebAssembly instructions, roughly. A tight loop burns about 20 billion in a second: by default time on the
    /// CPU is up first, and fuel is what a caller lowers who wants the same end on every machine.
    pub fuel: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Result and logs together.
    pub output_bytes: u64,
    /// Service calls and fetches.
    pub calls: u32,
    /// Bytes moved by service calls and fetches.
    pub transfer_bytes: u64,
    /// Size of the code.
    pub code_bytes: u64,
}

impl Limits {
    /// The defaults of a tier.
    pub const fn of(tier: Tier) -> Self {
        match tier {
            Tier::Internal => Self {
                wall: Duration::from_secs(120),
                cpu: Duration::from_secs(30),
                startup_cpu: Duration::from_secs(1),
                fuel: 1_000_000_000_000,
                memory_bytes: 256 * MIB,
                output_bytes: 10 * MIB,
                calls: 1000,
                transfer_bytes: 256 * MIB,
                code_bytes: 64 * MIB,
            },
            Tier::Tenant => Self {
                wall: Duration::from_secs(30),
                cpu: Duration::from_secs(10),
                startup_cpu: Duration::from_secs(1),
                fuel: 200_000_000_000,
                memory_bytes: 128 * MIB,
                output_bytes: 4 * MIB,
                calls: 200,
                transfer_bytes: 64 * MIB,
                code_bytes: 16 * MIB,
            },
            Tier::Public => Self {
                wall: Duration::from_secs(10),
                cpu: Duration::from_secs(2),
                startup_cpu: Duration::from_secs(1),
                fuel: 40_000_000_000,
                memory_bytes: 64 * MIB,
                output_bytes: MIB,
                calls: 50,
                transfer_bytes: 16 * MIB,
                code_bytes: MIB,
            },
        }
    }
}

/// How much of the server a namespace may use at once, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Executions at the same time.
    pub concurrency: u32,
    /// Executions that may wait for that; one more is refused.
    pub waiting: u32,
    /// Executions begun within a minute; `None` is as many as the server can do.
    pub executions_per_minute: Option<u32>,
    /// Service calls over HTTP within a minute.
    pub calls_per_minute: Option<u32>,
}

impl Rates {
    /// The defaults of a tier.
    pub const fn of(tier: Tier) -> Self {
        match tier {
            Tier::Internal => {
                Self { concurrency: 100, waiting: 1000, executions_per_minute: None, calls_per_minute: None }
            }
            Tier::Tenant => {
                Self { concurrency: 10, waiting: 100, executions_per_minute: Some(600), calls_per_minute: Some(6000) }
            }
            Tier::Public => {
                Self { concurrency: 3, waiting: 10, executions_per_minute: Some(60), calls_per_minute: Some(600) }
            }
        }
    }
}

/// All that a caller is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Of one execution.
    pub limits: Limits,
    /// Of its namespace, as time goes by.
    pub rates: Rates,
    /// Of its namespace, of what lasts.
    pub quota: Quota,
    /// May its code load other code, by `env.LOADER`?
    pub loader: bool,
}

impl Allowance {
    /// The defaults of a tier.
    pub const fn of(tier: Tier) -> Self {
        let loader = matches!(tier, Tier::Internal);
        Self { limits: Limits::of(tier), rates: Rates::of(tier), quota: Quota::of(tier), loader }
    }
}
