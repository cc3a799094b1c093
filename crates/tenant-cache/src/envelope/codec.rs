//! Between values and their stored form.

use bytes::{Buf as _, Bytes};
use sealing::{KeyRing, OpenError};
use sha2::{Digest as _, Sha256};

use super::audit::Refusals;
use super::replays::Newest;
use super::reseal::Resealing;
use super::wire::take;
use super::{Decoded, EncodeError, Envelope, Place, Unusable, gzip, place, wire};
use crate::answer::{Content, entity_tag};
use crate::coherence::Stamp;
use crate::registry::Operation;
use crate::settings::CacheSettings;

const VERSION: u8 = 2;
const IS_GZIP: u8 = 1;
const IS_SEALED: u8 = 2;

const STAMP_BYTES: usize = 32;
const CHECK_BYTES: usize = 16;

/// More than the head, the tag and the seal can have; what is longer than this and the largest
/// value is not looked at.
const MAX_OVERHEAD: usize = 16 << 10;

/// From this size on, bodies are compressed beside the threads that serve requests: it takes
/// milliseconds.
const LARGE_BYTES: usize = 64 << 10;

/// An operation is sealed, and there is no key to do it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("values of {}:{} are sealed, and there is no key", .0.feature(), .0.name())]
pub struct SealingKeyMissing(pub Operation);

/// Between values and their stored form.
#[derive(Debug)]
pub(crate) struct Codec {
    ring: Option<KeyRing>,
    max_value_bytes: usize,
    pub(crate) refusals: Refusals,
    pub(super) newest: Newest,
    pub(super) resealing: Resealing,
}

impl Codec {
    /// Fails where an operation of the product is sealed and there is no key.
    pub(crate) fn new(
        ring: Option<KeyRing>,
        settings: &CacheSettings,
    ) -> Result<Self, SealingKeyMissing> {
        Self::for_operations(&Operation::ALL, ring, settings)
    }

    pub(super) fn for_operations(
        operations: &[Operation],
        ring: Option<KeyRing>,
        settings: &CacheSettings,
    ) -> Result<Self, SealingKeyMissing> {
        let is_sealed = |operation: &&Operation| operation.policy().class.is_sealed();
        match operations.iter().find(is_sealed) {
            Some(operation) if ring.is_none() => Err(SealingKeyMissing(*operation)),
            _ => Ok(Self::unchecked(ring, settings)),
        }
    }

    /// Without a key, values of sealed operations are not stored at all.
    pub(crate) fn unchecked(ring: Option<KeyRing>, settings: &CacheSettings) -> Self {
        Self {
            ring,
            max_value_bytes: settings.max_value_bytes,
            refusals: Refusals::default(),
            newest: Newest::default(),
            resealing: Resealing::default(),
        }
    }

    /// The forms of a body in which it is kept and served.
    pub(crate) async fn pack(&self, operation: Operation, body: Bytes) -> Content {
        let is_wanted = operation.policy().may_compress && body.len() <= self.max_value_bytes;
        let gzip = if !is_wanted {
            None
        } else if body.len() < LARGE_BYTES {
            gzip::compress(&body)
        } else {
            let large = body.clone();
            let compressed = tokio::task::spawn_blocking(move || gzip::compress(&large)).await;
            // It fails where the process is on its way out; then the plain form does.
            compressed.ok().flatten()
        };
        Content { etag: entity_tag(&body), body, gzip }
    }

    /// The stored form of a value at its place.
    pub(crate) fn encode(
        &self,
        place: &Place<'_>,
        envelope: &Envelope,
    ) -> Result<Bytes, EncodeError> {
        if envelope.content.body.len() > self.max_value_bytes {
            return Err(EncodeError::TooLarge);
        }
        let is_sealed = place.operation.policy().class.is_sealed();
        let rest = wire::write(envelope)?;
        let mut bytes = head(place, envelope, is_sealed)?;
        let context = context(place, &bytes);
        if is_sealed {
            let ring = self.ring.as_ref().ok_or(EncodeError::NoKey)?;
            bytes.extend_from_slice(&ring.seal(&context, &rest)?);
        } else {
            bytes.extend_from_slice(&check(&context, &rest));
            bytes.extend_from_slice(&rest);
        }
        Ok(bytes.into())
    }

