//! What the cache has done: counters by tenant and operation.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis_provider::Circuits;
use serde::Serialize;
use tenancy::OrgId;

use crate::answer::Outcome;
use crate::flight::FlightError;
use crate::journal::JournalFigures;
use crate::registry::Operation;

/// Tenants counted one by one; the figures of further ones go into the totals only, so that a
/// flood of tenants cannot fill the memory.
const MAX_TENANTS: usize = 10_000;

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    bypassed: AtomicU64,
    loads: AtomicU64,
    load_micros: AtomicU64,
    load_failures: AtomicU64,
    overloaded: AtomicU64,
    stored_entries: AtomicU64,
    stored_bytes: AtomicU64,
}

impl Counters {
    fn snapshot(&self) -> OperationStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hits, stale) = (read(&self.hits), read(&self.stale));
        let (loads, load_micros) = (read(&self.loads), read(&self.load_micros));
        // By the average load, which does not need the cost of each value.
        let saved_micros = u128::from(hits + stale) * u128::from(load_micros);
        let saved_ms = saved_micros / u128::from(loads.max(1)) / 1_000;
        OperationStatistics {
            hits,
            misses: read(&self.misses),
            stale,
            bypassed: read(&self.bypassed),
            loads,
            load_ms: load_micros / 1_000,
            saved_ms: u64::try_from(saved_ms).unwrap_or(u64::MAX),
            load_failures: read(&self.load_failures),
            overloaded: read(&self.overloaded),
            stored_entries: read(&self.stored_entries),
            stored_bytes: read(&self.stored_bytes),
        }
    }
}

/// Figures of one operation since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperationStatistics {
    /// Answers from the cache.
    pub hits: u64,
    /// Answers that had to be loaded and were stored.
    pub misses: u64,
    /// Answers kept in this process while the provider is away.
    pub stale: u64,
    /// Answers loaded because the provider did not answer, or may not be believed yet.
    pub bypassed: u64,
    /// Loads begun; fewer than misses where readers shared them.
    pub loads: u64,
    /// Milliseconds spent in loaders.
    pub load_ms: u64,
    /// Milliseconds of loads that were spared, by the average load.
    pub saved_ms: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Readers sent away because too many loads waited already.
    pub overloaded: u64,
    /// Values written to the provider.
    pub stored_entries: u64,
    /// Bytes written to the provider.
    pub stored_bytes: u64,
}

impl OperationStatistics {
    /// Hits in percent of all answers; 0 before the first read.
    #[expect(clippy::cast_precision_loss, reason = "a percentage of counters far below 2^52")]
    pub fn hit_rate_percent(&self) -> f64 {
        let reads = self.answers();
        if reads == 0 { 0.0 } else { self.hits as f64 * 100.0 / reads as f64 }
    }

    /// The figures of several operations as one.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut total, part| {
            total.add(part);
            total
        })
    }

    /// Answers, wherever they came from.
    pub const fn answers(&self) -> u64 {
        self.hits + self.misses + self.stale + self.bypassed
    }

    fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.stale += other.stale;
        self.bypassed += other.bypassed;
        self.loads += other.loads;
        self.load_ms += other.load_ms;
        self.saved_ms += other.saved_ms;
        self.load_failures += other.load_failures;
        self.overloaded += other.overloaded;
        self.stored_entries += other.stored_entries;
        self.stored_bytes += other.stored_bytes;
    }
}

/// Figures of the whole cache since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheStatistics {
    /// Over all tenants and operations.
    pub total: OperationStatistics,
    /// Errors of the provider that the cache met, reads and writes.
    pub provider_errors: u64,
    /// Invalidations finished.
    pub invalidations: u64,
    /// Generations to replace again, because replacing them failed or may have been lost.
    pub journaled: u64,
    /// Those that have been replaced since.
    pub replayed: u64,
    /// Those that have not, now.
    pub journal_length: usize,
    /// How often there were too many to be told apart, so that coarser ones took their place.
    pub journal_overflows: u64,
    /// Loads under way now.
    pub loads_under_way: usize,
}

impl CacheStatistics {
    /// Hits in percent of all answers; 0 before the first read.
    pub fn hit_rate_percent(&self) -> f64 {
        self.total.hit_rate_percent()
    }
}

/// The state of the provider behind the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheHealth {
    /// Name of the backend: `memory`, `redis`, `upstash`.
    pub backend: &'static str,
    /// How long the last ping took; `None` if it failed.
    pub latency: Option<Duration>,
    /// Keys held by an in-process backend; 0 for others.
    pub memory_entries: u64,
    /// Whether calls go through to the backend.
    pub circuits: Circuits,
    /// 99 of 100 reads took at most this, where the backend is measured.
    pub read_p99: Option<Duration>,
    /// Generations whose replacement failed or may have been lost, and is being repeated. What
    /// depends on them is not taken from the backend.
    pub journaled: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Statistics {
    by_tenant: RwLock<HashMap<(OrgId, Operation), Arc<Counters>>>,
    /// Over all tenants, those without figures of their own included; in the order of
    /// [`Operation::ALL`].
    by_operation: [Counters; Operation::ALL.len()],
    total: Counters,
    provider_errors: AtomicU64,
    invalidations: AtomicU64,
}

