//! What one execution may use. Every limit has a default per tier, and a code that says it was reached.

use std::time::Duration;

use crate::tier::Tier;

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
