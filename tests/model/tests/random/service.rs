//! The service: what it holds, what it held, and copies of it that are behind.

use tenancy::ManualClock;

use crate::coherence::Stamp;
use crate::draw::Draw;

/// The tenant's generation, the list's and the job's.
pub(crate) const GENERATIONS: usize = 3;
/// The list and the job.
pub(crate) const VALUES: usize = 2;
/// What each of them depends on: the tenant's generation, which lives elsewhere, and its own.
pub(crate) const DEPENDENCIES: [[usize; 2]; VALUES] = [[0, 1], [0, 2]];

/// Writes that a copy may be behind, and for how long it may be so in milliseconds.
pub(crate) const LAG_WRITES: usize = 8;
pub(crate) const LAG: u64 = 400;
/// Acknowledged writes that a failover may lose.
const LOST_WRITES: usize = 4;

/// A stamp's time part, which the service compares.
const TIME_DIGITS: usize = 16;

/// A version of a row, with the stamps that it was loaded under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) stamps: [Stamp; 2],
    pub(crate) version: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) stamps: [Option<Stamp>; GENERATIONS],
    pub(crate) values: [Option<Sealed>; VALUES],
}

/// A primary and its copies.
#[derive(Debug)]
pub(crate) struct Service {
    /// What was held after each write, and since when; never empty. The last is what is held.
    history: Vec<(u64, Held)>,
    /// How often a copy took over.
    pub(crate) epoch: u64,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self { history: vec![(0, Held::default())], epoch: 0 }
    }

    pub(crate) fn held(&self) -> &Held {
        &self.history[self.position()].1
    }

    /// The point of its history at which it is. The real service's points cannot be compared;
    /// these can.
    pub(crate) fn position(&self) -> usize {
        self.history.len() - 1
    }

    /// What a copy holds that has come as far as `after`, and where it is.
    pub(crate) fn copy(&self, now: u64, after: usize, draw: &mut Draw) -> (Held, usize) {
        let last = self.position();
        let mut first = last.saturating_sub(LAG_WRITES).max(after).min(last);
        // What was followed by another write so long ago is gone from every copy.
        while first < last && self.history[first + 1].0 + LAG <= now {
            first += 1;
        }
        let position = first + draw.below(last - first + 1);
        (self.history[position].1, position)
    }

    pub(crate) fn store(&mut self, now: u64, value: usize, sealed: Sealed) {
        self.change(now, |held| held.values[value] = Some(sealed));
    }

    /// The stamp in force; made if there is none.
    pub(crate) fn get_or_create(
        &mut self,
        now: u64,
        generation: usize,
        clock: &ManualClock,
    ) -> Stamp {
        if let Some(stamp) = self.held().stamps[generation] {
            return stamp;
        }
        let stamp = Stamp::mint(clock, None);
        self.install(now, generation, stamp);
        stamp
    }

    /// Replaces a stamp by a later one; answers the one in force then.
    pub(crate) fn advance(&mut self, now: u64, generation: usize, stamp: Stamp) -> Stamp {
        match self.held().stamps[generation] {
            Some(in_force) if time_part(&stamp) <= time_part(&in_force) => in_force,
            _ => {
                self.install(now, generation, stamp);
                stamp
            }
        }
    }

    /// Replaces a stamp, whatever there is.
    pub(crate) fn install(&mut self, now: u64, generation: usize, stamp: Stamp) {
        self.change(now, |held| held.stamps[generation] = Some(stamp));
    }

    /// A copy takes over that is a few writes behind; answers how many.
    pub(crate) fn fail_over(&mut self, now: u64, draw: &mut Draw) -> usize {
        let position = self.position();
        let lost = draw.below(LOST_WRITES.min(position) + 1);
        let held = self.history[position - lost].1;
        self.history.push((now, held));
        self.epoch += 1;
        lost
    }

    fn change(&mut self, now: u64, change: impl FnOnce(&mut Held)) {
        let mut held = *self.held();
        change(&mut held);
        self.history.push((now, held));
    }
}

fn time_part(stamp: &Stamp) -> &[u8] {
    &stamp.as_bytes()[..TIME_DIGITS]
}
