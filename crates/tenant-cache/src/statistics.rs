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
use crate::coherence::JournalFigures;
use crate::flight::FlightError;
use crate::registry::Operation;
use crate::shelves::{Evictions, Usage};

/// Tenants counted one by one; the figures of further ones go into the totals only, so that a
/// flood of tenants cannot fill the memory.
const MAX_TENANTS: usize = 10_000;

/// Figures of one operation of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    hits: AtomicU64,
    hits_in_process: Striped,
    misses: AtomicU64,
    stale: AtomicU64,
    bypassed: AtomicU64,
    loads: AtomicU64,
    load_micros: AtomicU64,
    load_failures: AtomicU64,
    overloaded: AtomicU64,
    stored_entries: AtomicU64,
    stored_bytes: AtomicU64,
    audited: AtomicU64,
    stale_hits: AtomicU64,
}

/// A counter that threads on different cores do not wait for each other at.
#[derive(Debug, Default)]
struct Striped([Stripe; STRIPES]);

/// Of the size of a cache line, or of two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

const STRIPES: usize = 8;

impl Striped {
    fn add(&self) {
        if let Some(Stripe(count)) = self.0.get(crate::shelves::thread_number() % STRIPES) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|Stripe(count)| count.load(Ordering::Relaxed)).sum()
    }
}

impl Counters {
    pub(crate) fn hit_in_process(&self) {
        self.hits_in_process.add();
    }

    fn snapshot(&self) -> OperationStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let hits_in_process = self.hits_in_process.sum();
        let (hits, stale) = (read(&self.hits) + hits_in_process, read(&self.stale));
        let (loads, load_micros) = (read(&self.loads), read(&self.load_micros));
        // By the average load, which does not need the cost of each value.
        let saved_micros = u128::from(hits + stale) * u128::from(load_micros);
        let saved_ms = saved_micros / u128::from(loads.max(1)) / 1_000;
        OperationStatistics {
            hits,
            hits_in_process,
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
            audited: read(&self.audited),
            stale_hits: read(&self.stale_hits),
        }
    }
}

/// Figures of one operation since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperationStatistics {
    /// Answers from the cache.
    pub hits: u64,
    /// Those of them that were kept in this process.
    pub hits_in_process: u64,
    /// Answers that had to be loaded and were stored.
    pub misses: u64,
    /// Answers whose time was over or that a soft purge had dropped, and those kept in this process
    /// while the provider is away.
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
    /// Hits that were compared with the database.
    pub audited: u64,
    /// Those of them that were wrong. Anything but 0 is a fault of the portal, or data that was
    /// changed behind its back.
    pub stale_hits: u64,
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
        self.hits_in_process += other.hits_in_process;
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
        self.audited += other.audited;
        self.stale_hits += other.stale_hits;
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
    /// Values kept in this process now.
    pub kept_values: usize,
    /// Bytes of these, with what it takes to keep them.
    pub kept_bytes: usize,
    /// Values dropped from this process because a tenant had its share of the room, or all had.
    pub kept_evictions: u64,
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
    /// Of tenants that are not counted one by one, in the order of [`Operation::ALL`].
    others: [Arc<Counters>; Operation::ALL.len()],
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

    pub(crate) fn audited(&self, org: &OrgId, operation: Operation, is_stale: bool) {
        self.count(org, operation, |counters| {
            counters.audited.fetch_add(1, Ordering::Relaxed);
            counters.stale_hits.fetch_add(u64::from(is_stale), Ordering::Relaxed);
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
        kept: Usage,
        evictions: Evictions,
    ) -> CacheStatistics {
        CacheStatistics {
            total: self.total(),
            provider_errors: self.provider_errors.load(Ordering::Relaxed),
            invalidations: self.invalidations.load(Ordering::Relaxed),
            journaled: journal.journaled,
            replayed: journal.replayed,
            journal_length: journal.pending,
            journal_overflows: journal.overflows,
            loads_under_way,
            kept_values: kept.entries,
            kept_bytes: kept.bytes,
            kept_evictions: evictions.of_tenant + evictions.of_all,
        }
    }

    /// Figures over all tenants by operation.
    pub(crate) fn by_operation(&self) -> Vec<(Operation, OperationStatistics)> {
        let mut figures: Vec<_> = Operation::ALL
            .into_iter()
            .zip(&self.others)
            .map(|(operation, others)| (operation, others.snapshot()))
            .collect();
        let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        for ((_, operation), counters) in by_tenant.iter() {
            let of = figures.iter_mut().filter(|(one, _)| one == operation);
            of.for_each(|(_, sum)| sum.add(&counters.snapshot()));
        }
        figures
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

    /// The operations of tenants that were served something wrong, as far as was noticed.
    pub(crate) fn with_stale_hits(&self, most: usize) -> Vec<(OrgId, Operation, u64)> {
        let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = by_tenant
            .iter()
            .map(|((org, operation), counters)| {
                (org.clone(), *operation, counters.stale_hits.load(Ordering::Relaxed))
            })
            .filter(|(_, _, count)| *count > 0)
            .collect();
        found.sort_by(|one, other| (other.2, &one.0, one.1).cmp(&(one.2, &other.0, other.1)));
        found.truncate(most);
        found
    }

    /// The counters of a tenant's operation, for who counts often.
    pub(crate) fn counters(&self, org: &OrgId, operation: Operation) -> Arc<Counters> {
        let key = (org.clone(), operation);
        let known = {
            let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
            by_tenant.get(&key).map(Arc::clone)
        };
        known.unwrap_or_else(|| {
            let mut by_tenant = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
            if by_tenant.len() < MAX_TENANTS * Operation::ALL.len() {
                Arc::clone(by_tenant.entry(key).or_default())
            } else {
                let others = Operation::ALL.iter().zip(&self.others);
                let mut of = others.filter(|(one, _)| **one == operation);
                of.next().map(|(_, counters)| Arc::clone(counters)).unwrap_or_default()
            }
        })
    }

    fn count(&self, org: &OrgId, operation: Operation, add: impl Fn(&Counters)) {
        add(&self.counters(org, operation));
    }

    fn total(&self) -> OperationStatistics {
        let parts = self.by_operation();
        OperationStatistics::sum(parts.iter().map(|(_, part)| part))
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
