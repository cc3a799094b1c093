//! The service: what it holds, what it held, and copies of it that are behind.

use std::collections::HashMap;

use shuttle::rand::{Rng, thread_rng};
use tenancy::ManualClock;

use crate::coherence::{Interruptions, Stamp};
use crate::sync::{AtomicU64, Mutex, Ordering, locked};

/// Writes that a copy may be behind.
const LAG: usize = 4;

/// A version of the row, under the stamps that it was loaded under.
pub(crate) type Value = (Vec<Stamp>, u64);

/// A point of the service's history. The real service's cannot be compared; these can.
pub(crate) type Position = u64;

#[derive(Clone, Debug, Default)]
struct Held {
    stamps: HashMap<String, Stamp>,
    value: Option<Value>,
}

#[derive(Debug)]
pub(crate) struct Redis {
    /// What was held after each write; never empty. The last is what is held.
    history: Mutex<Vec<Held>>,
    /// Whether reads are answered by copies.
    lags: bool,
    interruptions: AtomicU64,
    clock: ManualClock,
}

impl Interruptions for Redis {
    fn count(&self) -> u64 {
        self.interruptions.load(Ordering::SeqCst)
    }
}

impl Redis {
    pub(crate) fn new(lags: bool) -> Self {
        Self {
            history: Mutex::new(vec![Held::default()]),
            lags,
            interruptions: AtomicU64::new(0),
            clock: ManualClock::at(time::OffsetDateTime::UNIX_EPOCH),
        }
    }

    /// The value, the stamps under these keys, and when that was so: not before `after`.
    pub(crate) fn read(
        &self,
        keys: &[&str],
        after: Position,
    ) -> (Option<Value>, Vec<Option<Stamp>>, Position) {
        let history = locked(&self.history);
        let last = history.len() - 1;
        let first = last.saturating_sub(LAG).max(usize::try_from(after).unwrap()).min(last);
        let seen = if self.lags { thread_rng().gen_range(first..=last) } else { last };
        let held = &history[seen];
        let stamps = keys.iter().map(|key| held.stamps.get(*key).copied()).collect();
        (held.value.clone(), stamps, position(seen))
    }

    /// Creates what is absent; answers what is there then.
    pub(crate) fn complete(&self, keys: &[&str]) -> (Vec<Stamp>, Position) {
        self.change(|held, clock| {
            let stamp = |key: &&str| {
                let stamp = held.stamps.entry((*key).to_owned());
                *stamp.or_insert_with(|| Stamp::mint(clock, None))
            };
            keys.iter().map(stamp).collect()
        })
    }

    pub(crate) fn store(&self, stamps: Vec<Stamp>, version: u64) -> Position {
        self.change(|held, _| held.value = Some((stamps, version))).1
    }

    /// Replaces a stamp by a later one; answers it.
    pub(crate) fn advance(&self, key: &str) -> (Stamp, Position) {
        self.change(|held, clock| {
            let stamp = Stamp::mint(clock, held.stamps.get(key));
            held.stamps.insert(key.to_owned(), stamp);
            stamp
        })
    }

    /// What a replay does that is wrong.
    pub(crate) fn repeat(&self, key: &str, stamp: Stamp) -> Position {
        self.change(|held, _| held.stamps.insert(key.to_owned(), stamp)).1
    }

    /// The last position.
    pub(crate) fn position(&self) -> Position {
        position(locked(&self.history).len() - 1)
    }

    /// A copy takes over that holds what was held at a position.
    pub(crate) fn fails_over(&self, to: Position) {
        // Raised first, as the port promises.
        let mut history = locked(&self.history);
        self.interruptions.fetch_add(1, Ordering::SeqCst);
        let held = history[usize::try_from(to).unwrap()].clone();
        history.push(held);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Held, &ManualClock) -> T) -> (T, Position) {
        let mut history = locked(&self.history);
        let mut held = history.last().cloned().unwrap();
        let answer = change(&mut held, &self.clock);
        history.push(held);
        (answer, position(history.len() - 1))
    }
}

fn position(index: usize) -> Position {
    Position::try_from(index).unwrap()
}
