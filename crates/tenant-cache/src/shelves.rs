//! The level of the cache that is in the process: values by key, within a number of bytes for all
//! and one for each tenant.
//!
//! Readers are many and write nothing that another core reads: each of a few [`Replica`]s has the
//! whole index, threads are dealt out over them, and a value may have a twin in each. Who stores
//! or drops something does it in all of them, one after the other, under the one lock of the
//! [`Accounts`], which readers never take.
//!
//! Whether a value is still right is not known here; callers compare its generations.

mod accounts;
mod queues;
mod replica;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenancy::{OrgId, TenantKey};

use self::accounts::Accounts;
pub(crate) use self::accounts::Evictions;
pub use self::accounts::Usage;
use self::queues::Card;
pub(crate) use self::replica::thread_number;
use self::replica::{Replica, Shelved};

/// Most replicas of the index. Where there are more cores, some share one.
const MOST_REPLICAS: usize = 8;

/// What an entry takes beside its value, its key and its slots: the card that names it, its places
/// in the queues, and what allocators add. Found by counting allocations.
const CARD_BYTES: usize = 160;

/// What an entry's slot takes in one replica, with the share of slots that are empty.
const SLOT_BYTES: usize = 88;

#[cfg(test)]
/// Entries that are dropped at a time, so that nobody waits long for the accounts.
const BATCH: usize = 256;

/// What can be shelved.
pub(crate) trait Weighed {
    /// Bytes that are kept in memory for this value, its own size included.
    fn weight(&self) -> usize;

    /// The same value for the threads of another core. Where readers clone a reference out of the
    /// value, a twin with a reference count of its own spares them from waiting for each other.
    fn twin(value: &Arc<Self>) -> Arc<Self> {
        Arc::clone(value)
    }

    /// Bytes that are kept in memory for each twin.
    fn twin_weight(&self) -> usize {
        0
    }
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShelfSettings {
    /// Bytes of all entries together, with what it takes to keep them.
    pub(crate) max_bytes: usize,
    /// Largest part of these that one tenant's entries may take; from 0 to 1.
    pub(crate) max_tenant_share: f64,
}

/// Values by key, for all tenants.
pub(crate) struct Shelves<V> {
    replicas: Box<[Replica<V>]>,
    accounts: Mutex<Accounts>,
    /// Seeded at random for each process: keys hold text that callers choose.
    hasher: foldhash::fast::RandomState,
}

impl<V: Weighed> Shelves<V> {
    pub(crate) fn new(settings: ShelfSettings) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_replicas(settings, cores.min(MOST_REPLICAS))
    }

