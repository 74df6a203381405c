//! Whose fault it was, and which limit ended a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the host ended an execution before it finished by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Termination {
    /// Wall-clock time was up.
    Timeout,
    /// CPU time was up.
    CpuLimit,
    /// CPU time of the top level was up.
    StartupLimit,
    /// Fuel was used up.
    FuelExhausted,
    /// Linear memory would have grown beyond its limit.
    MemoryLimit,
    /// Result and logs were too large.
    OutputLimit,
    /// Too many service calls or fetches, or too many bytes through them.
    CallLimit,
    /// The caller cancelled it, went away, or the server is stopping.
    Cancelled,
}

impl Termination {
    /// Every reason there is.
    pub const ALL: [Self; 8] = [
        Self::Timeout,
        Self::CpuLimit,
        Self::StartupLimit,
        Self::FuelExhausted,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::CallLimit,
        Self::Cancelled,
    ];

    /// The code as it stands in answers, metrics and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::StartupLimit => "startup_limit",
            Self::FuelExhausted => "fuel_exhausted",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::CallLimit => "call_limit",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
