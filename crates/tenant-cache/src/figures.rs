//! What monitoring reads: figures by operation and of the provider, without asking anybody.

use redis_provider::ProviderReport;
use tenancy::OrgId;

use crate::cache::TenantCache;
use crate::registry::Operation;
use crate::statistics::OperationStatistics;

impl TenantCache {
    /// Figures over all tenants by operation, those never used included.
    pub fn operation_statistics(&self) -> Vec<(Operation, OperationStatistics)> {
        self.shared().statistics.by_operation()
    }

    /// Figures of the `most` tenants with the most answers, those with more first.
    pub fn busiest_tenants(&self, most: usize) -> Vec<(OrgId, OperationStatistics)> {
        self.shared().statistics.busiest_tenants(most)
    }

    /// The tenants' operations of which hits were found to be wrong, and how many, the most first;
    /// at most so many.
    pub fn stale_hits(&self, most: usize) -> Vec<(OrgId, Operation, u64)> {
        self.shared().statistics.with_stale_hits(most)
    }

    /// The provider's account of its calls. Costs no round trip.
    pub fn provider_report(&self) -> ProviderReport {
        self.shared().provider.report()
    }
}
