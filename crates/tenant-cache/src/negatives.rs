//! How many answers "there is nothing" are stored for a tenant.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenancy::OrgId;
use tokio::time::Instant;

/// Tenants share a bound where their hashes meet.
const STRIPES: usize = 1_024;
/// So many in each period: more is somebody guessing at names.
const MOST: u32 = 200;
const PERIOD: Duration = Duration::from_secs(10);

/// A bound on what guesses at names make the provider keep. Past it they are loaded each time,
/// which the limit on loads bounds.
#[derive(Debug)]
pub(crate) struct Negatives {
    hasher: RandomState,
    since: Instant,
    /// Number of the period in the upper half, how many it has had in the lower.
    stripes: Box<[AtomicU64]>,
}

impl Negatives {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), since: Instant::now(), stripes }
    }

    /// Whether one more may be stored now.
    pub(crate) fn admit(&self, org: &OrgId) -> bool {
        let period = self.since.elapsed().as_secs() / PERIOD.as_secs();
        let index = self.hasher.hash_one(org) % u64::try_from(self.stripes.len()).unwrap_or(1);
        let Some(stripe) = self.stripes.get(usize::try_from(index).unwrap_or(0)) else {
            return false;
        };
        let counted = stripe.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let count = if state >> 32 == period { state & u64::from(u32::MAX) } else { 0 };
            (count < u64::from(MOST)).then_some(period << 32 | (count + 1))
        });
        counted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_so_many_in_a_period_and_others_have_theirs() {
        let negatives = Negatives::new();
        let org = |name: &str| name.parse::<OrgId>().unwrap();
        let admitted = (0..1_000).filter(|_| negatives.admit(&org("org_a"))).count();
        assert_eq!(admitted, 200);
        let others = (0..20).filter(|n| negatives.admit(&org(&format!("org_{n}")))).count();
        assert!(others >= 19, "{others}");
        tokio::time::advance(PERIOD).await;
        assert!(negatives.admit(&org("org_a")));
    }
}
