//! Reads, counted by what became of them.

use std::collections::BTreeMap;

use super::kinds::{Kind, WriteKind};

/// Why an answer had to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nobody had asked for it.
    New,
    /// A write had dropped it, the first one since it was loaded.
    Dropped(WriteKind),
    /// Nothing had been written: its time was over, or memory was short.
    Over,
}

/// Reads of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers.
    pub reads: u64,
    /// Those from the cache.
    pub hits: u64,
    /// Those that nobody had asked for before.
    pub new: u64,
    /// Those that an edit of a job had dropped.
    pub dropped_by_edit: u64,
    /// Those that a change of state had dropped.
    pub dropped_by_status_change: u64,
    /// Those that a new job had dropped.
    pub dropped_by_creation: u64,
    /// Those that were dropped by a write and came back the same.
    pub unchanged: u64,
    /// Those that would have been there if pages carried the tags of the jobs on them.
    pub spared: u64,
    /// Those of them that had changed: a rule that does this is wrong.
    pub wrongly_spared: u64,
    /// Those whose time was over.
    pub over: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Reads by kind.
    pub reads: BTreeMap<Kind, Tally>,
    /// Reads that the cache had no part in, since Redis did not answer in time.
    pub past_the_cache: u64,
    /// Hits whose time was over, answered while they were loaded anew. The portal counts them apart.
    pub late: u64,
    /// Writes that were done.
    pub writes: u64,
    /// Writes that were refused.
    pub refused: u64,
}

impl Tally {
    /// Counts a read that was no hit.
    pub(super) fn add(&mut self, cause: Cause, is_spared: bool, is_unchanged: bool) {
        let counter = match cause {
            Cause::New => &mut self.new,
            Cause::Over => &mut self.over,
            Cause::Dropped(WriteKind::Edit) => &mut self.dropped_by_edit,
            Cause::Dropped(WriteKind::StatusChange) => &mut self.dropped_by_status_change,
            Cause::Dropped(WriteKind::Creation) => &mut self.dropped_by_creation,
        };
        *counter += 1;
        if matches!(cause, Cause::Dropped(_)) {
            self.spared += u64::from(is_spared);
            self.unchanged += u64::from(is_unchanged);
            self.wrongly_spared += u64::from(is_spared && !is_unchanged);
        }
    }

    /// Adds up.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            spared: self.spared + other.spared,
            wrongly_spared: self.wrongly_spared + other.wrongly_spared,
            reads: self.reads + other.reads,
            hits: self.hits + other.hits,
            new: self.new + other.new,
            dropped_by_edit: self.dropped_by_edit + other.dropped_by_edit,
            dropped_by_status_change: self.dropped_by_status_change
                + other.dropped_by_status_change,
            dropped_by_creation: self.dropped_by_creation + other.dropped_by_creation,
            unchanged: self.unchanged + other.unchanged,
            over: self.over + other.over,
        }
    }
}
