//! How many invalidations of a tenant this process has begun.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use tenancy::OrgId;

/// Tenants share a counter where their hashes meet; a neighbour's write then costs a load, which
/// at this number is rare.
const STRIPES: usize = 1_024;

/// Counts of invalidations begun, whatever came of them. What was loaded under the count that a
/// reader finds is no older than any invalidation that this process finished before the reader
/// came.
#[derive(Debug)]
pub(crate) struct Tries {
    hasher: RandomState,
    stripes: Box<[AtomicU64]>,
}

impl Tries {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), stripes }
    }

    pub(crate) fn of(&self, org: &OrgId) -> u64 {
        self.stripe(org).map_or(0, |stripe| stripe.load(Ordering::SeqCst))
    }

    /// To be called after the change has been made, before anybody is told of it.
    pub(crate) fn begin(&self, org: &OrgId) {
        if let Some(stripe) = self.stripe(org) {
            stripe.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn stripe(&self, org: &OrgId) -> Option<&AtomicU64> {
        let count = u64::try_from(self.stripes.len()).unwrap_or(1);
        let index = self.hasher.hash_one(org) % count;
        self.stripes.get(usize::try_from(index).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_moves_its_own_count_and_hardly_any_other() {
        let tries = Tries::new();
        let orgs: Vec<OrgId> = (0..100).map(|n| format!("org_{n}").parse().unwrap()).collect();
        let before: Vec<u64> = orgs.iter().map(|org| tries.of(org)).collect();
        tries.begin(&orgs[0]);
        assert_eq!(tries.of(&orgs[0]), before[0] + 1);
        let moved = orgs.iter().zip(&before).filter(|(org, count)| tries.of(org) != **count);
        assert!(moved.count() < 10);
    }
}
