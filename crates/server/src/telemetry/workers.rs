//! What each worker did, within a bounded number of series.
//!
//! Workers are made by users, and each series costs whoever scrapes them. So the first so many that are called have series of
//! their own, and all others share one that is called `other`: what OpenTelemetry calls a cardinality limit with an overflow.
//! Nothing is counted twice or lost: when a worker is removed, its counts move to `other`, and its place is free.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doer_core::tier::Namespace;
use doer_sandbox::{Usage, loader::Key};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::execute::Verdict;

/// Namespace and worker of the series that all others share. No namespace is called so.
const OTHER: &str = "other";

/// The counts of all workers.
#[derive(Debug)]
pub struct WorkerCounts {
    /// Workers with series of their own.
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    own: HashMap<Key, (u64, Counts)>,
    others: Counts,
    next: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByWorker {
    namespace: String,
    worker: String,
}

#[derive(Debug, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    outcomes: BTreeMap<&'static str, u64>,
    wall: Duration,
    cpu: Duration,
}

/// Where a run of a worker is counted, found out when it begins: the end of a run that outlives its worker must not take a
/// place for one that is not there any more.
#[derive(Debug, Clone)]
pub struct Place {
    worker: Key,
    own: Option<u64>,
}

impl Place {
    /// The worker.
    pub const fn worker(&self) -> &Key {
        &self.worker
    }
}

impl WorkerCounts {
    /// Counts of which `most` workers have their own.
    pub fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    /// A worker is called.
    pub fn place(&self, worker: Key) -> Place {
        let mut table = self.table();
        let taken = table.own.get(&worker).map(|(number, _)| *number);
        let own = match taken {
            None if table.own.len() < self.most => {
                table.next += 1;
                let number = table.next;
                table.own.insert(worker.clone(), (number, Counts::default()));
                Some(number)
            }
            taken => taken,
        };
        Place { worker, own }
    }

    /// A run has ended.
    pub fn ended(&self, place: &Place, verdict: Verdict, usage: &Usage) {
        let mut table = self.table();
        let Table { own, others, .. } = &mut *table;
        let counts = match own.get_mut(&place.worker) {
            Some((number, counts)) if Some(*number) == place.own => counts,
            Some(_) | None => others,
        };
        *counts.outcomes.entry(verdict.name()).or_default() += 1;
        counts.wall += usage.wall;
        counts.cpu += usage.cpu;
    }

    /// A worker is not there any more.
    pub fn removed(&self, worker: &Key) {
        let mut table = self.table();
        if let Some((_, counts)) = table.own.remove(worker) {
            table.others.add(&counts);
        }
    }

