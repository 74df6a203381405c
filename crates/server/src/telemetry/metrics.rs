//! Metrics in Prometheus' format. Labels are words of our own, but for those of workers, whose number is bounded
//! (`workers.rs`).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::http::StatusCode;
use doer_core::tier::Tier;
use doer_sandbox::{Stats, Usage, loader::RegistryStats};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::workers::{WorkerCounts, WorkerSeries};
use crate::execute::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTier {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOrigin {
    origin: &'static str,
}

type Histograms = Family<ByTier, Histogram, fn() -> Histogram>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    executions: Family<ByOutcome, Counter>,
    wall: Histograms,
    cpu: Histograms,
    requests: Family<ByRoute, Counter<u64, AtomicU64>>,
    result_cache: Family<ByAnswer, Counter>,
    running: Gauge,
    waiting: Gauge,
    slots: Gauge,
    bodies: Gauge,
    workers: Gauge,
    worker_bytes: Gauge,
    worker_loads: Family<ByResult, Counter<u64, AtomicU64>>,
    worker_origins: Family<ByOrigin, Counter<u64, AtomicU64>>,
    worker_evictions: Counter<u64, AtomicU64>,
    workers_kept: Gauge,
    worker_kept_bytes: Gauge,
    /// What each worker did.
    pub worker_counts: Arc<WorkerCounts>,
}

impl Metrics {
    /// All of it, at zero, with what is counted of single workers.
    pub fn new(worker_counts: Arc<WorkerCounts>) -> Self {
        let histograms = || Family::new_with_constructor(buckets as fn() -> Histogram);
        let mut metrics = Self {
            registry: Registry::with_prefix("doer"),
            executions: Family::default(),
            wall: histograms(),
            cpu: histograms(),
            requests: Family::default(),
            result_cache: Family::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            slots: Gauge::default(),
            bodies: Gauge::default(),
            workers: Gauge::default(),
            worker_bytes: Gauge::default(),
            worker_loads: Family::default(),
            worker_origins: Family::default(),
            worker_evictions: Counter::default(),
            workers_kept: Gauge::default(),
            worker_kept_bytes: Gauge::default(),
            worker_counts,
        };
        let registry = &mut metrics.registry;
        registry.register("executions", "Executions that have ended", metrics.executions.clone());
        registry.register_with_unit(
            "execution_duration",
            "Time on the clock, waiting included",
            Unit::Seconds,
            metrics.wall.clone(),
        );
        registry.register_with_unit("execution_cpu", "Time on the CPU", Unit::Seconds, metrics.cpu.clone());
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register("result_cache_lookups", "Requests with a cacheKey", metrics.result_cache.clone());
        registry.register("executions_running", "Executions that hold a slot", metrics.running.clone());
        registry.register("executions_waiting", "Executions that wait for a slot", metrics.waiting.clone());
        registry.register("execution_slots", "Slots there are", metrics.slots.clone());
        registry.register_with_unit("request_bodies", "Of the budget for bodies", Unit::Bytes, metrics.bodies.clone());
        registry.register("workers_loaded", "Workers that are loaded", metrics.workers.clone());
        registry.register_with_unit(
            "workers_loaded",
            "Their code and images",
            Unit::Bytes,
            metrics.worker_bytes.clone(),
        );
        registry.register("worker_loads", "Workers that were to be loaded", metrics.worker_loads.clone());
        registry.register(
            "worker_origins",
            "Where workers that were loaded came from: made of their code, or found on disk",
            metrics.worker_origins.clone(),
        );
        registry.register("workers_kept", "Workers that something is kept of on disk", metrics.workers_kept.clone());
        registry.register_with_unit("workers_kept", "Of that", Unit::Bytes, metrics.worker_kept_bytes.clone());
        registry.register(
            "worker_evictions",
            "Workers let go for want of room, or of use",
            metrics.worker_evictions.clone(),
        );
        registry.register_collector(Box::new(WorkerSeries(Arc::clone(&metrics.worker_counts))));
        metrics
    }

