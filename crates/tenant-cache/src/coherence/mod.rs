//! What may be believed: everything that decides whether a value is right, and nothing else. No
//! I/O, no async and no clock of its own but the one that measures leases, so that a model checker
//! can drive this very source through every interleaving.
//!
//! A read goes [`begin_read`](Coherence::begin_read), the provider's answer,
//! [`believes`](Coherence::believes); an invalidation goes
//! [`begin_invalidation`](Coherence::begin_invalidation), the provider's answer,
//! [`finish`](Invalidation::finish). The stamps that a read came with may then be relied on, by
//! whoever holds their cells, for the length of the lease.

mod cells;
mod journal;
mod ledger;
mod moment;
mod stamp;
mod target;

use std::collections::BTreeSet;
use std::time::Duration;

use tenancy::TenantScope;

use self::cells::Fence;
pub(crate) use self::cells::{Bond, Cell, Cells, Course};
use self::journal::{Attempt, Handled, Journal};
pub(crate) use self::journal::{Finish, Interruptions, JournalFigures};
pub(crate) use self::ledger::Line;
pub(crate) use self::moment::Moment;
use self::moment::Timeline;
pub(crate) use self::stamp::{Record, Stamp};
pub(crate) use self::target::Target;
use crate::sync::Arc;

/// Share of the lease that other instances get after an interruption for noticing it too: a
/// connection is tried again within a quarter of a second, the map of a cluster is asked for every
/// tenth.
const SETTLING: f64 = 0.35;

/// What this process knows of invalidations: its own, and others' as far as it has heard.
#[derive(Debug)]
pub(crate) struct Coherence {
    pub(crate) cells: Cells,
    pub(crate) journal: Journal,
}

/// A question to the provider that is under way.
#[derive(Debug)]
pub(crate) struct Question {
    asked_at: Moment,
    handled: Handled,
    fences: Vec<Fence>,
}

impl Question {
    /// Takes note of the stamps in an answer that was believed, those that were asked for.
    pub(crate) fn learn<'a>(
        &self,
        cells: &[Arc<Cell>],
        stamps: impl IntoIterator<Item = &'a Option<Stamp>>,
    ) {
        for ((cell, fence), stamp) in cells.iter().zip(&self.fences).zip(stamps) {
            if let Some(stamp) = stamp {
                cell.learn(*stamp, self.asked_at, *fence);
            }
        }
    }
}

/// Generations on their way to being replaced.
#[derive(Debug)]
pub(crate) struct Invalidation<'a> {
    cells: &'a Cells,
    /// Until it has ended.
    attempt: Option<Attempt<'a>>,
    targets: Vec<Target>,
}

impl Coherence {
    /// `lease` is how long a stamp may be relied on; `bound` is how late another instance's
    /// invalidation may be noticed after an interruption.
    pub(crate) fn new(provider: Arc<dyn Interruptions>, lease: Duration, bound: Duration) -> Self {
        Self {
            cells: Cells::new(lease, Timeline::new()),
            journal: Journal::new(provider, bound.mul_f64(SETTLING)),
        }
    }

    /// Begins to ask the provider for something that depends on these generations, whose cells are
    /// given in the same order; none if its answer could not be believed.
    pub(crate) fn begin_read(
        &self,
        scope: &TenantScope,
        generations: &[String],
        cells: &[Arc<Cell>],
    ) -> Option<Question> {
        let question = Question {
            asked_at: self.cells.now(),
            handled: self.journal.handled(),
            fences: cells.iter().map(|cell| cell.fence()).collect(),
        };
        (!self.journal.blocks(scope, generations)).then_some(question)
    }

    /// Whether the answer may be believed. To be asked after it came and before it is used.
    pub(crate) fn believes(
        &self,
        scope: &TenantScope,
        generations: &[String],
        question: &Question,
    ) -> bool {
        self.journal.trusts(scope, generations, question.handled)
    }

    /// Begins to replace generations. What depends on them is not taken from this process any more.
    pub(crate) fn begin_invalidation(
        &self,
        scope: &TenantScope,
        targets: BTreeSet<Target>,
    ) -> Invalidation<'_> {
        let listed: Vec<Target> = targets.iter().cloned().collect();
        let attempt = self.journal.begin(scope, targets);
        self.cells.drop_leases_of(&listed);
        Invalidation { cells: &self.cells, attempt: Some(attempt), targets: listed }
    }

    /// Begins to replace, once more, generations that are pending.
    pub(crate) fn begin_replay(&self, lines: &[Line<u64>]) -> Replay {
        Replay {
            interruptions: self.journal.interruptions(),
            targets: lines.iter().map(|line| line.target.clone()).collect(),
        }
    }

    /// Takes note of what was replaced.
    pub(crate) fn replayed(&self, lines: &[Line<u64>], replay: &Replay, done: &[Target]) {
        // Before anything is taken out of the journal: until then it keeps reads from being believed.
        self.cells.drop_leases_of(&replay.targets);
        self.journal.replayed(lines, done, replay.interruptions);
    }

    /// This process has replaced these generations by these stamps, in the same order: earlier ones
    /// are not believed from now on.
    pub(crate) fn has_replaced(&self, done: &[Target], stamps: &[Stamp]) {
        self.cells.have_replaced(done, stamps);
    }

    /// Another instance has replaced these generations.
    pub(crate) fn hears_of<'a>(&self, generations: impl IntoIterator<Item = &'a str>) {
        for key in generations {
            if let Some(cell) = self.cells.known(key) {
                cell.drop_lease();
            }
        }
    }

    /// Messages of other instances may have been lost.
    pub(crate) fn misses_messages(&self) {
        self.cells.drop_leases();
    }
}

/// Pending generations on their way to being replaced.
#[derive(Debug)]
pub(crate) struct Replay {
    interruptions: u64,
    pub(crate) targets: Vec<Target>,
}

impl Invalidation<'_> {
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.targets.clone()
    }

    /// Ends it with what was replaced. What is not known to be is recorded, and nothing that depends
    /// on it is believed until it is made up for.
    pub(crate) fn finish(mut self, done: &[Target]) -> Finish {
        self.attempt.take().map_or(Finish::Open, |attempt| attempt.finish(done))
    }
}

impl Drop for Invalidation<'_> {
    fn drop(&mut self) {
        // First what is left of the attempt, if its caller went away: who asks from now on finds
        // the record, and who asked before is behind the fence.
        self.attempt = None;
        self.cells.drop_leases_of(&self.targets);
    }
}
