//! What the process holds, for no longer than the lease.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

/// Shares of the memory, so that requests do not queue for one lock.
const SHARES: usize = 16;

/// Values with the end of their lease.
#[derive(Debug)]
pub(crate) struct Held<K, V> {
    lease: Duration,
    most: usize,
    shares: Vec<Mutex<Share<K, V>>>,
    // Keys are hashes of secrets and ids of ours: nobody outside chooses them.
    hasher: RandomState,
    drops: AtomicU64,
}

type Share<K, V> = HashMap<K, Entry<V>, RandomState>;

#[derive(Debug)]
struct Entry<V> {
    until: Instant,
    value: V,
}

/// Taken before a value is read, handed in with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    began: Instant,
    drops: u64,
}

impl<K: Eq + Hash, V: Clone> Held<K, V> {
    /// For `lease`, and at most about `most` of them.
    pub(crate) fn new(lease: Duration, most: usize) -> Self {
        Self {
            lease,
            most: most.div_ceil(SHARES),
            shares: (0..SHARES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            drops: AtomicU64::new(0),
        }
    }

    /// The value, while its lease lasts.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.get_if(key, |value| Some(value.clone()))
    }

    /// What is wanted of the value, while its lease lasts.
    pub(crate) fn get_if<T>(&self, key: &K, wanted: impl FnOnce(&V) -> Option<T>) -> Option<T> {
        let share = self.share(key)?;
        let entry = share.get(key)?;
        if Instant::now() < entry.until { wanted(&entry.value) } else { None }
    }

    /// To be taken before the value is read.
    pub(crate) fn reading(&self) -> Reading {
        Reading { began: Instant::now(), drops: self.drops.load(Ordering::SeqCst) }
    }

    /// Holds what was read. The lease counts from before the reading began; where something was
    /// dropped since, the value may be older than that and is not held.
    pub(crate) fn put(&self, key: K, value: V, reading: Reading) {
        let until = reading.began + self.lease;
        let now = Instant::now();
        if until <= now {
            return;
        }
        let Some(mut share) = self.share(&key) else { return };
        // Within the lock: whoever drops counts first and takes the lock afterwards.
        if self.drops.load(Ordering::SeqCst) != reading.drops {
            return;
        }
        if share.len() >= self.most && !share.contains_key(&key) {
            share.retain(|_, entry| entry.until > now);
            if share.len() >= self.most {
                return;
            }
        }
        share.insert(key, Entry { until, value });
    }

    /// Drops what `is_affected` names, and what is being read.
    pub(crate) fn drop_where(&self, is_affected: impl Fn(&K, &V) -> bool) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        for share in &self.shares {
            let mut share = share.lock().unwrap_or_else(PoisonError::into_inner);
            share.retain(|key, entry| !is_affected(key, &entry.value));
        }
    }

    fn share(&self, key: &K) -> Option<MutexGuard<'_, Share<K, V>>> {
        let number = usize::try_from(self.hasher.hash_one(key) % SHARES as u64).ok()?;
        let share = self.shares.get(number)?;
        Some(share.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_from_before_the_reading() {
        let held = Held::new(LEASE, 100);
        let reading = held.reading();
        advance(LEASE / 2).await;
        held.put("key", 1, reading);
        assert_eq!(held.get(&"key"), Some(1));
        advance(LEASE / 2).await;
        assert_eq!(held.get(&"key"), None);
        held.put("key", 2, reading);
        assert_eq!(held.get(&"key"), None, "it took longer than the lease");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_being_read_when_something_was_dropped_is_not_held() {
        let held = Held::new(LEASE, 100);
        held.put("kept", 1, held.reading());
        held.put("dropped", 2, held.reading());
        let reading = held.reading();
        held.drop_where(|key, _| *key == "dropped");
        held.put("late", 3, reading);
        assert_eq!((held.get(&"kept"), held.get(&"dropped")), (Some(1), None));
        assert_eq!(held.get(&"late"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_grow_without_bound() {
        let held = Held::new(LEASE, 64);
        let reading = held.reading();
        for number in 0..10_000 {
            held.put(number, (), reading);
        }
        assert!((0..10_000).filter(|number| held.get(number).is_some()).count() <= 64);
        advance(LEASE).await;
        held.put(10_000, (), held.reading());
        assert_eq!(held.get(&10_000), Some(()), "what is over makes room");
    }
}