    /// All of a namespace are not.
    pub fn removed_namespace(&self, namespace: &Namespace) {
        let mut table = self.table();
        let Table { own, others, .. } = &mut *table;
        own.retain(|worker, (_, counts)| {
            let stays = worker.namespace != *namespace;
            if !stays {
                others.add(counts);
            }
            stays
        });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in order.
    fn all(&self) -> Vec<(ByWorker, Counts)> {
        let labels =
            |namespace: &str, worker: &str| ByWorker { namespace: namespace.to_owned(), worker: worker.to_owned() };
        let table = self.table();
        let own = table.own.iter().map(|(key, (_, counts))| (labels(key.namespace.as_str(), &key.id), counts.clone()));
        let mut all: Vec<_> = own.collect();
        if !table.others.outcomes.is_empty() {
            all.push((labels(OTHER, OTHER), table.others.clone()));
        }
        drop(table);
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

/// What is encoded when somebody asks for the metrics.
#[derive(Debug)]
pub(super) struct WorkerSeries(pub(super) Arc<WorkerCounts>);

impl Collector for WorkerSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.all();
        let by_outcome = all.iter().flat_map(|(labels, counts)| {
            counts.outcomes.iter().map(move |(outcome, count)| ((labels.clone(), ByOutcome { outcome }), *count))
        });
        counters(&mut encoder, "worker_invocations", "Calls of workers that have ended", None, by_outcome)?;
        let wall = all.iter().map(|(labels, counts)| (labels.clone(), counts.wall.as_secs_f64()));
        counters(&mut encoder, "worker_duration", "Their time on the clock", Some(&Unit::Seconds), wall)?;
        let cpu = all.iter().map(|(labels, counts)| (labels.clone(), counts.cpu.as_secs_f64()));
        counters(&mut encoder, "worker_cpu", "Their time on the CPU", Some(&Unit::Seconds), cpu)
    }
}

fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    series: impl Iterator<Item = (L, V)>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
    for (labels, value) in series {
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, V, u64>(&value, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use doer_core::fault::Termination;

    use super::*;

    fn key(namespace: &str, id: &str) -> Key {
        Key { namespace: Namespace::parse(namespace).unwrap(), id: id.to_owned() }
    }

    fn acme(id: &str) -> Key {
        key("tenant:acme", id)
    }

    fn call(counts: &WorkerCounts, worker: Key, verdict: Verdict) {
        let place = counts.place(worker);
        counts.ended(&place, verdict, &usage());
    }

    fn usage() -> Usage {
        Usage { wall: Duration::from_millis(500), cpu: Duration::from_millis(250), ..Usage::default() }
    }

    /// Worker, calls that went well, seconds on the clock.
    fn told(counts: &WorkerCounts) -> Vec<(String, u64, f64)> {
        let ok = |counts: &Counts| counts.outcomes.get("ok").copied().unwrap_or_default();
        let all = counts.all().into_iter();
        all.map(|(labels, counts)| (labels.worker, ok(&counts), counts.wall.as_secs_f64())).collect()
    }

    fn row(worker: &str, calls: u64) -> (String, u64, f64) {
        (worker.to_owned(), calls, calls as f64 / 2.0)
    }

    #[test]
    fn the_first_have_their_own_and_the_others_share() {
        let counts = WorkerCounts::new(2);
        for id in ["a", "b", "c", "d", "e", "a", "e"] {
            call(&counts, acme(id), Verdict::Ok);
        }
        // `other` is of no namespace, and stands before those that are.
        assert_eq!(told(&counts), [row("other", 4), row("a", 2), row("b", 1)]);
    }

    #[test]
    fn what_a_removed_worker_did_is_counted_with_the_others() {
        let counts = WorkerCounts::new(1);
        call(&counts, acme("a"), Verdict::Ok);
        call(&counts, acme("b"), Verdict::Ok);
        counts.removed(&acme("a"));
        counts.removed(&acme("b"));
        assert_eq!(told(&counts), [row("other", 2)]);
        call(&counts, acme("b"), Verdict::Ok);
        assert_eq!(told(&counts), [row("other", 2), row("b", 1)]);
        call(&counts, key("tenant:other", "b"), Verdict::Ok);
        counts.removed_namespace(&Namespace::parse("tenant:acme").unwrap());
        assert_eq!(told(&counts), [row("other", 4)]);
    }

    #[test]
    fn a_run_that_outlives_its_worker_takes_no_place() {
        let counts = WorkerCounts::new(1);
        let place = counts.place(acme("a"));
        counts.removed(&acme("a"));
        counts.ended(&place, Verdict::Ok, &usage());
        assert_eq!(told(&counts), [row("other", 1)]);
        // Nor does it count for one that has come in its place.
        let place = counts.place(acme("a"));
        counts.removed(&acme("a"));
        let next = counts.place(acme("a"));
        counts.ended(&place, Verdict::Ok, &usage());
        counts.ended(&next, Verdict::Ok, &usage());
        assert_eq!(told(&counts), [row("other", 2), row("a", 1)]);
    }

    #[test]
    fn without_places_all_share() {
        let counts = WorkerCounts::new(0);
        call(&counts, acme("a"), Verdict::Ok);
        assert_eq!(told(&counts), [row("other", 1)]);
    }

    #[test]
    fn they_are_told_by_namespace_worker_and_outcome() {
        let counts = Arc::new(WorkerCounts::new(10));
        call(&counts, acme("a"), Verdict::Ok);
        call(&counts, acme("a"), Verdict::Terminated(Termination::CpuLimit));
        call(&counts, key("user:\"", "a"), Verdict::GuestError);
        let mut registry = prometheus_client::registry::Registry::with_prefix("doer");
        registry.register_collector(Box::new(WorkerSeries(counts)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "doer_worker_invocations_total{namespace=\"tenant:acme\",worker=\"a\",outcome=\"ok\"} 1",
            "doer_worker_invocations_total{namespace=\"tenant:acme\",worker=\"a\",outcome=\"cpu_limit\"} 1",
            "doer_worker_invocations_total{namespace=\"user:\\\"\",worker=\"a\",outcome=\"guest_error\"} 1",
            "doer_worker_duration_seconds_total{namespace=\"tenant:acme\",worker=\"a\"} 1.0",
            "doer_worker_cpu_seconds_total{namespace=\"tenant:acme\",worker=\"a\"} 0.5",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is missing in\n{text}");
        }
    }
}
