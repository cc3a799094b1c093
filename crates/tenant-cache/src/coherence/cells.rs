//! What this process knows of generations, and for how long it may rely on it.
//!
//! A cell stands for one generation. It holds the stamp that was last seen and the instant at which
//! the provider was asked for it: for the length of the lease from then on the stamp is taken for
//! the one in force without asking again. Whoever may have changed the generation drops the lease:
//! this process before and after it replaces the stamp, a message of another process, and a gap in
//! the messages, which drops all.

use std::collections::HashMap;
use std::time::Duration;

use super::moment::{Moment, Timeline};
use super::stamp::{Record, Stamp};
use super::target::Target;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, RwLock, locked, reading, writing};

/// Cells beyond which those are forgotten that nothing in process depends on.
const MANY: usize = 65_536;

/// No lease.
const NEVER: u64 = 0;

/// One generation in the eyes of this process.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Rises whenever the stamp changes, so that a reader compares one number.
    version: AtomicU64,
    /// When the provider was asked for the stamp; [`NEVER`] without a lease.
    leased_from: AtomicU64,
    /// Rises whenever somebody may have changed the generation. What was asked for under another
    /// fence is not believed.
    fence: AtomicU64,
    stamp: Mutex<Option<Stamp>>,
    /// A stamp that replaced another one softly, and that one. A fact for ever, since a stamp is
    /// written once; so it needs no fence and no lease.
    softly: Mutex<Option<(Stamp, Stamp)>>,
    /// The latest stamp that the provider has answered or has taken from this process, whatever has
    /// become of the lease: no earlier one is believed.
    newest: Mutex<Option<Stamp>>,
    /// Since when the provider has answered an earlier stamp than that; [`NEVER`] if it does not.
    behind_from: AtomicU64,
}

/// What a stamp that the provider answered is to those that it answered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// The same, or a later one.
    Onward,
    /// An earlier one: late, or from a replica that lags, or lost by a failover, or put back.
    Behind,
    /// That for longer than the lease. It will not become right by itself.
    TurnedBack,
}

impl Cell {
    fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            leased_from: AtomicU64::new(NEVER),
            fence: AtomicU64::new(0),
            stamp: Mutex::new(None),
            softly: Mutex::new(None),
            newest: Mutex::new(None),
            behind_from: AtomicU64::new(NEVER),
        }
    }

    /// Takes note of what a record says of the stamp before it.
    pub(crate) fn note(&self, record: &Record) {
        if let Some(old) = record.softly_replaced {
            *locked(&self.softly) = Some((record.stamp, old));
        }
    }

    /// Whether `stamp`, which is in force, has replaced `old` softly, as far as is known here.
    pub(crate) fn has_softly_replaced(&self, old: Stamp, stamp: Stamp) -> bool {
        *locked(&self.softly) == Some((stamp, old))
    }

    /// The fence, to be read before the provider is asked.
    pub(crate) fn fence(&self) -> Fence {
        Fence(self.fence.load(Ordering::SeqCst))
    }

    /// Somebody may have changed the generation, or is about to.
    pub(crate) fn drop_lease(&self) {
        let _stamp = locked(&self.stamp);
        self.fence.fetch_add(1, Ordering::SeqCst);
        self.leased_from.store(NEVER, Ordering::SeqCst);
    }

    /// Takes note of the stamp that the provider answered when it was asked at `asked_at`, under
    /// `fence`. Too late an answer changes nothing.
    pub(super) fn learn(&self, stamp: Stamp, asked_at: Moment, fence: Fence) {
        let mut known = locked(&self.stamp);
        if self.fence.load(Ordering::SeqCst) != fence.0 {
            return;
        }
        if *known != Some(stamp) {
            // Of two answers to questions that overlapped nobody knows which is the newer one.
            if self.leased_from.load(Ordering::SeqCst) > asked_at.nanos() {
                return;
            }
            *known = Some(stamp);
            self.version.fetch_add(1, Ordering::SeqCst);
            self.leased_from.store(asked_at.nanos(), Ordering::SeqCst);
            return;
        }
        self.leased_from.fetch_max(asked_at.nanos(), Ordering::SeqCst);
    }

    /// Takes note of a stamp that the provider has taken from this process. That ends no lease and
    /// begins none.
    fn has_written(&self, stamp: Stamp) {
        let mut newest = locked(&self.newest);
        if newest.is_none_or(|newest| !stamp.is_before(&newest)) {
            *newest = Some(stamp);
        }
    }

    /// The generation went back and has been replaced by `stamp`, which may be earlier than what was
    /// there before: from now on that one counts.
    pub(crate) fn begins_anew(&self, stamp: Stamp) {
        *locked(&self.newest) = Some(stamp);
        self.behind_from.store(NEVER, Ordering::SeqCst);
    }

    /// The number by which a value that was sealed with `stamp` tells that it is still the one;
    /// none if another stamp has been seen since.
    fn bind(&self, stamp: Stamp) -> Option<u64> {
        let known = locked(&self.stamp);
        (*known == Some(stamp)).then(|| self.version.load(Ordering::SeqCst))
    }
}

/// What stood in a cell when the provider was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence(u64);

/// A dependency of a value that is kept in process.
#[derive(Clone, Debug)]
pub(crate) struct Bond {
    cell: Arc<Cell>,
    version: u64,
}

