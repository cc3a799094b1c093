//! The load path: one load at a time for a key, whose readers do not wait for a slow store.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::SetOptions;
use serde::Serialize;
use tenancy::TenantScope;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::answer::{CachedAnswer, Loaded, Outcome, entity_tag};
use crate::cache::{Inner, TenantCache};
use crate::envelope::{Codec, Content, EncodeError, Envelope, Place};
use crate::flight::{Basis, FlightError, FlightKey, Pilot};
use crate::registry::Operation;

/// Largest share of its time to live by which a value expires early, so that what was stored
/// together does not expire together.
const JITTER: f64 = 0.1;

/// How long readers wait for the value to be stored. A provider that is well takes a fraction of
/// it, and then whoever asks next, on any instance, finds the value.
const STORE_GRACE: Duration = Duration::from_millis(25);

/// A load to be run for everybody who waits for it.
pub(crate) struct Job {
    pub(crate) pilot: Pilot,
    pub(crate) scope: TenantScope,
    pub(crate) operation: Operation,
    /// Invalidations of the tenant that had been tried when the load was asked for.
    pub(crate) tries: u64,
}

/// What a loader came to.
struct Fresh {
    answer: CachedAnswer,
    not_after: Option<OffsetDateTime>,
    began: Instant,
    began_at: OffsetDateTime,
    cost: Duration,
}

impl TenantCache {
    /// Runs a load on a task of its own: without the budget of the request that asked for it, which
    /// is not to be spent on storing for others.
    pub(crate) fn depart<T, E, F, Fut>(&self, job: Job, load: F)
    where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>> + Send + 'static,
    {
        let cache = self.clone();
        self.shared().tasks.spawn(async move {
            match cache.load(&job, load).await {
                Ok(Some(fresh)) => cache.land_and_store(&job, fresh).await,
                Ok(None) => job.pilot.land(Ok(None)),
                Err(error) => job.pilot.land(Err(error)),
            }
        });
    }

    async fn load<T, E, F, Fut>(&self, job: &Job, load: F) -> Result<Option<Fresh>, FlightError>
    where
        T: Serialize,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>>,
    {
        let Inner { settings, admission, statistics, clock, codec, .. } = &**self.shared();
        let (is_degraded, outcome) = match job.pilot.key().basis {
            Basis::Generations(_) => (false, Outcome::Miss),
            Basis::Unknown { .. } => (true, Outcome::Bypass),
        };
        let Some(permit) = admission.admit(is_degraded).await else {
            return Err(FlightError::Overloaded);
        };
        let (began, began_at) = (Instant::now(), clock.now());
        let result = tokio::time::timeout(settings.load_timeout, load()).await;
        drop(permit);
        let (failed, cost) = (!matches!(result, Ok(Ok(_))), began.elapsed());
        statistics.loaded(job.scope.org(), job.operation, cost, failed);
        let loaded = match result {
            Err(_elapsed) => return Err(FlightError::TimedOut),
            Ok(Err(error)) => return Err(FlightError::Load(Arc::new(error))),
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(loaded))) => loaded,
        };
        let body = serde_json::to_vec(&loaded.value).map_err(|_| FlightError::Unserializable)?;
        let etag = entity_tag(&body);
        let Content { identity, gzip } = codec.pack(job.operation, body.into()).await;
        let answer = CachedAnswer { body: identity, gzip, etag, outcome, age: Duration::ZERO };
        Ok(Some(Fresh { answer, not_after: loaded.not_after, began, began_at, cost }))
    }

    /// Answers those who wait, and whoever comes until the answer is stored: a provider that hangs
    /// costs its own deadline, and readers no more than the grace.
    async fn land_and_store(&self, job: &Job, fresh: Fresh) {
        let is_too_large = fresh.answer.body.len() > self.shared().settings.max_value_bytes;
        if is_too_large {
            tracing::warn!(
                cache.operation = job.operation.name(),
                bytes = fresh.answer.body.len(),
                "value too large to cache"
            );
        }
        match &job.pilot.key().basis {
            _ if is_too_large => job.pilot.land(Ok(Some(fresh.answer))),
            Basis::Generations(_) => {
                let mut storing = std::pin::pin!(self.store(job, &fresh));
                let stored = tokio::time::timeout(STORE_GRACE, &mut storing).await;
                job.pilot.land(Ok(Some(fresh.answer.clone())));
                let is_stored = match stored {
                    Ok(is_stored) => is_stored,
                    Err(_elapsed) => storing.await,
                };
                if !is_stored {
                    self.keep(job, &fresh).await;
                }
            }
            Basis::Unknown { .. } => {
                self.keep(job, &fresh).await;
                job.pilot.land(Ok(Some(fresh.answer)));
            }
        }
    }

    /// Stores in the provider, for every instance; answers whether it took the value.
    async fn store(&self, job: &Job, fresh: &Fresh) -> bool {
        let Inner { provider, clock, statistics, gutter, codec, .. } = &**self.shared();
        let ttl = job.operation.policy().ttl.mul_f64(1.0 - JITTER * rand::random::<f64>());
        let now = clock.now();
        let Some((value, lifetime)) = seal(codec, job, fresh, now, ttl) else { return true };
        statistics.stored(job.scope.org(), job.operation, value.len());
        let options = SetOptions::with_ttl(lifetime);
        let stored = provider.set(job.pilot.key().key.as_str(), value, options).await;
        gutter.stored(stored.is_ok());
        stored.inspect_err(|error| self.provider_failed("store", error)).is_ok()
    }

    /// Keeps in process, for the rest of the lease.
    async fn keep(&self, job: &Job, fresh: &Fresh) {
        let Inner { gutter, settings, codec, .. } = &**self.shared();
        if !job.operation.policy().class.may_be_stale() {
            return;
        }
        let sealed = seal(codec, job, fresh, fresh.began_at, settings.lease);
        let Some((value, _)) = sealed else { return };
        self.look_after();
        gutter.keep(job.pilot.key().key.as_str(), job.tries, value, fresh.began).await;
    }
}

/// The stored form of what was loaded, and how long it may live; `None` where its time is over, or
/// where it has no stored form.
fn seal(
    codec: &Codec,
    job: &Job,
    fresh: &Fresh,
    created_at: OffsetDateTime,
    ttl: Duration,
) -> Option<(Bytes, Duration)> {
    let expires_at = fresh.not_after.map_or(created_at + ttl, |last| last.min(created_at + ttl));
    let lifetime =
        Duration::try_from(expires_at - created_at).ok().filter(|life| !life.is_zero())?;
    let FlightKey { key, basis } = job.pilot.key();
    let generations = match basis {
        Basis::Generations(generations) => generations.clone(),
        Basis::Unknown { .. } => Vec::new(),
    };
    let CachedAnswer { body, gzip, etag, .. } = &fresh.answer;
    let envelope = Envelope {
        generations,
        created_at,
        expires_at,
        stale_until: expires_at,
        load_cost: fresh.cost,
        etag: Arc::clone(etag),
        content: Content { identity: body.clone(), gzip: gzip.clone() },
    };
    let place = Place { org: job.scope.org(), key, operation: job.operation };
    let unstorable = |error: &EncodeError| {
        tracing::warn!(cache.operation = job.operation.name(), %error, "a value cannot be stored");
    };
    let value = codec.encode(&place, &envelope).inspect_err(unstorable).ok()?;
    Some((value, lifetime))
}
