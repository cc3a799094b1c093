//! Instants as numbers, which atomics can hold.

use std::time::Duration;

use tokio::time::Instant;

/// Where the numbers begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline(Instant);

/// Nanoseconds on a [`Timeline`]; never zero, which stands for "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Timeline {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Moment {
        Moment(nanos(self.0.elapsed()).saturating_add(1))
    }
}

impl Moment {
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }

    pub(crate) fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(time)))
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }
}

/// Without 128-bit numbers, for it is done at each hit; 584 years are the most.
fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(time.subsec_nanos()))
}
