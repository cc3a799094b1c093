//! Sealing anew what an older key had sealed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis_provider::{Condition, Expiry, SetOptions};
use tenancy::TenantKey;

use super::{Decoded, Place};
use crate::cache::{Inner, TenantCache};

/// Values sealed anew at a time; further ones wait for their next reader.
const MAX_UNDER_WAY: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Resealing {
    under_way: Mutex<HashSet<TenantKey>>,
    done: AtomicU64,
}

impl Resealing {
    /// Whether the caller is the one to do it.
    fn begin(&self, key: &TenantKey) -> bool {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.len() < MAX_UNDER_WAY && under_way.insert(key.clone())
    }

    fn end(&self, key: &TenantKey) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl TenantCache {
    /// Seals a value with the newest key where an older one had sealed it. Nobody waits for it.
    ///
    /// It is stored in the place of what is there, for the time that this has left. Should that be
    /// a newer value by now, the old one has other generations, and is a miss.
    pub(crate) fn reseal(&self, place: Place<'_>, decoded: &Decoded) {
        let Inner { codec, tasks, clock, .. } = &**self.shared();
        let is_over = clock.now() >= decoded.envelope.stale_until;
        if !decoded.must_reseal || is_over || !codec.resealing.begin(place.key) {
            return;
        }
        let key = place.key.clone();
        let Ok(value) = codec.encode(&place, &decoded.envelope) else {
            codec.resealing.end(&key);
            return;
        };
        let inner = Arc::clone(self.shared());
        tasks.spawn(async move {
            let options = SetOptions { expiry: Expiry::Keep, condition: Condition::IfPresent };
            let stored = inner.provider.set(key.as_str(), value, options).await;
            inner.codec.resealing.end(&key);
            match stored {
                Ok(is_stored) => {
                    let done = &inner.codec.resealing.done;
                    done.fetch_add(u64::from(is_stored), Ordering::Relaxed);
                }
                Err(error) => Self::from(inner).provider_failed("reseal", &error),
            }
        });
    }

    /// Values that an older key had sealed and that were sealed anew, since the start of the
    /// process.
    pub fn resealed_values(&self) -> u64 {
        self.shared().codec.resealing.done.load(Ordering::Relaxed)
    }
}