    /// An execution has ended.
    pub fn execution(&self, verdict: Verdict, tier: Tier, usage: &Usage) {
        let tier = tier.name();
        self.executions.get_or_create(&ByOutcome { outcome: verdict.name(), tier }).inc();
        self.wall.get_or_create(&ByTier { tier }).observe(usage.wall.as_secs_f64());
        self.cpu.get_or_create(&ByTier { tier }).observe(usage.cpu.as_secs_f64());
    }

    /// A request was answered; `route` is the template, not the path.
    pub fn request(&self, route: &str, status: StatusCode) {
        self.requests.get_or_create(&ByRoute { route: route.to_owned(), status: status.as_u16() }).inc();
    }

    /// The result cache was asked.
    pub fn result_cache(&self, hit: bool) {
        let answer = if hit { "hit" } else { "miss" };
        self.result_cache.get_or_create(&ByAnswer { answer }).inc();
    }

    /// All of it as text. What is not counted here, but read at that moment: what the sandbox does, what bodies take of
    /// their budget, and which workers are loaded.
    ///
    /// # Errors
    /// None that is known: writing to a string does not fail.
    pub fn encode(&self, stats: Stats, body_bytes: usize, workers: RegistryStats) -> Result<String, std::fmt::Error> {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.running.set(number(stats.running));
        self.waiting.set(number(stats.waiting));
        self.slots.set(number(stats.slots));
        self.bodies.set(number(body_bytes));
        self.workers.set(number(workers.loaded));
        self.worker_bytes.set(i64::try_from(workers.bytes).unwrap_or(i64::MAX));
        for (result, count) in [("ok", workers.loads), ("failed", workers.failures)] {
            self.worker_loads.get_or_create(&ByResult { result }).inner().store(count, Relaxed);
        }
        for (origin, count) in [("made", workers.loads.saturating_sub(workers.from_disk)), ("disk", workers.from_disk)]
        {
            self.worker_origins.get_or_create(&ByOrigin { origin }).inner().store(count, Relaxed);
        }
        self.workers_kept.set(number(workers.kept));
        self.worker_kept_bytes.set(i64::try_from(workers.kept_bytes).unwrap_or(i64::MAX));
        self.worker_evictions.inner().store(workers.evictions, Relaxed);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// From 50 microseconds to about 100 seconds.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 22))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::new(Arc::new(WorkerCounts::new(0)));
        metrics.execution(Verdict::GuestError, Tier::Tenant, &Usage::default());
        metrics.request("/execute", StatusCode::OK);
        metrics.result_cache(true);
        let workers = RegistryStats {
            names: 3,
            loaded: 4,
            bytes: 5,
            loads: 6,
            from_disk: 2,
            failures: 7,
            evictions: 8,
            kept: 9,
            kept_bytes: 10,
        };
        let text = metrics.encode(Stats { slots: 8, running: 2, waiting: 1 }, 3, workers).unwrap();
        for line in [
            "doer_executions_total{outcome=\"guest_error\",tier=\"tenant\"} 1",
            "doer_execution_duration_seconds_count{tier=\"tenant\"} 1",
            "doer_execution_cpu_seconds_count{tier=\"tenant\"} 1",
            "doer_http_requests_total{route=\"/execute\",status=\"200\"} 1",
            "doer_result_cache_lookups_total{answer=\"hit\"} 1",
            "doer_executions_running 2",
            "doer_executions_waiting 1",
            "doer_execution_slots 8",
            "doer_request_bodies_bytes 3",
            "doer_workers_loaded 4",
            "doer_workers_loaded_bytes 5",
            "doer_worker_loads_total{result=\"ok\"} 6",
            "doer_worker_loads_total{result=\"failed\"} 7",
            "doer_worker_origins_total{origin=\"made\"} 4",
            "doer_worker_origins_total{origin=\"disk\"} 2",
            "doer_worker_evictions_total 8",
            "doer_workers_kept 9",
            "doer_workers_kept_bytes 10",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
