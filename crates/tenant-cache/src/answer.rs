//! What loaders return and callers get.

use std::error::Error;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// What a loader returns.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The value; it is stored as JSON.
    pub value: T,
    /// The instant after which the value is wrong by itself, for instance a job's last day.
    pub not_after: Option<OffsetDateTime>,
}

impl<T> Loaded<T> {
    /// A value that stays right until something changes.
    pub const fn new(value: T) -> Self {
        Self { value, not_after: None }
    }

    /// A value that is wrong after `not_after`.
    pub const fn until(value: T, not_after: Option<OffsetDateTime>) -> Self {
        Self { value, not_after }
    }
}

/// Where an answer came from; sent as `X-Cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From the cache.
    Hit,
    /// Loaded, and stored for the next reader.
    Miss,
    /// Not the newest there could be, and no older than any event: its time is over and it is being
    /// loaded anew, or cannot be; or the provider is away and it was loaded less than the lease ago;
    /// or a soft purge, which is no event, has dropped it.
    Stale,
    /// Loaded, because the provider did not answer or may not be believed yet.
    Bypass,
}

impl Outcome {
    /// The word that `X-Cache` carries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}

/// What an answer says, in the forms in which callers take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The value as JSON.
    pub body: Bytes,
    /// The same bytes compressed with gzip; absent where that would not save enough or may not be.
    pub gzip: Option<Bytes>,
    /// A strong entity tag of the body, with its quotes.
    pub etag: Arc<str>,
}

/// An answer as it goes to the caller; it reads as its [`Content`], which all who are given the
/// same value share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedAnswer {
    /// What it says.
    pub content: Arc<Content>,
    /// Where the answer came from.
    pub outcome: Outcome,
    /// Time since it was loaded.
    pub age: Duration,
}

impl Deref for CachedAnswer {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CacheError<E: Error + Send + Sync + 'static> {
    /// The loader failed.
    #[error("the value could not be loaded")]
    Load(#[source] Arc<E>),
    /// The loader did not end in time, or was given up.
    #[error("the value was not loaded in time")]
    TimedOut,
    /// Too many loads wait already; nothing was loaded. Come back in a moment.
    #[error("too many loads are under way")]
    Overloaded,
    /// A batch's loader answered another number of values than it was asked for.
    #[error("the loader answered another number of values")]
    Incomplete,
    /// The value could not be written as JSON.
    #[error("the value could not be serialized")]
    Unserializable,
}

/// Half of the SHA-256 of the body: equal bodies have equal tags on every instance.
pub(crate) fn entity_tag(body: &[u8]) -> Arc<str> {
    let digest = Sha256::digest(body);
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in digest.iter().take(16) {
        for digit in [byte >> 4, byte & 0x0f] {
            tag.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
    tag.push('"');
    tag.into()
}