    /// With so many replicas of the index, or the next power of two.
    fn with_replicas(settings: ShelfSettings, replicas: usize) -> Self {
        let replicas = (0..replicas.next_power_of_two()).map(|_| Replica::new());
        Self {
            replicas: replicas.collect(),
            accounts: Mutex::new(Accounts::new(settings)),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// The value of a key. Takes no lock that another core takes, but while something is stored or
    /// dropped nearby; allocates nothing.
    pub(crate) fn get(&self, key: &TenantKey) -> Option<Arc<V>> {
        self.with(key, Arc::clone)
    }

    /// What `read` makes of the value of a key. It is run under a lock that whoever stores waits
    /// for, so it must be short.
    #[inline]
    pub(crate) fn with<R>(&self, key: &TenantKey, read: impl FnOnce(&Arc<V>) -> R) -> Option<R> {
        let text = key.as_str();
        let hash = self.hash(text);
        self.replicas.get(thread_number() & (self.replicas.len() - 1))?.read(hash, text, read)
    }

    /// Keeps a value, and drops others where there is no room: the tenant's own where it has its
    /// share, else those of the tenant that has most. What is larger than a tenant's share is not
    /// kept, nor is what the key had before.
    pub(crate) fn put(&self, org: &OrgId, key: &TenantKey, value: Arc<V>) {
        let text = key.as_str();
        let hash = self.hash(text);
        let twins = self.replicas.len().saturating_sub(1) * value.twin_weight();
        let bytes = value.weight() + twins + self.overhead(text);
        // Declared before the lock is taken, so freed after it is given back.
        let mut dropped = Vec::new();
        let mut accounts = self.lock();
        let before = self.card(hash, text);
        let is_known = before.as_ref().is_some_and(|card| accounts.strike(card));
        if !accounts.may_hold(bytes) {
            if let Some(before) = before {
                self.take(&before, &mut dropped);
            }
            return;
        }
        while let Some(card) = accounts.choose_for(org, bytes, |card| self.take_uses(card)) {
            self.take(&card, &mut dropped);
        }
        let card = accounts.open(org, Shelved { hash, key: text }, bytes, is_known);
        let Some((first, others)) = self.replicas.split_first() else { return };
        dropped.extend(others.iter().filter_map(|replica| replica.put(&card, V::twin(&value))));
        dropped.extend(first.put(&card, value));
    }

    /// Drops the value of a key.
    #[cfg(test)]
    pub(crate) fn remove(&self, key: &TenantKey) {
        self.remove_text(key.as_str(), |_| true);
    }

    #[cfg(test)]
    /// Drops everything of a tenant. What is stored for it meanwhile may be dropped too.
    pub(crate) fn clear_tenant(&self, org: &OrgId) {
        let mut entries = self.lock().usage_of(org).entries;
        while entries > 0 {
            let mut dropped = Vec::new();
            let mut accounts = self.lock();
            let cards = accounts.close_some(org, entries.min(BATCH));
            if cards.is_empty() {
                return;
            }
            entries = entries.saturating_sub(cards.len());
            for card in &cards {
                self.take(card, &mut dropped);
            }
        }
    }

    /// Drops every value that is over, and answers how many were. Others may read and store
    /// between one and the next.
    pub(crate) fn sweep(&self, is_over: impl Fn(&V) -> bool) -> usize {
        let Some(first) = self.replicas.first() else { return 0 };
        let shards = (0..first.shards()).map(|shard| first.select(shard, &is_over));
        shards.flatten().filter(|key| self.remove_text(key, &is_over)).count()
    }

    /// What each tenant has that has anything.
    #[cfg(test)]
    pub(crate) fn usage(&self) -> Vec<(OrgId, Usage)> {
        self.lock().usage()
    }

    /// What one tenant has.
    pub(crate) fn usage_of(&self, org: &OrgId) -> Usage {
        self.lock().usage_of(org)
    }

    /// What all tenants have together.
    pub(crate) fn total(&self) -> Usage {
        self.lock().total()
    }

    /// What was dropped for want of room since the start.
    pub(crate) fn evictions(&self) -> Evictions {
        self.lock().evictions()
    }

    fn remove_text(&self, key: &str, is_meant: impl Fn(&V) -> bool) -> bool {
        let hash = self.hash(key);
        let mut dropped = Vec::new();
        let mut accounts = self.lock();
        let first = self.replicas.first();
        let card = first.and_then(|first| {
            first.find(hash, key, |card, value| is_meant(value).then(|| Arc::clone(card)))
        });
        let Some(card) = card.flatten() else { return false };
        accounts.strike(&card);
        self.take(&card, &mut dropped);
        true
    }

    fn card(&self, hash: u64, key: &str) -> Option<Arc<Card>> {
        self.replicas.first()?.find(hash, key, |card, _| Arc::clone(card))
    }

    /// Takes an entry out of every replica.
    fn take(&self, card: &Card, dropped: &mut Vec<Arc<V>>) {
        dropped.extend(self.replicas.iter().filter_map(|replica| replica.take(card)));
    }

    /// Whether an entry was used since this was asked, as often as there were uses.
    fn take_uses(&self, card: &Card) -> bool {
        self.replicas.iter().fold(false, |used, replica| replica.take_use(card) | used)
    }

    fn overhead(&self, key: &str) -> usize {
        CARD_BYTES + key.len() + SLOT_BYTES * self.replicas.len()
    }

    #[inline]
    fn hash(&self, key: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.as_bytes());
        hasher.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> fmt::Debug for Shelves<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shelves")
            .field("replicas", &self.replicas.len())
            .finish_non_exhaustive()
    }
}
