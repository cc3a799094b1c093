//! Whether the service answers, told once at each turn.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// So many attempts in a row without an answer mean that the service is away; a single one may be
/// an edge that closed an idle connection.
const ENOUGH: u32 = 3;

#[derive(Debug)]
pub(super) struct Health {
    address: String,
    failures: AtomicU32,
    is_down: AtomicBool,
}

impl Health {
    pub(super) const fn new(address: String) -> Self {
        Self { address, failures: AtomicU32::new(0), is_down: AtomicBool::new(false) }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn note_answer(&self) {
        if self.failures.swap(0, Ordering::Relaxed) > 0
            && self.is_down.swap(false, Ordering::Relaxed)
        {
            tracing::info!(address = self.address, "Redis over REST answers again");
        }
    }

    pub(super) fn note_failure(&self, reason: &str) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= ENOUGH && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(address = self.address, reason, "Redis over REST does not answer");
        }
    }

    /// The same without a wait for more failures.
    pub(super) fn note_down(&self, reason: &str) {
        self.failures.store(ENOUGH, Ordering::Relaxed);
        self.note_failure(reason);
    }
}
