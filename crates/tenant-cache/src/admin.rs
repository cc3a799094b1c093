//! What an admin may do to the cache of one tenant: purge it, look into it.
//!
//! Everything here begins with a scope, so nothing reaches beyond its tenant.

pub(crate) mod keys;

use std::collections::BTreeSet;

use redis_provider::{Circuits, Cost, MethodReport, RedisError, ScanCursor, Script, ServerInfo};
use tenancy::{Feature, TenantScope};

use crate::cache::{Inner, TenantCache};
use crate::envelope::RefusedValues;
use crate::purge_target::PurgeTarget;
use crate::registry::Operation;
use crate::shelves::Usage;
use crate::statistics::{CacheStatistics, OperationStatistics};

/// Pages of keys that an estimate looks at: a walk costs in proportion to all keys of all tenants.
const ESTIMATE_PAGES: usize = 20;

/// What becomes of the values that a purge drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PurgeMode {
    /// They are never served again.
    #[default]
    Hard,
    /// They are served, as stale ones, until somebody has loaded them anew, which their first
    /// reader sets off; at most for the time that they had left. A second soft purge drops what the
    /// first one kept, and so does any event. What may never be stale is dropped.
    Soft,
}

/// What a purge has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The groups whose generations were replaced, none of them a part of another.
    pub dropped: Vec<Dropped>,
}

/// A group that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The group.
    pub target: PurgeTarget,
    /// Its new generation: 32 hexadecimal digits, the first 16 of them microseconds since 1970.
    pub generation: String,
}

/// What a purge would drop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Values found.
    pub entries: u64,
    /// Whether all keys were looked at; else there may be more.
    pub is_complete: bool,
    /// Milliseconds of loading to have the values again, from what loads of their operations took
    /// on average; operations that this process never loaded count as nothing.
    pub load_ms: u64,
}

/// The cache as one tenant's admin sees it.
#[derive(Clone, Debug)]
pub struct CacheStatus {
    /// Whether calls go through to the provider.
    pub circuits: Circuits,
    /// Calls of the provider by method, since the start of the process.
    pub calls: Vec<MethodReport>,
    /// What the provider was asked for, since the start of the process.
    pub cost: Cost,
    /// What the service says of itself, if it answered.
    pub server: Option<ServerInfo>,
    /// Figures of this process over all tenants.
    pub process: CacheStatistics,
    /// Figures of the tenant in this process, by operation that was used.
    pub tenant: Vec<(Operation, OperationStatistics)>,
    /// The tenant's values that this process keeps.
    pub kept: Usage,
    /// What was found and not used, over all tenants.
    pub refused: RefusedValues,
    /// Values that were sealed anew, over all tenants.
    pub resealed: u64,
}

impl TenantCache {
    /// Drops groups of the scope's tenant. One command for each group, whatever its size.
    ///
    /// When this answers `Ok`, nothing that was stored or begun before is served any more by any
    /// instance; after a [soft](PurgeMode::Soft) one, not as current. When it fails, that is so for this one, and it is repeated as
    /// [`invalidate`](Self::invalidate) is, and then nothing is kept.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; some of the groups may then not have been dropped.
    pub async fn purge(
        &self,
        scope: &TenantScope,
        targets: &BTreeSet<PurgeTarget>,
        mode: PurgeMode,
    ) -> Result<Purged, RedisError> {
        let script = match mode {
            PurgeMode::Hard => Script::AdvanceStamp,
            PurgeMode::Soft => Script::AdvanceStampSoftly,
        };
        let groups: Vec<_> = PurgeTarget::without_parts(targets)
            .into_iter()
            .map(|group| (group.generation(scope), group))
            .collect();
        let targets = groups.iter().map(|(target, _)| target.clone()).collect();
        let replaced = self.replace(scope, targets, script).await?;
        let dropped = groups.into_iter().filter_map(|(target, group)| {
            let (_, stamp) = replaced.iter().find(|(done, _)| *done == target)?;
            let generation = String::from_utf8_lossy(stamp.as_bytes()).into_owned();
            Some(Dropped { target: group, generation })
        });
        Ok(Purged { dropped: dropped.collect() })
    }

    /// Counts what a purge of `targets` would drop, as far as a bounded walk over the keys and the
    /// caller's time for the provider allow.
    pub async fn estimate(&self, scope: &TenantScope, targets: &BTreeSet<PurgeTarget>) -> Estimate {
        let mut estimate = Estimate { is_complete: true, ..Estimate::default() };
        let (_, loads) = self.tenant_statistics(scope);
        let features: BTreeSet<Feature> =
            targets.iter().flat_map(|target| target.features()).collect();
        let mut pages = ESTIMATE_PAGES;
        for feature in features {
            let mut cursor = Some(ScanCursor::START);
            while let Some(position) = cursor {
                let Some(page) = self.page_within(scope, feature, position, &mut pages).await
                else {
                    estimate.is_complete = false;
                    break;
                };
                for identifier in page.identifiers() {
                    if targets.iter().any(|target| target.covers(feature, identifier)) {
                        estimate.entries += 1;
                        estimate.load_ms += mean_load_ms(&loads, feature, identifier);
                    }
                }
                cursor = page.next;
            }
        }
        estimate
    }

    /// How the cache is, with the figures of the scope's tenant. Asks the service once.
    pub async fn status(&self, scope: &TenantScope) -> CacheStatus {
        let Inner { provider, shelves, .. } = &**self.shared();
        let server = provider.info().await;
        let report = provider.report();
        CacheStatus {
            circuits: report.circuits,
            calls: report.calls,
            cost: report.cost,
            server: server.inspect_err(|error| self.provider_failed("status", error)).ok(),
            process: self.statistics(),
            tenant: self.tenant_statistics(scope).1,
            kept: shelves.usage_of(scope.org()),
            refused: self.refused_values(),
            resealed: self.resealed_values(),
        }
    }
}

/// What a load of the operation that an identifier begins with took on average.
fn mean_load_ms(
    loads: &[(Operation, OperationStatistics)],
    feature: Feature,
    identifier: &str,
) -> u64 {
    let name = identifier.split(':').next().unwrap_or_default();
    let of = |(operation, _): &&(Operation, OperationStatistics)| {
        Operation::named(feature, name) == Some(*operation)
    };
    let figures = loads.iter().find(of).map(|(_, figures)| figures);
    figures.and_then(|figures| figures.load_ms.checked_div(figures.loads)).unwrap_or(0)
}