    /// The value in a stored form that was found at `place`.
    pub(crate) fn decode(&self, place: &Place<'_>, mut bytes: Bytes) -> Result<Decoded, Unusable> {
        if bytes.first() != Some(&VERSION) {
            return Err(Unusable::OtherVersion);
        }
        if bytes.len() > self.max_value_bytes.saturating_add(MAX_OVERHEAD) {
            return Err(Unusable::TooLarge);
        }
        let whole = bytes.clone();
        let head = Head::read(&mut bytes).ok_or(Unusable::Damaged)?;
        let is_sealed = head.flags & IS_SEALED != 0;
        if place.operation.policy().class.is_sealed() != is_sealed {
            return Err(if is_sealed { Unusable::Damaged } else { Unusable::NotSealed });
        }
        if head.place != place.digest() {
            return Err(Unusable::WrongPlace);
        }
        let context = context(place, whole.get(..whole.len() - bytes.len()).unwrap_or_default());
        let (rest, must_reseal) = if is_sealed {
            let ring = self.ring.as_ref().ok_or(Unusable::UnknownKey)?;
            let opened = ring.open(&context, &bytes)?;
            (Bytes::from(opened.plain), !opened.is_current)
        } else {
            let stored = take(&mut bytes, CHECK_BYTES).ok_or(Unusable::Damaged)?;
            if stored != check(&context, &bytes)[..] {
                return Err(Unusable::Damaged);
            }
            (bytes, false)
        };
        let is_gzip = head.flags & IS_GZIP != 0;
        let envelope = wire::read(head.generations, is_gzip, rest, self.max_value_bytes)?;
        Ok(Decoded { envelope, must_reseal })
    }
}

impl From<OpenError> for Unusable {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownKey => Self::UnknownKey,
            OpenError::Damaged => Self::Damaged,
        }
    }
}

/// What stands in front of every value, in plain text.
struct Head {
    flags: u8,
    generations: Vec<Stamp>,
    place: [u8; place::DIGEST_BYTES],
}

impl Head {
    fn read(bytes: &mut Bytes) -> Option<Self> {
        bytes.try_get_u8().ok()?;
        let flags = bytes.try_get_u8().ok().filter(|flags| flags & !(IS_GZIP | IS_SEALED) == 0)?;
        let count = usize::from(bytes.try_get_u8().ok()?);
        let stamps = take(bytes, count * STAMP_BYTES)?;
        let generations =
            stamps.chunks_exact(STAMP_BYTES).map(Stamp::parse).collect::<Option<_>>()?;
        let place = take(bytes, place::DIGEST_BYTES)?.first_chunk().copied()?;
        Some(Self { flags, generations, place })
    }
}

fn head(place: &Place<'_>, envelope: &Envelope, is_sealed: bool) -> Result<Vec<u8>, EncodeError> {
    let Envelope { generations, content, .. } = envelope;
    let size = content.gzip.as_ref().unwrap_or(&content.body).len() + 1_024;
    let mut bytes = Vec::with_capacity(size + generations.len() * STAMP_BYTES);
    bytes.push(VERSION);
    let gzip = if content.gzip.is_some() { IS_GZIP } else { 0 };
    bytes.push(gzip | if is_sealed { IS_SEALED } else { 0 });
    bytes.push(u8::try_from(generations.len()).map_err(|_| EncodeError::Head)?);
    for generation in generations {
        bytes.extend_from_slice(generation.as_bytes());
    }
    bytes.extend_from_slice(&place.digest());
    Ok(bytes)
}

/// What a value is bound to: its place, and all that stands in front of it.
fn context(place: &Place<'_>, head: &[u8]) -> Vec<u8> {
    let mut context = place.to_context();
    context.extend_from_slice(head);
    context
}

/// Finds mistakes; whoever means to deceive can make it too.
fn check(context: &[u8], rest: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new().chain_update(context).chain_update(rest).finalize();
    digest.first_chunk().copied().unwrap_or_default()
}
