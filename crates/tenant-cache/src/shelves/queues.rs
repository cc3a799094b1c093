//! In which order a tenant's entries go: S3-FIFO, three queues (Yang et al., SOSP 2023).
//!
//! What is new stands in a small queue, from which it goes unless it was used meanwhile; what was
//! used goes on to the main queue, where it goes round as long as it is used. So a crawl through
//! many pages, each read once, leaves what is read again and again alone. What went from the small
//! queue is remembered for a while, and when it comes back it is put into the main one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tenancy::OrgId;

/// The small queue's part of all is one in so many.
const SMALL_PART: usize = 10;

/// Entries that may be spared in search of one to drop; then the next one goes, used or not.
const MOST_SPARED: usize = 64;

/// Cards of entries that are no more, beyond which a queue is cleared of them.
const MOST_STRUCK: usize = 64;

/// Names an entry: the same in the replicas, the accounts and the queues. Who holds the lock of the
/// accounts changes it.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) hash: u64,
    pub(super) key: Arc<str>,
    pub(super) org: Arc<OrgId>,
    pub(super) bytes: usize,
    /// Its entry is no more; queues let go of it in passing.
    is_struck: AtomicBool,
    is_in_main: AtomicBool,
}

impl Card {
    pub(super) fn new(hash: u64, key: &str, org: Arc<OrgId>, bytes: usize) -> Self {
        let (is_struck, is_in_main) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { hash, key: key.into(), org, bytes, is_struck, is_in_main }
    }

    fn is_struck(&self) -> bool {
        self.is_struck.load(Ordering::Relaxed)
    }

    pub(super) fn is_in_main(&self) -> bool {
        self.is_in_main.load(Ordering::Relaxed)
    }
}

/// The entries of one tenant.
#[derive(Debug, Default)]
pub(super) struct Queues {
    small: VecDeque<Arc<Card>>,
    main: VecDeque<Arc<Card>>,
    ghosts: Ghosts,
    small_bytes: usize,
    bytes: usize,
    entries: usize,
    struck: usize,
}

impl Queues {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    #[cfg(test)]
    pub(super) fn cards(&self) -> usize {
        self.small.len() + self.main.len()
    }

    /// Adds an entry; one that is known to be used goes to the main queue.
    pub(super) fn push(&mut self, card: Arc<Card>, is_known: bool) {
        self.bytes += card.bytes;
        self.entries += 1;
        if self.ghosts.remove(card.hash) || is_known {
            card.is_in_main.store(true, Ordering::Relaxed);
            self.main.push_back(card);
        } else {
            self.small_bytes += card.bytes;
            self.small.push_back(card);
        }
    }

    /// Strikes an entry off; answers whether it was there.
    pub(super) fn strike(&mut self, card: &Card) -> bool {
        if card.is_struck.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.leave(card);
        self.struck += 1;
        if self.struck > self.entries + MOST_STRUCK {
            for queue in [&mut self.small, &mut self.main] {
                queue.retain(|card| !card.is_struck());
                queue.shrink_to(queue.len() * 2);
            }
            self.struck = 0;
        }
        true
    }

    /// Takes out the entry that is worth least; `take_use` answers whether one was used, and takes
    /// a use off it.
    pub(super) fn pop(&mut self, mut take_use: impl FnMut(&Card) -> bool) -> Option<Arc<Card>> {
        let mut spared = 0;
        while self.entries > 0 {
            let is_from_small =
                self.main.is_empty() || self.small_bytes.saturating_mul(SMALL_PART) >= self.bytes;
            let queue = if is_from_small { &mut self.small } else { &mut self.main };
            let Some(card) = queue.pop_front() else {
                // Nothing but struck cards was left in the other one.
                continue;
            };
            if card.is_struck() {
                self.struck -= 1;
                continue;
            }
            if spared < MOST_SPARED && take_use(&card) {
                spared += 1;
                if is_from_small {
                    self.small_bytes -= card.bytes;
                    card.is_in_main.store(true, Ordering::Relaxed);
                }
                self.main.push_back(card);
                continue;
            }
            card.is_struck.store(true, Ordering::Relaxed);
            self.leave(&card);
            if is_from_small {
                self.ghosts.insert(card.hash, self.entries);
            }
            return Some(card);
        }
        None
    }

    /// What an entry took is free.
    fn leave(&mut self, card: &Card) {
        self.bytes -= card.bytes;
        self.entries -= 1;
        if !card.is_in_main() {
            self.small_bytes -= card.bytes;
        }
    }
}

/// Hashes of keys that went from the small queue not long ago.
#[derive(Debug, Default)]
struct Ghosts {
    known: HashSet<u64, foldhash::fast::RandomState>,
    order: VecDeque<u64>,
}

impl Ghosts {
    /// Remembers at most as many as there are entries.
    fn insert(&mut self, hash: u64, most: usize) {
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        if self.known.insert(hash) {
            self.order.push_back(hash);
        }
    }

    /// Its place in the order stays, and is let go of in its turn.
    fn remove(&mut self, hash: u64) -> bool {
        self.known.remove(&hash)
    }
}
