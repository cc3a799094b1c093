//! What the worker did since the start of the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the worker since the start of the process.
#[derive(Debug, Default)]
pub struct WebhookStatistics {
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) given_up: AtomicU64,
    pub(super) forbidden: AtomicU64,
    pub(super) disabled: AtomicU64,
    pub(super) faults: AtomicU64,
}

impl WebhookStatistics {
    /// Messages that a receiver took.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Messages that were given up.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Attempts that would have left for a place that only we can reach.
    pub fn forbidden(&self) -> u64 {
        self.forbidden.load(Ordering::Relaxed)
    }

    /// Endpoints that were given up.
    pub fn disabled(&self) -> u64 {
        self.disabled.load(Ordering::Relaxed)
    }

    /// Failures of our own: the database, or a secret that does not open.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
