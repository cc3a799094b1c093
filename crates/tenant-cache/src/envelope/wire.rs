//! The rest of the stored form, behind the head.
//!
//! | bytes | field |
//! |---|---|
//! | 8 each | created, expires, stale until: milliseconds since 1970 |
//! | 4 | what the load took, in microseconds |
//! | 4 | length of the body before compression |
//! | 1 | length of the entity tag |
//! | … | the entity tag, then the body to the end |

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use time::OffsetDateTime;

use super::{EncodeError, Envelope, Unusable, gzip};
use crate::answer::Content;
use crate::coherence::Stamp;

const FIXED_BYTES: usize = 33;

/// Writes everything but the generations.
pub(super) fn write(envelope: &Envelope) -> Result<Vec<u8>, EncodeError> {
    let Content { body, gzip, etag } = &*envelope.content;
    let (stored, etag) = (gzip.as_ref().unwrap_or(body), etag.as_bytes());
    let mut bytes = Vec::with_capacity(FIXED_BYTES + etag.len() + stored.len());
    for instant in [envelope.created_at, envelope.expires_at, envelope.stale_until] {
        bytes.extend_from_slice(&milliseconds(instant).to_be_bytes());
    }
    let cost = u32::try_from(envelope.load_cost.as_micros()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&cost.to_be_bytes());
    let length = u32::try_from(body.len()).map_err(|_| EncodeError::TooLarge)?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.push(u8::try_from(etag.len()).map_err(|_| EncodeError::Head)?);
    bytes.extend_from_slice(etag);
    bytes.extend_from_slice(stored);
    Ok(bytes)
}

/// Reads it again; a body of more than `max_bytes` is refused before room is made for it.
pub(super) fn read(
    generations: Vec<Stamp>,
    is_gzip: bool,
    bytes: Bytes,
    max_bytes: usize,
) -> Result<Envelope, Unusable> {
    let head = Head::read(bytes).ok_or(Unusable::Damaged)?;
    if head.length > max_bytes {
        return Err(Unusable::TooLarge);
    }
    let (body, gzip) = if is_gzip {
        let body = gzip::inflate(&head.body, head.length).ok_or(Unusable::Damaged)?;
        (body, Some(head.body))
    } else if head.body.len() == head.length {
        (head.body, None)
    } else {
        return Err(Unusable::Damaged);
    };
    let [created_at, expires_at, stale_until] = head.instants;
    let (load_cost, etag) = (head.load_cost, head.etag);
    let content = Arc::new(Content { body, gzip, etag });
    Ok(Envelope { generations, created_at, expires_at, stale_until, load_cost, content })
}

struct Head {
    instants: [OffsetDateTime; 3],
    load_cost: Duration,
    length: usize,
    etag: Arc<str>,
    body: Bytes,
}

impl Head {
    fn read(mut bytes: Bytes) -> Option<Self> {
        let mut next = || instant(bytes.try_get_i64().ok()?);
        let instants = [next()?, next()?, next()?];
        let load_cost = Duration::from_micros(bytes.try_get_u32().ok()?.into());
        let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
        let etag_length = usize::from(bytes.try_get_u8().ok()?);
        let etag = take(&mut bytes, etag_length)?;
        let etag = std::str::from_utf8(&etag).ok()?.into();
        Some(Self { instants, load_cost, length, etag, body: bytes })
    }
}

pub(super) fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (bytes.len() >= count).then(|| bytes.split_to(count))
}

pub(super) fn milliseconds(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

fn instant(milliseconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}
