//! What came of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) reads: u64,
    /// Answers older than the newest finished invalidation, and not too old.
    pub(crate) late: u64,
    /// Reads that were not answered with a value.
    pub(crate) unanswered: u64,
    /// Invalidations.
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    /// Finished ones that another instance was not told of, because it heard nothing.
    pub(crate) untold: u64,
    pub(crate) heard: u64,
    pub(crate) gaps: u64,
    pub(crate) hits: u64,
    pub(crate) hits_in_process: u64,
    pub(crate) misses: u64,
    pub(crate) bypassed: u64,
    pub(crate) replayed: u64,
    pub(crate) interruptions: u64,
    pub(crate) wrong: Vec<String>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.late += other.late;
        self.unanswered += other.unanswered;
        self.finished += other.finished;
        self.failed += other.failed;
        self.untold += other.untold;
        self.heard += other.heard;
        self.gaps += other.gaps;
        self.hits += other.hits;
        self.hits_in_process += other.hits_in_process;
        self.misses += other.misses;
        self.bypassed += other.bypassed;
        self.replayed += other.replayed;
        self.interruptions += other.interruptions;
        self.wrong.extend(other.wrong);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reads: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) untold: AtomicU64,
    pub(crate) heard: AtomicU64,
    pub(crate) gaps: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Self { reads, late, unanswered, finished, failed, untold, heard, gaps } = self;
        Figures {
            reads: read(reads),
            late: read(late),
            unanswered: read(unanswered),
            finished: read(finished),
            failed: read(failed),
            untold: read(untold),
            heard: read(heard),
            gaps: read(gaps),
            ..Figures::default()
        }
    }
}