impl Bond {
    /// Ties a value in process to the stamps that it was sealed with; none if one of them is known
    /// to be replaced.
    pub(crate) fn all(sealed: &[(Arc<Cell>, Stamp)]) -> Option<Box<[Self]>> {
        let bond = |(cell, stamp): &(Arc<Cell>, Stamp)| {
            let version = cell.bind(*stamp)?;
            Some(Self { cell: Arc::clone(cell), version })
        };
        sealed.iter().map(bond).collect()
    }

    /// Whether no other stamp has been seen since, leased or not.
    pub(crate) fn may_hold(&self) -> bool {
        self.cell.version.load(Ordering::SeqCst) == self.version
    }
}

/// Every generation that this process has met lately.
#[derive(Debug)]
pub(crate) struct Cells {
    lease: u64,
    timeline: Timeline,
    /// Leases from before this instant are over: messages may have been lost.
    cleared_at: AtomicU64,
    table: RwLock<Table>,
}

#[derive(Debug)]
struct Table {
    cells: HashMap<Box<str>, Arc<Cell>>,
    /// So many cells, and it is looked for those that nothing depends on.
    full_at: usize,
}

impl Cells {
    /// `lease` is how long a stamp is relied on without asking; zero relies on none.
    pub(crate) fn new(lease: Duration, timeline: Timeline) -> Self {
        Self {
            lease: u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX),
            timeline,
            cleared_at: AtomicU64::new(NEVER),
            table: RwLock::new(Table { cells: HashMap::new(), full_at: MANY }),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.timeline.now()
    }

    /// The cell of the generation that lives under `key`.
    pub(crate) fn cell(&self, key: &str) -> Arc<Cell> {
        if let Some(cell) = self.known(key) {
            return cell;
        }
        let mut table = writing(&self.table);
        if table.cells.len() >= table.full_at {
            self.forget_unused(&mut table);
        }
        Arc::clone(table.cells.entry(key.into()).or_insert_with(|| Arc::new(Cell::new())))
    }

    /// The same, if this process has met it.
    pub(crate) fn known(&self, key: &str) -> Option<Arc<Cell>> {
        reading(&self.table).cells.get(key).map(Arc::clone)
    }

    /// Ends the leases of what is being replaced.
    pub(super) fn drop_leases_of(&self, targets: &[Target]) {
        for target in targets {
            if let Some(cell) = self.known(&target.key) {
                cell.drop_lease();
            }
        }
    }

    /// Holds a stamp that the provider has answered against those before it.
    pub(crate) fn course(&self, cell: &Cell, stamp: Stamp) -> Course {
        let is_behind = {
            let mut newest = locked(&cell.newest);
            let is_behind = newest.is_some_and(|newest| stamp.is_before(&newest));
            if !is_behind {
                *newest = Some(stamp);
            }
            is_behind
        };
        if !is_behind {
            cell.behind_from.store(NEVER, Ordering::SeqCst);
            return Course::Onward;
        }
        let now = self.now().nanos();
        let first =
            cell.behind_from.compare_exchange(NEVER, now, Ordering::SeqCst, Ordering::SeqCst);
        let since = first.err().unwrap_or(now);
        if now.saturating_sub(since) < self.lease {
            return Course::Behind;
        }
        // One of those who notice at the same time is enough to replace it.
        match cell.behind_from.compare_exchange(since, now, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Course::TurnedBack,
            Err(_) => Course::Behind,
        }
    }

    /// Takes note of what this process has just replaced.
    pub(super) fn have_replaced(&self, targets: &[Target], stamps: &[Stamp]) {
        for (target, stamp) in targets.iter().zip(stamps) {
            if let Some(cell) = self.known(&target.key) {
                cell.has_written(*stamp);
            }
        }
    }

    /// Ends every lease: what was asked before this instant is relied on no more.
    pub(crate) fn drop_leases(&self) {
        self.cleared_at.fetch_max(self.now().nanos(), Ordering::SeqCst);
    }

    /// The stamp in force, if it may be relied on without asking.
    pub(crate) fn leased(&self, cell: &Cell) -> Option<Stamp> {
        // Under the lock, because the lease must be that of this very stamp.
        let stamp = locked(&cell.stamp);
        stamp.filter(|_| self.is_leased(cell, self.now()))
    }

    /// Whether the value with these bonds is current, for all that this process may rely on.
    pub(crate) fn holds(&self, bonds: &[Bond], now: Moment) -> bool {
        let cleared_at = self.cleared_at.load(Ordering::SeqCst);
        // In this order: who sees the lease of a later stamp sees the later version.
        bonds
            .iter()
            .all(|bond| self.is_leased_since(&bond.cell, cleared_at, now) && bond.may_hold())
    }

    fn is_leased(&self, cell: &Cell, now: Moment) -> bool {
        self.is_leased_since(cell, self.cleared_at.load(Ordering::SeqCst), now)
    }

    #[inline]
    fn is_leased_since(&self, cell: &Cell, cleared_at: u64, now: Moment) -> bool {
        let from = cell.leased_from.load(Ordering::SeqCst);
        from > cleared_at && now.nanos().saturating_sub(from) < self.lease
    }

    fn forget_unused(&self, table: &mut Table) {
        let now = self.now();
        table.cells.retain(|_, cell| Arc::strong_count(cell) > 1 || self.is_leased(cell, now));
        // Where most of them are in use, looking again at each new one would take more time with
        // each of them.
        table.full_at = table.cells.len().saturating_mul(2).max(MANY);
    }

    /// How many generations are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        reading(&self.table).cells.len()
    }
}
