//! What was found out a moment ago, and may be believed for a moment longer.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bounded map whose entries end after a lease, counted from when the looking up began.
///
/// Entries can be dropped before; what was being looked up meanwhile is then not held, since it
/// may be older than the reason for the drop.
#[derive(Debug)]
pub(super) struct Held<K, V> {
    lease: Duration,
    most: usize,
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    by_key: HashMap<K, (Instant, V)>,
    /// Grows with each drop.
    drops: u64,
}

/// When a looking up began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    at: Instant,
    drops: u64,
}

impl<K: Eq + Hash, V: Clone> Held<K, V> {
    pub(super) fn new(lease: Duration, most: usize) -> Self {
        let entries = Entries { by_key: HashMap::new(), drops: 0 };
        Self { lease, most, entries: Mutex::new(entries) }
    }

    /// What is held under `key`, and still may be.
    pub(super) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = entries.by_key.get(key)?;
        (since.elapsed() < self.lease).then(|| value.clone())
    }

    /// To be taken before something is looked up that is to be held.
    pub(super) fn ticket(&self) -> Ticket {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Ticket { at: Instant::now(), drops: entries.drops }
    }

    pub(super) fn put(&self, ticket: Ticket, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if ticket.drops != entries.drops {
            return;
        }
        if entries.by_key.len() >= self.most {
            let lease = self.lease;
            entries.by_key.retain(|_, (since, _)| since.elapsed() < lease);
            if entries.by_key.len() >= self.most {
                // More live callers than are held: they are looked up again, nothing worse.
                entries.by_key.clear();
            }
        }
        entries.by_key.insert(key, (ticket.at, value));
    }

    /// Drops what `is_concerned` says, and whatever is being looked up right now.
    pub(super) fn drop_where(&self, is_concerned: impl Fn(&V) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.drops += 1;
        entries.by_key.retain(|_, (_, value)| !is_concerned(value));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_lease_counts_from_the_beginning_of_the_looking_up() {
        let held = Held::new(LEASE, 10);
        let ticket = held.ticket();
        advance(LEASE / 2).await;
        held.put(ticket, "a", 1);
        assert_eq!(held.get("a"), Some(1));
        advance(LEASE / 2).await;
        assert_eq!(held.get("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_looked_up_before_a_drop_is_not_held_after_it() {
        let held = Held::new(LEASE, 10);
        held.put(held.ticket(), "a", 1);
        held.put(held.ticket(), "b", 2);
        let before = held.ticket();
        held.drop_where(|value| *value == 1);
        assert_eq!((held.get("a"), held.get("b")), (None, Some(2)));
        held.put(before, "a", 1);
        assert_eq!(held.get("a"), None);
        held.put(held.ticket(), "a", 3);
        assert_eq!(held.get("a"), Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_too_many() {
        let held = Held::new(LEASE, 3);
        for number in 0..10 {
            held.put(held.ticket(), number, number);
            assert_eq!(held.get(&number), Some(number));
            assert!(held.entries.lock().unwrap().by_key.len() <= 3);
        }
    }
}
