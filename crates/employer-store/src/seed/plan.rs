//! How many jobs each tenant of a load gets.

use super::report::SeedError;

/// The most tenants of one plan.
const MAX_TENANTS: u32 = 10_000;
/// The most jobs of one plan.
const MAX_JOBS: u32 = 20_000_000;
/// Weight of the largest tenant under Zipf's law; that of the n-th is an n-th of it.
const FIRST_WEIGHT: u64 = 1_000_000_000;

/// What [`generate_load`](super::generate_load) makes.
///
/// The same plan on the same day makes the same rows; on another day they differ in their dates
/// only. Random numbers are those of [`rand::rngs::StdRng`], a generator that may change with a
/// new major version of `rand`, and with it the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// Jobs in all.
    pub jobs: u32,
    /// Tenants in all.
    pub tenants: u32,
    /// Sizes of tenants by Zipf's law (s = 1) instead of all alike: of 300,000 jobs over 500
    /// tenants the largest gets some 44,000.
    pub zipf: bool,
    /// What everything random begins with. Tenants of another seed are other tenants.
    pub seed: u64,
}

impl LoadPlan {
    /// Refuses what cannot be made.
    pub fn check(&self) -> Result<(), SeedError> {
        if self.tenants == 0 || self.tenants > MAX_TENANTS {
            return Err(SeedError::Plan("from 1 to 10000 tenants can be made at a time"));
        }
        if self.jobs > MAX_JOBS {
            return Err(SeedError::Plan("at most 20000000 jobs can be made at a time"));
        }
        Ok(())
    }

    /// The number of jobs of each tenant, largest first. What rounding leaves over is the largest
    /// tenant's.
    pub fn jobs_of_tenants(&self) -> Vec<u32> {
        let ranks = 1..=u64::from(self.tenants);
        let weight = |rank: u64| if self.zipf { FIRST_WEIGHT / rank } else { FIRST_WEIGHT };
        let total: u64 = ranks.clone().map(weight).sum();
        let share = |rank: u64| {
            let jobs = u64::from(self.jobs) * weight(rank) / total.max(1);
            u32::try_from(jobs).unwrap_or(u32::MAX)
        };
        let mut shares: Vec<u32> = ranks.map(share).collect();
        let given: u32 = shares.iter().sum();
        if let Some(largest) = shares.first_mut() {
            *largest += self.jobs.saturating_sub(given);
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zipf_gives_the_largest_of_500_about_44_000_of_300_000() {
        let plan = LoadPlan { jobs: 300_000, tenants: 500, zipf: true, seed: 1 };
        let shares = plan.jobs_of_tenants();
        assert!((43_500..45_000).contains(&shares[0]), "{}", shares[0]);
        assert!((130..160).contains(&shares[299]), "{}", shares[299]);
        let even = LoadPlan { zipf: false, ..plan }.jobs_of_tenants();
        assert!(even.iter().all(|share| *share == 600));
    }

    #[test]
    fn a_plan_without_tenants_or_without_end_is_refused() {
        let plan = LoadPlan { jobs: 10, tenants: 2, zipf: true, seed: 1 };
        assert!(plan.check().is_ok());
        assert!(LoadPlan { tenants: 0, ..plan }.check().is_err());
        assert!(LoadPlan { tenants: 10_001, ..plan }.check().is_err());
        assert!(LoadPlan { jobs: 20_000_001, ..plan }.check().is_err());
    }

    proptest! {
        #[test]
        fn shares_add_up_and_fall(jobs in 0..2_000_000_u32, tenants in 1..3_000_u32, zipf: bool) {
            let shares = LoadPlan { jobs, tenants, zipf, seed: 0 }.jobs_of_tenants();
            prop_assert_eq!(shares.len(), usize::try_from(tenants).unwrap());
            prop_assert_eq!(shares.iter().sum::<u32>(), jobs);
            prop_assert!(shares.is_sorted_by(|a, b| a >= b));
        }
    }
}
