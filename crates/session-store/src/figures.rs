//! What became of look-ups, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) held: Counter,
    pub(crate) copies: Counter,
    pub(crate) ledger: Counter,
    pub(crate) refused: Counter,
    pub(crate) failures: Counter,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessFigures {
    /// Look-ups of sessions and memberships that were answered by what the process had verified.
    pub held: u64,
    /// Those that were answered by a copy in Redis.
    pub copies: u64,
    /// Those that asked the ledger.
    pub ledger: u64,
    /// Those that found no turn to ask it in time.
    pub refused: u64,
    /// Copies that could not be read, written or removed.
    pub failures: u64,
}

impl Figures {
    pub(crate) fn now(&self) -> AccessFigures {
        AccessFigures {
            held: self.held.get(),
            copies: self.copies.get(),
            ledger: self.ledger.get(),
            refused: self.refused.get(),
            failures: self.failures.get(),
        }
    }
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
