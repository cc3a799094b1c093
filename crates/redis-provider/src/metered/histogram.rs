//! How long calls took, in buckets that many threads count in at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Durations are told apart by 64 ns at the finest.
const UNIT_BITS: u32 = 6;
/// Each power of two is cut into 16 parts, so that a bucket is at most a sixteenth (6.25 %) wider
/// than its lower bound.
const PART_BITS: u32 = 4;
const PARTS: u64 = 1 << PART_BITS;
/// Up to 64 s; what takes longer is counted as that.
const BUCKETS: usize = 432;

/// Counts of durations, log-linear.
#[derive(Debug)]
pub(super) struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn record(&self, duration: Duration) {
        if let Some(bucket) = self.0.get(index(duration)) {
            // Nothing else is read by what is counted here.
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let counts: Vec<u64> = self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        Snapshot { total: counts.iter().sum(), counts }
    }
}

/// The counts of one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    counts: Vec<u64>,
    pub(super) total: u64,
}

impl Snapshot {
    /// What `percent` of 100 durations did not exceed, as the upper bound of a bucket; zero where
    /// there are none.
    pub(super) fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.counts
            .iter()
            .position(|count| {
                seen += count;
                seen >= wanted
            })
            .map_or(Duration::ZERO, upper_bound)
    }

    /// How many durations were shorter; exact where a bucket ends at `bound`.
    pub(super) fn below(&self, bound: Duration) -> u64 {
        self.counts.iter().take(index(bound)).sum()
    }

    /// All durations together, each as the upper bound of its bucket.
    pub(super) fn sum(&self) -> Duration {
        let sum = self.counts.iter().enumerate().fold(0_u64, |sum, (index, count)| {
            let nanos = u64::try_from(upper_bound(index).as_nanos()).unwrap_or(u64::MAX);
            sum.saturating_add(nanos.saturating_mul(*count))
        });
        Duration::from_nanos(sum)
    }
}

fn index(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let units = nanos >> UNIT_BITS;
    let index = if units < PARTS {
        units
    } else {
        let power = units.ilog2();
        let part = (units >> (power - PART_BITS)) % PARTS;
        u64::from(power - PART_BITS + 1) * PARTS + part
    };
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The shortest duration that belongs to the next bucket.
fn upper_bound(index: usize) -> Duration {
    let next = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
    let units = if next < PARTS {
        next
    } else {
        (PARTS + next % PARTS) << (next / PARTS - 1).min(u64::from(u32::BITS))
    };
    Duration::from_nanos(units << UNIT_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::DURATION_BOUNDS;

    proptest! {
        #[test]
        fn a_duration_lies_just_below_the_bound_of_its_bucket(nanos in 0_u64..64_000_000_000) {
            let bound = upper_bound(index(Duration::from_nanos(nanos)));
            let bound = u64::try_from(bound.as_nanos()).unwrap();
            prop_assert!(bound > nanos);
            prop_assert!(bound - nanos <= 64.max(nanos / 16), "{nanos} is reported as {bound}");
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_durations(
            mut micros in prop::collection::vec(0_u64..2_000_000, 1..300),
        ) {
            let histogram = Histogram::new();
            for micros in &micros {
                histogram.record(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            let snapshot = histogram.snapshot();
            prop_assert_eq!(snapshot.total, u64::try_from(micros.len()).unwrap());
            for bound in DURATION_BOUNDS {
                let shorter = micros.iter().filter(|micros| Duration::from_micros(**micros) < bound);
                prop_assert_eq!(snapshot.below(bound), u64::try_from(shorter.count()).unwrap());
            }
            let sum = Duration::from_micros(micros.iter().sum());
            let slack = Duration::from_micros(1) * u32::try_from(micros.len()).unwrap();
            prop_assert!(snapshot.sum() >= sum && snapshot.sum() <= sum.mul_f64(1.07) + slack);
            for percent in [50, 95, 99] {
                let exact = micros[(micros.len() * percent).div_ceil(100) - 1];
                let found = snapshot.percentile(u64::try_from(percent).unwrap());
                let exact = Duration::from_micros(exact);
                prop_assert!(found >= exact && found <= exact.mul_f64(1.07) + Duration::from_nanos(64));
            }
        }
    }

    #[test]
    fn what_takes_for_ever_is_counted() {
        let histogram = Histogram::new();
        assert_eq!(histogram.snapshot().percentile(50), Duration::ZERO);
        histogram.record(Duration::MAX);
        assert!(histogram.snapshot().percentile(50) > Duration::from_secs(60));
    }
}
