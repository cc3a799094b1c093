//! The database, and what readers may be told of it.

use crate::service::VALUES;

pub(crate) const INSTANCES: usize = 2;

/// Versions of the rows, and which invalidations have ended.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) rows: [u64; VALUES],
    /// How late another instance's invalidation may be noticed, in milliseconds.
    bound: u64,
    /// When an invalidation finished that told of a version.
    finished: [Vec<(u64, u64)>; VALUES],
    /// The newest versions of invalidations that ended at an instance, well or not, or that it
    /// heard to have finished.
    known: [[u64; VALUES]; INSTANCES],
}

/// The versions that a write is about.
pub(crate) type Told = [Option<u64>; VALUES];

impl Ledger {
    pub(crate) fn new(bound: u64) -> Self {
        Self {
            rows: [0; VALUES],
            bound,
            finished: [const { Vec::new() }; VALUES],
            known: [[0; VALUES]; INSTANCES],
        }
    }

    /// Changes rows.
    pub(crate) fn commit(&mut self, values: &[usize]) -> Told {
        let mut told = [None; VALUES];
        for value in values {
            self.rows[*value] += 1;
            told[*value] = Some(self.rows[*value]);
        }
        told
    }

    /// An invalidation has ended at an instance.
    pub(crate) fn ended(&mut self, at: usize, told: Told, finished: Option<u64>) {
        self.knows(at, told);
        let Some(now) = finished else { return };
        for (finished, version) in self.finished.iter_mut().zip(told) {
            finished.extend(version.map(|version| (now, version)));
        }
    }

    /// An instance knows of these, and readers may not be told less any more.
    pub(crate) fn knows(&mut self, at: usize, told: Told) {
        for (known, version) in self.known[at].iter_mut().zip(told) {
            *known = (*known).max(version.unwrap_or(0));
        }
    }

    /// The oldest version that a read may be answered with that begins now.
    pub(crate) fn floor(&self, at: usize, value: usize, now: u64) -> u64 {
        let settled = self.finished[value].iter().filter(|(ended, _)| ended + self.bound < now);
        settled.map(|(_, version)| *version).fold(self.known[at][value], u64::max)
    }
}
