//! One copy of the index, which the threads that are dealt out to it read without meeting others.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use super::queues::Card;

/// Parts of a replica, each with a lock: what is stored holds up a small part of the readers, and a
/// table that grows is a small one.
const SHARDS: usize = 64;

/// Uses that an entry is given credit for; further ones are not written down.
const MOST_USES: u8 = 3;

/// A key and its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shelved<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a str,
}

pub(super) struct Replica<V> {
    shards: Box<[Shard<V>]>,
}

/// On cache lines of its own: two, since processors fetch them in pairs.
#[repr(align(128))]
struct Shard<V>(RwLock<HashTable<Slot<V>>>);

struct Slot<V> {
    hash: u64,
    key: Arc<str>,
    value: Arc<V>,
    uses: AtomicU8,
    card: Arc<Card>,
}

impl<V> Slot<V> {
    #[inline]
    fn is_of(&self, hash: u64, key: &str) -> bool {
        self.hash == hash && *self.key == *key
    }
}

impl<V> Replica<V> {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard(RwLock::new(HashTable::new()))).collect() }
    }

    /// What `read` makes of a value, which this counts as used.
    #[inline]
    pub(super) fn read<R>(
        &self,
        hash: u64,
        key: &str,
        read: impl FnOnce(&Arc<V>) -> R,
    ) -> Option<R> {
        let table = self.reader(hash)?;
        let slot = table.find(hash, |slot| slot.is_of(hash, key))?;
        let uses = slot.uses.load(Ordering::Relaxed);
        // Two that are counted as one do no harm; a cache line that is written at each read does.
        if uses < MOST_USES {
            slot.uses.store(uses + 1, Ordering::Relaxed);
        }
        Some(read(&slot.value))
    }

    /// What `read` makes of an entry, which this does not count as used.
    pub(super) fn find<R>(
        &self,
        hash: u64,
        key: &str,
        read: impl FnOnce(&Arc<Card>, &V) -> R,
    ) -> Option<R> {
        let table = self.reader(hash)?;
        let slot = table.find(hash, |slot| slot.is_of(hash, key))?;
        Some(read(&slot.card, &slot.value))
    }

    /// Puts a value where its key's was, and answers the one that was there.
    pub(super) fn put(&self, card: &Arc<Card>, value: Arc<V>) -> Option<Arc<V>> {
        let mut table = self.writer(card.hash)?;
        if let Some(slot) = table.find_mut(card.hash, |slot| slot.is_of(card.hash, &card.key)) {
            slot.card = Arc::clone(card);
            return Some(std::mem::replace(&mut slot.value, value));
        }
        let slot = Slot {
            hash: card.hash,
            key: Arc::clone(&card.key),
            value,
            uses: AtomicU8::new(0),
            card: Arc::clone(card),
        };
        table.insert_unique(card.hash, slot, |slot| slot.hash);
        None
    }

    /// Takes an entry out, unless its key has another one by now.
    pub(super) fn take(&self, card: &Card) -> Option<Arc<V>> {
        let mut table = self.writer(card.hash)?;
        let entry =
            table.find_entry(card.hash, |slot| std::ptr::eq(&raw const *slot.card, card)).ok()?;
        Some(entry.remove().0.value)
    }

    /// Takes one use off an entry, if there is any.
    pub(super) fn take_use(&self, card: &Card) -> bool {
        let Some(table) = self.reader(card.hash) else { return false };
        let slot = table.find(card.hash, |slot| std::ptr::eq(&raw const *slot.card, card));
        slot.is_some_and(|slot| {
            let uses = slot.uses.load(Ordering::Relaxed);
            slot.uses.store(uses.saturating_sub(1), Ordering::Relaxed);
            uses > 0
        })
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The keys in one part whose values are meant.
    pub(super) fn select(&self, shard: usize, is_meant: impl Fn(&V) -> bool) -> Vec<Arc<str>> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        let table = shard.0.read().unwrap_or_else(PoisonError::into_inner);
        let slots = table.iter().filter(|slot| is_meant(&slot.value));
        slots.map(|slot| Arc::clone(&slot.key)).collect()
    }

    #[inline]
    fn reader(&self, hash: u64) -> Option<RwLockReadGuard<'_, HashTable<Slot<V>>>> {
        let shard = self.shards.get(shard_of(hash))?;
        Some(shard.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn writer(&self, hash: u64) -> Option<RwLockWriteGuard<'_, HashTable<Slot<V>>>> {
        let shard = self.shards.get(shard_of(hash))?;
        Some(shard.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// From the middle of the hash: tables take its lowest and its highest bits.
#[inline]
const fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize & (SHARDS - 1)
}

/// The number of this thread, in the order in which threads first ask.
#[inline]
pub(crate) fn thread_number() -> usize {
    const UNKNOWN: usize = usize::MAX;
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    }
    NUMBER.with(|number| {
        if number.get() == UNKNOWN {
            number.set(next_number());
        }
        number.get()
    })
}

/// A number that no other thread has. Threads are the process's, so they are counted in one place.
#[cold]
fn next_number() -> usize {
    static NUMBERS: AtomicUsize = AtomicUsize::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed) % usize::MAX
}
