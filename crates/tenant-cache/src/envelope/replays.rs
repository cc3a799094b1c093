//! Values that were put back: sealed ones that are older than what stood at their place.
//!
//! They are misses in any case, because their generations were replaced. This notices them, so that
//! somebody looks into who writes to the provider. A failover that lost writes looks the same.

use std::sync::{Mutex, PoisonError};

use super::wire::milliseconds;
use super::{Codec, Envelope, Place, Unusable};

/// Places remembered; two that fall on the same slot forget each other.
const SLOTS: usize = 4_096;

/// A place, and when the newest value was made that was seen there, in the milliseconds since 1970
/// that stored values tell it in.
type Seen = (u64, i64);

/// The latest places.
#[derive(Debug)]
pub(super) struct Newest(Mutex<Box<[Option<Seen>]>>);

impl Default for Newest {
    fn default() -> Self {
        Self(Mutex::new(Box::default()))
    }
}

impl Codec {
    /// Remembers when a sealed value was made.
    pub(crate) fn has_seen(&self, place: &Place<'_>, envelope: &Envelope) {
        if place.operation.policy().class.is_sealed() {
            let number = u64::from_be_bytes(place.digest());
            self.newest.raise(number, milliseconds(envelope.created_at));
        }
    }

    /// Takes note of a sealed value, opened and of no use, if a later one was there before.
    pub(crate) fn looks_for_replay(&self, place: &Place<'_>, envelope: &Envelope) {
        let number = u64::from_be_bytes(place.digest());
        let made = milliseconds(envelope.created_at);
        let is_sealed = place.operation.policy().class.is_sealed();
        if is_sealed && self.newest.of(number).is_some_and(|newest| made < newest) {
            self.refused(place, Unusable::Replayed);
        }
    }
}

impl Newest {
    fn raise(&self, number: u64, made: i64) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.is_empty() {
            // Not before the first sealed value: most portals have none.
            *slots = vec![None; SLOTS].into();
        }
        let Some(slot) = slots.get_mut(index(number)) else { return };
        let is_newer = slot.is_none_or(|(other, newest)| other != number || made > newest);
        if is_newer {
            *slot = Some((number, made));
        }
    }

    fn of(&self, number: u64) -> Option<i64> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(index(number)).copied().flatten();
        slot.filter(|(other, _)| *other == number).map(|(_, newest)| newest)
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0) % SLOTS
}
