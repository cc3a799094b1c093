//! What this instance did about exports since its start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct ExportStatistics {
    pub(super) ready: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) put_back: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) removed: AtomicU64,
    pub(super) faults: AtomicU64,
}

impl ExportStatistics {
    /// Attempts by how they ended: `lost` are those that somebody else took over, or whose export
    /// was deleted meanwhile.
    pub(crate) fn attempts(&self) -> [(&'static str, u64); 4] {
        [
            ("ready", &self.ready),
            ("failed", &self.failed),
            ("put_back", &self.put_back),
            ("lost", &self.lost),
        ]
        .map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// Exports that were removed with their files.
    pub(crate) fn removed(&self) -> u64 {
        self.removed.load(Ordering::Relaxed)
    }

    /// Failures of our own: the database or the file store.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
