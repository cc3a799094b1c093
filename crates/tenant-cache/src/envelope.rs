//! The stored form of a value: version, generations, instants, entity tag, body.
//!
//! Layout, integers big-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic and version, `EPC1` |
//! | 1 | number of generations |
//! | 32 each | the generations, in the order of the value's dependencies |
//! | 8 | created, milliseconds since 1970 |
//! | 8 | expires, milliseconds since 1970 |
//! | 1 | length of the entity tag |
//! | … | the entity tag, then the body to the end |

use bytes::{Buf, Bytes};
use time::OffsetDateTime;

use crate::stamp::Stamp;

const MAGIC: &[u8; 4] = b"EPC1";
const STAMP_BYTES: usize = 32;

/// A value with what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) generations: Vec<Stamp>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) etag: String,
    pub(crate) body: Bytes,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(
            22 + self.generations.len() * STAMP_BYTES + self.etag.len() + self.body.len(),
        );
        bytes.extend_from_slice(MAGIC);
        bytes.push(u8::try_from(self.generations.len()).unwrap_or(u8::MAX));
        for generation in &self.generations {
            bytes.extend_from_slice(generation.as_bytes());
        }
        bytes.extend_from_slice(&milliseconds(self.created_at).to_be_bytes());
        bytes.extend_from_slice(&milliseconds(self.expires_at).to_be_bytes());
        bytes.push(u8::try_from(self.etag.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.etag.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    /// Reads an envelope; `None` for anything damaged or of another version, which is a miss.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.get(..MAGIC.len())? != MAGIC {
            return None;
        }
        bytes.advance(MAGIC.len());
        let count = bytes.try_get_u8().ok()?;
        let mut generations = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            generations.push(Stamp::parse(&take(&mut bytes, STAMP_BYTES)?)?);
        }
        let created_at = instant(bytes.try_get_i64().ok()?)?;
        let expires_at = instant(bytes.try_get_i64().ok()?)?;
        let etag_length = usize::from(bytes.try_get_u8().ok()?);
        let etag = String::from_utf8(take(&mut bytes, etag_length)?.to_vec()).ok()?;
        Some(Self { generations, created_at, expires_at, etag, body: bytes })
    }
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (bytes.len() >= count).then(|| bytes.split_to(count))
}

fn milliseconds(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn instant(milliseconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenancy::ManualClock;
    use time::Duration;

    use super::*;

    fn envelope(count: usize, etag: String, body: Vec<u8>) -> Envelope {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));
        Envelope {
            generations: (0..count).map(|_| Stamp::mint(&clock, None)).collect(),
            created_at: OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(1_234),
            expires_at: OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(5_678),
            etag,
            body: body.into(),
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            count in 0_usize..8,
            etag in "[a-f0-9\"]{0,70}",
            body in any::<Vec<u8>>(),
        ) {
            let envelope = envelope(count, etag, body);
            prop_assert_eq!(Envelope::decode(envelope.encode()), Some(envelope));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&bytes);
            let _ = Envelope::decode(bytes.into());
            let _ = Envelope::decode(framed.into());
        }

        #[test]
        fn a_shortened_head_is_refused(cut in 0_usize..117) {
            let encoded = envelope(3, "\"0123456789abcdef\"".into(), Vec::new()).encode();
            let head = encoded.slice(..cut.min(encoded.len() - 1));
            prop_assert_eq!(Envelope::decode(head), None);
        }
    }
}
