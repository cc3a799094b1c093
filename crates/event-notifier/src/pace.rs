//! How many events are told at a time.
//!
//! How long a batch takes depends on how many people hear of its events, which nobody knows before.
//! While it runs its readers' inboxes are locked, and events behind it wait.

use std::time::Duration;

/// What is tried first. Slow batches are not made smaller than that: on a slow database small ones
/// take as long and tell less.
const START: u16 = 25;

/// A batch that took longer should have been smaller.
const SLOW: Duration = Duration::from_secs(1);

/// A batch that was full and took less may have been larger.
const FAST: Duration = Duration::from_millis(250);

/// The size of the next batch.
#[derive(Debug)]
pub(crate) struct Pace {
    size: u16,
    most: u16,
}

impl Pace {
    pub(crate) fn new(most: u16) -> Self {
        let most = most.max(1);
        Self { size: START.min(most), most }
    }

    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// A batch was told. One that did not need its size gives a part of it back, so that whatever
    /// comes next, after hours perhaps, is tried in a small one.
    pub(crate) fn told(&mut self, taken: usize, took: Duration) {
        if took > SLOW || taken < usize::from(self.size / 2) {
            self.size = (self.size / 2).max(self.size.min(START));
        } else if took < FAST && taken >= usize::from(self.size) {
            self.size = self.size.saturating_mul(2).min(self.most);
        }
    }

    /// A batch failed, and if it was for its length a much smaller one has to do.
    pub(crate) fn failed(&mut self) {
        self.size = (self.size / 4).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    #[test]
    fn it_grows_while_batches_are_full_and_quick() {
        let mut pace = Pace::new(200);
        let mut sizes = Vec::new();
        for _ in 0..5 {
            sizes.push(pace.size());
            pace.told(pace.size().into(), QUICK);
        }
        assert_eq!(sizes, [25, 50, 100, 200, 200]);
        pace.told(200, SLOW / 2);
        assert_eq!(pace.size(), 200, "neither slow nor quick");
        for _ in 0..9 {
            pace.told(0, QUICK);
        }
        assert_eq!(pace.size(), 25, "what is not needed is given back");
        assert_eq!(Pace::new(7).size(), 7);
        assert_eq!(Pace::new(0).size(), 1);
    }

    #[test]
    fn after_failures_it_is_one_and_grows_no_further_than_is_quick() {
        let mut pace = Pace::new(200);
        for expected in [6, 1, 1] {
            pace.failed();
            assert_eq!(pace.size(), expected);
        }
        pace.told(0, QUICK);
        assert_eq!(pace.size(), 1, "nothing was tried");
        for expected in [2, 4, 8] {
            pace.told(pace.size().into(), QUICK);
            assert_eq!(pace.size(), expected);
        }
        pace.told(8, SLOW * 2);
        assert_eq!(pace.size(), 8, "a slow database is no quicker in smaller steps");
    }
}
