//! The stored form of a value, as the provider holds it.
//!
//! Layout, integers big-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version, 2 |
//! | 1 | flags: 1 the body is gzip, 2 what follows the place is sealed |
//! | 1 | number of generations |
//! | 32 each | the generations, in the order of the value's dependencies |
//! | 8 | the place: of the SHA-256 of tenant, key and operation |
//! | 16 | of the SHA-256 of the place, all of the above and the rest; absent where it is sealed |
//! | … | the rest, sealed or not: instants, cost, entity tag, body ([`wire`]) |
//!
//! Where the value is sealed, its place and all of the head are what it is sealed to. Where it is
//! not, they are hashed with it: no protection against somebody who can write to the provider, but
//! a reply that belongs to another question, of another tenant above all, is never taken for the
//! answer.

mod audit;
mod codec;
mod gzip;
mod place;
mod replays;
mod reseal;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

pub use audit::RefusedValues;
pub(crate) use codec::Codec;
pub use codec::SealingKeyMissing;
pub(crate) use place::Place;

use crate::answer::Content;
use crate::coherence::Stamp;

/// A value with what it depends on. Stored instants are of whole milliseconds, rounded down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) generations: Vec<Stamp>,
    pub(crate) created_at: OffsetDateTime,
    /// Until then it is served as it is.
    pub(crate) expires_at: OffsetDateTime,
    /// Until then it may be served to those who take a stale one; no earlier than `expires_at`.
    pub(crate) stale_until: OffsetDateTime,
    /// How long it took to load; stored in whole microseconds, 71 minutes at most.
    pub(crate) load_cost: Duration,
    pub(crate) content: Arc<Content>,
}

impl Envelope {
    /// Whether it says that there is nothing. A body is JSON, which is never empty.
    pub(crate) fn is_nothing(&self) -> bool {
        self.content.body.is_empty()
    }
}

/// What a stored form held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) envelope: Envelope,
    /// Whether an older key than the newest had sealed it.
    pub(crate) must_reseal: bool,
}

/// Why bytes of the provider are no value for the place at which they were found. Each is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// Written by an earlier or later release: nothing to worry about.
    #[error("of another version")]
    OtherVersion,
    #[error("changed, or not from here")]
    Damaged,
    #[error("sealed with an unknown key")]
    UnknownKey,
    /// Of another tenant, key or operation.
    #[error("of another place")]
    WrongPlace,
    /// In plain text where only sealed values may be.
    #[error("not sealed")]
    NotSealed,
    /// It is, or says that it will be, larger than what is ever stored.
    #[error("too large")]
    TooLarge,
    /// Older than one that stood there before.
    #[error("older than what was there before")]
    Replayed,
}

/// Why a value has no stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    /// Its operation's values are sealed, and there is no key.
    #[error("there is no key to seal it with")]
    NoKey,
    #[error("it could not be sealed")]
    Seal(#[from] sealing::SealError),
    /// It is larger than [`crate::CacheSettings::max_value_bytes`].
    #[error("it is too large")]
    TooLarge,
    /// It depends on more than 255 generations, or its entity tag has more than 255 bytes.
    #[error("its head is too long")]
    Head,
}
