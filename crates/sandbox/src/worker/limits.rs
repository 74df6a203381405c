//! Limits that a worker sets for itself.

use std::time::Duration;

use doer_core::limits::Limits;
use serde_json::value::RawValue;

use super::{
    InvalidCode,
    json::{self, Fields},
};

pub(super) const KNOWN: [&str; 5] = ["cpuMs", "subRequests", "memoryMb", "timeoutMs", "fuel"];

/// Limits that hold where they are lower than those of whoever calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Time on the CPU, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Service calls and fetches.
    pub sub_requests: Option<u64>,
    /// Memory, in MiB.
    pub memory_mb: Option<u64>,
    /// Time on the clock, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Fuel.
    pub fuel: Option<u64>,
}

impl WorkerLimits {
    /// These limits, where they are lower than those.
    pub fn lowered(&self, of: Limits) -> Limits {
        let time = |ms: Option<u64>, of: Duration| ms.map_or(of, |ms| of.min(Duration::from_millis(ms)));
        let number = |given: Option<u64>, of: u64| given.map_or(of, |given| of.min(given));
        let cpu = time(self.cpu_ms, of.cpu);
        let sub_requests = self.sub_requests.map(|calls| u32::try_from(calls).unwrap_or(u32::MAX));
        Limits {
            wall: time(self.timeout_ms, of.wall),
            cpu,
            startup_cpu: of.startup_cpu.min(cpu),
            fuel: number(self.fuel, of.fuel),
            memory_bytes: number(self.memory_mb.map(|mb| mb.saturating_mul(1 << 20)), of.memory_bytes),
            calls: sub_requests.map_or(of.calls, |calls| of.calls.min(calls)),
            ..of
        }
    }

    /// What is lower, of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let lower = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            cpu_ms: lower(self.cpu_ms, other.cpu_ms),
            sub_requests: lower(self.sub_requests, other.sub_requests),
            memory_mb: lower(self.memory_mb, other.memory_mb),
            timeout_ms: lower(self.timeout_ms, other.timeout_ms),
            fuel: lower(self.fuel, other.fuel),
        }
    }

    /// Reads `limits`, of a worker or of one of its stubs.
    ///
    /// # Errors
    /// [`InvalidCode`] with the path of the member, below `path`.
    pub fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        let fields = Fields::read(path, raw, &KNOWN)?;
        let number = |name| fields.get(name).map(|raw| positive(&fields.path(name), raw)).transpose();
        Ok(Self {
            cpu_ms: number("cpuMs")?,
            sub_requests: number("subRequests")?,
            memory_mb: number("memoryMb")?,
            timeout_ms: number("timeoutMs")?,
            fuel: number("fuel")?,
        })
    }

    /// By name, in the order in which they are listed.
    pub(super) fn members(&self) -> [(&'static str, Option<u64>); 5] {
        let values = [self.cpu_ms, self.sub_requests, self.memory_mb, self.timeout_ms, self.fuel];
        std::array::from_fn(|at| (KNOWN[at], values[at]))
    }
}

fn positive(path: &str, raw: &RawValue) -> Result<u64, InvalidCode> {
    let number = json::parsed::<u64>(path, raw).ok().filter(|number| *number > 0);
    number.ok_or_else(|| InvalidCode::at(path, "must be a positive integer"))
}
