//! How the calls of the last moments went.

use std::time::Duration;

use tokio::time::Instant;

/// Parts that the window is forgotten by.
const BUCKETS: u64 = 10;
/// Shorter windows are not told apart from none.
const SHORTEST: Duration = Duration::from_millis(10);

/// Calls, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

impl Counts {
    fn add(&mut self, is_failed: bool, is_slow: bool) {
        self.calls = self.calls.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(is_failed));
        self.slow = self.slow.saturating_add(u32::from(is_slow));
    }

    fn subtract(&mut self, other: Self) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failed = self.failed.saturating_sub(other.failed);
        self.slow = self.slow.saturating_sub(other.slow);
    }
}

/// Counts over a rolling window, which moves on by tenths of its length.
#[derive(Debug)]
pub(super) struct Window {
    width: u128,
    origin: Instant,
    /// Number of the newest bucket since the origin.
    newest: u64,
    buckets: [Counts; 10],
    total: Counts,
}

impl Window {
    pub(super) fn new(length: Duration, origin: Instant) -> Self {
        Self {
            width: length.max(SHORTEST).as_nanos() / u128::from(BUCKETS),
            origin,
            newest: 0,
            buckets: Default::default(),
            total: Counts::default(),
        }
    }

    /// Takes note of a call that ended now, and answers the counts with it.
    pub(super) fn add(&mut self, now: Instant, is_failed: bool, is_slow: bool) -> Counts {
        let age = now.saturating_duration_since(self.origin).as_nanos();
        self.move_to(u64::try_from(age / self.width).unwrap_or(u64::MAX));
        if let Some(bucket) = bucket(&mut self.buckets, self.newest) {
            bucket.add(is_failed, is_slow);
        }
        self.total.add(is_failed, is_slow);
        self.total
    }

    /// Threads may come with a time that is a little older than the newest: it counts as that.
    fn move_to(&mut self, number: u64) {
        let steps = number.saturating_sub(self.newest);
        for step in 1..=steps.min(BUCKETS) {
            if let Some(bucket) = bucket(&mut self.buckets, self.newest.wrapping_add(step)) {
                self.total.subtract(std::mem::take(bucket));
            }
        }
        self.newest = self.newest.max(number);
    }
}

fn bucket(buckets: &mut [Counts; 10], number: u64) -> Option<&mut Counts> {
    buckets.get_mut(usize::try_from(number % BUCKETS).ok()?)
}