impl Statistics {
    pub(crate) fn answered(&self, org: &OrgId, operation: Operation, outcome: Outcome) {
        self.count(org, operation, |counters| {
            let counter = match outcome {
                Outcome::Hit => &counters.hits,
                Outcome::Miss => &counters.misses,
                Outcome::Stale => &counters.stale,
                Outcome::Bypass => &counters.bypassed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        });
    }

    pub(crate) fn loaded(&self, org: &OrgId, operation: Operation, took: Duration, failed: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count(org, operation, |counters| {
            counters.loads.fetch_add(1, Ordering::Relaxed);
            counters.load_micros.fetch_add(micros, Ordering::Relaxed);
            counters.load_failures.fetch_add(u64::from(failed), Ordering::Relaxed);
        });
    }

    pub(crate) fn stored(&self, org: &OrgId, operation: Operation, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.count(org, operation, |counters| {
            counters.stored_entries.fetch_add(1, Ordering::Relaxed);
            counters.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        });
    }

    pub(crate) fn provider_failed(&self) {
        self.provider_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn invalidated(&self) {
        self.invalidations.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn not_answered(&self, org: &OrgId, operation: Operation, error: &FlightError) {
        if matches!(error, FlightError::Overloaded) {
            self.count(org, operation, |counters| {
                counters.overloaded.fetch_add(1, Ordering::Relaxed);
            });
        }
    }

    pub(crate) fn of_all(
        &self,
        loads_under_way: usize,
        journal: JournalFigures,
    ) -> CacheStatistics {
        CacheStatistics {
            total: self.total.snapshot(),
            provider_errors: self.provider_errors.load(Ordering::Relaxed),
            invalidations: self.invalidations.load(Ordering::Relaxed),
            journaled: journal.journaled,
            replayed: journal.replayed,
            journal_length: journal.pending,
            journal_overflows: journal.overflows,
            loads_under_way,
        }
    }

    /// Figures over all tenants by operation.
    pub(crate) fn by_operation(&self) -> Vec<(Operation, OperationStatistics)> {
        let snapshots = self.by_operation.iter().map(Counters::snapshot);
        Operation::ALL.into_iter().zip(snapshots).collect()
    }

    /// One tenant's figures by operation; those never used are absent.
    pub(crate) fn of_tenant(&self, org: &OrgId) -> Vec<(Operation, OperationStatistics)> {
        let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let of =
            |operation| Some((operation, by_tenant.get(&(org.clone(), operation))?.snapshot()));
        Operation::ALL.into_iter().filter_map(of).collect()
    }

    /// The tenants with the most answers, those with more first.
    pub(crate) fn busiest_tenants(&self, most: usize) -> Vec<(OrgId, OperationStatistics)> {
        let mut by_org: HashMap<OrgId, OperationStatistics> = HashMap::new();
        {
            let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
            for ((org, _), counters) in by_tenant.iter() {
                by_org.entry(org.clone()).or_default().add(&counters.snapshot());
            }
        }
        let mut busiest: Vec<_> = by_org.into_iter().collect();
        busiest.sort_by_key(|(org, figures)| (Reverse(figures.answers()), org.clone()));
        busiest.truncate(most);
        busiest
    }

    fn count(&self, org: &OrgId, operation: Operation, add: impl Fn(&Counters)) {
        add(&self.total);
        let all = Operation::ALL.iter().zip(&self.by_operation);
        all.filter(|(one, _)| **one == operation).for_each(|(_, counters)| add(counters));
        let key = (org.clone(), operation);
        let known = {
            let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
            by_tenant.get(&key).cloned()
        };
        if let Some(counters) = known {
            add(&counters);
            return;
        }
        let mut by_tenant = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        if by_tenant.len() < MAX_TENANTS * Operation::ALL.len() {
            add(by_tenant.entry(key).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(statistics: &Statistics, org: &str, operation: Operation, times: usize) {
        let org = org.parse().unwrap();
        (0..times).for_each(|_| statistics.answered(&org, operation, Outcome::Hit));
    }

    #[test]
    fn operations_are_counted_over_all_tenants() {
        let statistics = Statistics::default();
        answered(&statistics, "org_a", Operation::JobsList, 2);
        answered(&statistics, "org_b", Operation::JobsList, 1);
        answered(&statistics, "org_b", Operation::JobsItem, 4);
        let mut used = statistics.by_operation();
        used.retain(|(_, figures)| figures.hits > 0);
        let used: Vec<_> = used.into_iter().map(|(one, figures)| (one, figures.hits)).collect();
        assert_eq!(used, [(Operation::JobsList, 3), (Operation::JobsItem, 4)]);
    }

    #[test]
    fn the_busiest_tenants_come_first() {
        let statistics = Statistics::default();
        answered(&statistics, "org_a", Operation::JobsList, 2);
        answered(&statistics, "org_b", Operation::JobsItem, 3);
        answered(&statistics, "org_b", Operation::JobsList, 3);
        answered(&statistics, "org_c", Operation::JobsList, 5);
        let busiest = statistics.busiest_tenants(2);
        let told: Vec<_> =
            busiest.iter().map(|(org, figures)| (org.as_str(), figures.hits)).collect();
        assert_eq!(told, [("org_b", 6), ("org_c", 5)]);
    }
}
