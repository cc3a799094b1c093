//! Values that were refused, and generations: counted, and recorded for whoever looks after the portal.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::Serialize;

use super::{Codec, Decoded, Place, Unusable};
use crate::cache::TenantCache;

/// What was found and not used, since the start of the process. All but the first should stay at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RefusedValues {
    /// Of an earlier or later release.
    pub other_version: u64,
    /// Changed since they were written, or never written by the portal.
    pub damaged: u64,
    /// Sealed with a key that this instance does not have.
    pub unknown_key: u64,
    /// Of another tenant, key or operation.
    pub wrong_place: u64,
    /// In plain text where only sealed values may be.
    pub not_sealed: u64,
    /// Larger than what is ever stored.
    pub too_large: u64,
    /// Sealed, dropped since, and there again after a later one: put back, or the provider lost what
    /// it had acknowledged.
    pub replayed: u64,
    /// Generations, not values, that went back to an earlier stamp, and were replaced.
    pub turned_back: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_reason: [AtomicU64; 7],
    turned_back: AtomicU64,
}

impl Refusals {
    /// Counts a generation that went back.
    pub(crate) fn turned_back(&self) {
        self.turned_back.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, reason: Unusable) {
        if let Some(counter) = self.by_reason.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of(&self, reason: Unusable) -> u64 {
        self.by_reason.get(reason as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

impl Codec {
    /// The value that was found at `place`, if it is one; if not, that is counted and recorded, and
    /// a miss.
    pub(crate) fn accept(&self, place: &Place<'_>, bytes: Bytes) -> Option<Decoded> {
        self.decode(place, bytes).inspect_err(|reason| self.refused(place, *reason)).ok()
    }

    pub(super) fn refused(&self, place: &Place<'_>, reason: Unusable) {
        self.refusals.count(reason);
        if reason == Unusable::OtherVersion {
            return;
        }
        // The key may hold what people searched for; its hash is enough to tell two apart.
        tracing::warn!(
            target: "audit",
            {
                audit.action = "cache.value.refused",
                audit.reason = %reason,
                tenant.org = %place.org,
                cache.feature = %place.operation.feature(),
                cache.operation = place.operation.name(),
                cache.key_hash = place.hash(),
            },
            "a cached value was refused"
        );
    }

    pub(super) fn refused_values(&self) -> RefusedValues {
        let of = |reason| self.refusals.of(reason);
        RefusedValues {
            other_version: of(Unusable::OtherVersion),
            damaged: of(Unusable::Damaged),
            unknown_key: of(Unusable::UnknownKey),
            wrong_place: of(Unusable::WrongPlace),
            not_sealed: of(Unusable::NotSealed),
            too_large: of(Unusable::TooLarge),
            replayed: of(Unusable::Replayed),
            turned_back: self.refusals.turned_back.load(Ordering::Relaxed),
        }
    }
}

impl TenantCache {
    /// Values that were found in the provider and not used, over all tenants.
    pub fn refused_values(&self) -> RefusedValues {
        self.shared().codec.refused_values()
    }
}
