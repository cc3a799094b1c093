//! What is kept in process while the provider is away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{MemoryProvider, MemorySettings, RedisProvider, SetOptions};
use tokio::time::Instant;

/// Answers kept for the rest of the lease: bounded in bytes, and gone soon after the outage.
///
/// An answer is found only by readers who know of the same invalidations of their tenant as the
/// reader it was loaded for, so it is never older than one that this process has tried. What other
/// processes did in the meantime is bounded by the lease, which runs from the beginning of the load.
#[derive(Debug)]
pub(crate) struct Gutter {
    lease: Duration,
    max_bytes: usize,
    pool: Mutex<Option<Pool>>,
    /// Whether the last attempt to store in the provider failed.
    is_store_failing: AtomicBool,
}

#[derive(Clone, Debug)]
struct Pool {
    memory: Arc<MemoryProvider>,
    /// When the last answer in it is over.
    until: Instant,
}

impl Gutter {
    pub(crate) fn new(lease: Duration, max_bytes: usize) -> Self {
        Self { lease, max_bytes, pool: Mutex::new(None), is_store_failing: AtomicBool::new(false) }
    }

    pub(crate) async fn find(&self, key: &str, tries: u64) -> Option<Bytes> {
        let memory = self.pool().as_ref().map(|pool| Arc::clone(&pool.memory))?;
        // The memory refuses keys that are too long; those were not kept either.
        memory.get(&place(key, tries)).await.ok().flatten()
    }

    /// Keeps what a load that began at `began` came to; it may be pushed out at once.
    pub(crate) async fn keep(&self, key: &str, tries: u64, value: Bytes, began: Instant) {
        let until = began + self.lease;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let memory = {
            let mut pool = self.pool();
            let pool = pool.get_or_insert_with(|| Pool {
                memory: Arc::new(MemoryProvider::new(MemorySettings {
                    max_bytes: self.max_bytes,
                    ..MemorySettings::default()
                })),
                until,
            });
            pool.until = pool.until.max(until);
            Arc::clone(&pool.memory)
        };
        if let Err(error) = memory.set(&place(key, tries), value, SetOptions::with_ttl(left)).await
        {
            tracing::debug!(%error, "an answer is too large to be kept in process");
        }
    }

    /// Whether misses, too, should look here, because nothing that is loaded can be stored.
    pub(crate) fn stands_in(&self) -> bool {
        self.is_store_failing.load(Ordering::Relaxed)
    }

    pub(crate) fn stored(&self, is_ok: bool) {
        self.is_store_failing.store(!is_ok, Ordering::Relaxed);
    }

    /// Gives the memory back once everything in it is over.
    pub(crate) fn drop_if_over(&self) {
        let mut pool = self.pool();
        *pool = pool.take().filter(|pool| Instant::now() < pool.until);
    }

    fn pool(&self) -> MutexGuard<'_, Option<Pool>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(key: &str, tries: u64) -> String {
    format!("{tries:x}:{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_what_is_left_of_its_lease() {
        let gutter = Gutter::new(LEASE, 1 << 20);
        let began = Instant::now();
        tokio::time::advance(Duration::from_millis(400)).await;
        gutter.keep("key", 3, "answer".into(), began).await;
        assert_eq!(gutter.find("key", 3).await.as_deref(), Some(&b"answer"[..]));
        assert_eq!(gutter.find("key", 4).await, None, "after an invalidation");
        assert_eq!(gutter.find("other", 3).await, None);
        tokio::time::advance(Duration::from_millis(599)).await;
        gutter.drop_if_over();
        assert!(gutter.find("key", 3).await.is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(gutter.find("key", 3).await, None);
        gutter.drop_if_over();
        assert!(gutter.pool().is_none(), "the memory is given back");
        gutter.keep("key", 3, "too late".into(), began).await;
        assert!(gutter.pool().is_none());
    }

    #[tokio::test]
    async fn its_bytes_are_bounded() {
        let gutter = Gutter::new(LEASE, 10_000);
        for number in 0..100 {
            gutter.keep(&format!("key {number}"), 0, vec![0; 1_000].into(), Instant::now()).await;
        }
        let mut found = 0;
        for number in 0..100 {
            found += usize::from(gutter.find(&format!("key {number}"), 0).await.is_some());
        }
        assert!((1..=10).contains(&found), "{found}");
    }
}
