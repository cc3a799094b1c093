//! The read path: what the provider holds, and whether it may be believed.

use std::time::Duration;

use bytes::Bytes;
use redis_provider::RedisError;
use tenancy::TenantScope;
use time::OffsetDateTime;

use crate::answer::{CachedAnswer, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::envelope::{Content, Decoded, Envelope, Place};
use crate::generation::Dependencies;
use crate::stamp::Stamp;

/// What is known of a key.
pub(crate) enum Read {
    Fresh(CachedAnswer),
    /// Load, and store under these generations.
    Absent(Vec<Stamp>),
    /// The provider did not answer, may not be believed, or would not keep anything: load, and do
    /// not store.
    Unknown,
}

impl TenantCache {
    pub(crate) async fn read(
        &self,
        scope: &TenantScope,
        place: Place<'_>,
        dependencies: &Dependencies,
    ) -> Read {
        let journal = &self.shared().journal;
        let asked_at = journal.handled();
        if journal.blocks(scope, dependencies) {
            return Read::Unknown;
        }
        match self.ask(place, dependencies).await {
            // Invalidations that failed while the answer was under way count, and so does a
            // failover: the answer may come from a service that has forgotten some.
            Ok(read) if journal.trusts(scope, dependencies, asked_at) => read,
            Ok(_) => Read::Unknown,
            Err(error) => {
                self.provider_failed("read", &error);
                Read::Unknown
            }
        }
    }

    async fn ask(&self, place: Place<'_>, dependencies: &Dependencies) -> Result<Read, RedisError> {
        let Inner { provider, clock, codec, .. } = &**self.shared();
        let mut keys = vec![place.key.as_str()];
        keys.extend(dependencies.keys().iter().map(String::as_str));
        let mut values = provider.get_many(&keys).await?;
        let value = if values.is_empty() { None } else { values.remove(0) };
        let decoded = value.and_then(|value| codec.accept(&place, value));
        if let Some(answer) = decoded
            .filter(|decoded| decoded.envelope.is_of(&values))
            .and_then(|decoded| current(decoded, clock.now(), Outcome::Hit))
        {
            return Ok(Read::Fresh(answer));
        }
        let generations = dependencies.complete(provider.as_ref(), clock.as_ref(), values).await?;
        Ok(generations.map_or(Read::Unknown, Read::Absent))
    }

    /// What this process keeps of a key while the provider is away.
    pub(crate) async fn find_kept(&self, place: Place<'_>, tries: u64) -> Option<CachedAnswer> {
        let Inner { gutter, clock, codec, .. } = &**self.shared();
        let kept = gutter.find(place.key.as_str(), tries).await?;
        current(codec.accept(&place, kept)?, clock.now(), Outcome::Stale)
    }
}

impl Envelope {
    /// Whether these are the generations that it was sealed with.
    fn is_of(&self, generations: &[Option<Bytes>]) -> bool {
        self.generations.len() == generations.len()
            && self
                .generations
                .iter()
                .zip(generations)
                .all(|(sealed, now)| now.as_deref() == Some(sealed.as_bytes()))
    }
}

/// The answer in an envelope, if its time is not over.
fn current(decoded: Decoded, now: OffsetDateTime, outcome: Outcome) -> Option<CachedAnswer> {
    let envelope = decoded.envelope;
    if now >= envelope.expires_at {
        return None;
    }
    let age = Duration::try_from(now - envelope.created_at).unwrap_or_default();
    let Content { identity, gzip } = envelope.content;
    Some(CachedAnswer { body: identity, gzip, etag: envelope.etag, outcome, age })
}
