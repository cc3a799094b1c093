//! How copies stand in Redis: sixteen digits of the time at which the ledger confirmed them, then
//! JSON.
//!
//! The digits stand in front so that [`Script::AdvanceStamp`] can replace a copy by a newer one and
//! by no older one: between a look at the ledger and the write of the copy, the session may end. A
//! tombstone is later than any time, so that no copy ever takes its place while it stands.
//!
//! [`Script::AdvanceStamp`]: redis_provider::Script::AdvanceStamp

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The version of the JSON that this build writes. Others are none of ours to judge.
const VERSION: u32 = 2;

/// Digits of a time in microseconds.
const STAMP_CHARS: usize = 16;

/// In the place of something that has ended or changed.
pub(crate) const TOMBSTONE: &[u8] = b"ffffffffffffffff ended";

/// What stands at a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Copy<T> {
    /// A copy, and when the ledger confirmed it.
    Of(T, OffsetDateTime),
    /// The end of one.
    Tombstone,
    /// Nothing of ours.
    Missing,
}

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The bytes of a copy that the ledger confirmed at `confirmed_at`.
pub(crate) fn encode<T: Serialize>(
    content: &T,
    confirmed_at: OffsetDateTime,
) -> Result<Bytes, serde_json::Error> {
    let mut bytes = stamp(confirmed_at).into_bytes();
    serde_json::to_writer(&mut bytes, &Written { v: VERSION, content })?;
    Ok(bytes.into())
}

/// What the bytes at a key mean.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Copy<T> {
    match bytes {
        TOMBSTONE => Copy::Tombstone,
        bytes => parse(bytes).map_or(Copy::Missing, |(content, at)| Copy::Of(content, at)),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, OffsetDateTime)> {
    let (digits, json) = bytes.split_at_checked(STAMP_CHARS)?;
    let micros = i64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
    let version = serde_json::from_slice::<Version>(json).ok()?;
    if version.v != VERSION {
        return None;
    }
    Some((serde_json::from_slice(json).ok()?, at))
}

fn stamp(at: OffsetDateTime) -> String {
    let micros = u64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(0);
    format!("{micros:016x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Content {
        role: String,
    }

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00:00.123456 UTC);

    #[test]
    fn what_is_written_is_read_with_its_time() {
        let content = BTreeMap::from([("role".to_owned(), "owner".to_owned())]);
        let bytes = encode(&content, NOON).unwrap();
        assert!(bytes.as_ref() < TOMBSTONE, "a tombstone is later");
        let later = encode(&content, NOON + std::time::Duration::from_micros(1)).unwrap();
        assert!(bytes[..STAMP_CHARS] < later[..STAMP_CHARS]);
        let read: Copy<Content> = decode(&bytes);
        assert_eq!(read, Copy::Of(Content { role: "owner".to_owned() }, NOON));
    }

    #[test]
    fn whatever_else_stands_there_is_missing() {
        for text in ["", "dropped", "{\"v\":1}", "0000000000000000{\"v\":3}", "0000000000000000x"] {
            assert!(decode::<Version>(text.as_bytes()).is_missing(), "{text}");
        }
        assert!(!decode::<Version>(TOMBSTONE).is_missing());
    }

    impl<T> Copy<T> {
        fn is_missing(&self) -> bool {
            matches!(self, Self::Missing)
        }
    }
}
