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

use crate::answer::{CachedAnswer, Content, Loaded, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::coherence::Cell;
use crate::envelope::{Codec, EncodeError, Envelope, Place};
use crate::flight::{Basis, FlightError, Pilot};
use crate::freshness;
use crate::kept::answer_of;
use crate::load_lease::{Turn, Wanted};
use crate::registry::Operation;

/// Largest share of its time to live by which a value expires early, so that what was stored
/// together does not expire together.
const JITTER: f64 = 0.1;

/// How long it is known that there is nothing. What makes it come to be drops that, as it drops
/// values; this bounds what guesses at names take.
const NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// How long readers wait for the value to be stored. A provider that is well takes a fraction of
/// it, and then whoever asks next, on any instance, finds the value.
pub(crate) const STORE_GRACE: Duration = Duration::from_millis(25);

/// A load to be run for everybody who waits for it.
pub(crate) struct Job {
    pub(crate) pilot: Pilot,
    pub(crate) scope: TenantScope,
    pub(crate) operation: Operation,
    /// Those of the generations that it is loaded under.
    pub(crate) cells: Vec<Arc<Cell>>,
    /// Set where a value is there already, and a newer one is wanted.
    pub(crate) made_since: Option<OffsetDateTime>,
    /// Invalidations of the tenant that had been tried when the load was asked for.
    pub(crate) tries: u64,
}

impl Job {
    pub(crate) fn place(&self) -> Place<'_> {
        Place { org: self.scope.org(), key: &self.pilot.key().key, operation: self.operation }
    }
}

/// When a loader ran, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    began: Instant,
    began_at: OffsetDateTime,
    /// For each of the values.
    cost: Duration,
}

/// What a loader came to.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// `None` where there is nothing.
    pub(crate) answer: Option<CachedAnswer>,
    not_after: Option<OffsetDateTime>,
    run: Run,
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
            // A reader may have looked before another's load ended, and boarded after.
            if let Some(answer) = cache.peek(&job.place()) {
                return job.pilot.land(Ok(Some(answer)));
            }
            let turn = match &job.pilot.key().basis {
                Basis::Generations(generations) => {
                    let wanted = Wanted { generations, made_since: job.made_since };
                    cache.take_turn(&job.scope, &job.place(), wanted).await
                }
                Basis::Unknown { .. } => Turn::Ours(None),
            };
            let lease = match turn {
                Turn::Theirs(envelope) => return cache.land_theirs(&job, envelope),
                Turn::Ours(lease) => lease,
            };
            match cache.load(&job, load).await {
                Ok(fresh) => cache.land_and_store(&job, fresh).await,
                Err(error) => job.pilot.land(Err(error)),
            }
            if let Some(lease) = lease {
                cache.end_turn(lease).await;
            }
        });
    }

    /// Answers with what another instance has loaded.
    fn land_theirs(&self, job: &Job, envelope: Arc<Envelope>) {
        let age = freshness::age(&envelope, self.shared().clock.now());
        let answer = (!envelope.is_nothing()).then(|| answer_of(&envelope, Outcome::Hit, age));
        self.keep_in_process(&job.place(), envelope, &job.cells);
        job.pilot.land(Ok(answer));
    }

    async fn load<T, E, F, Fut>(&self, job: &Job, load: F) -> Result<Fresh, FlightError>
    where
        T: Serialize,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>>,
    {
        let (loaded, run) = self.runs(job, 1, load).await?;
        self.fresh(job, loaded, run).await
    }

    /// Runs a loader of so many values in its turn, and counts it.
    pub(crate) async fn runs<V, E, F, Fut>(
        &self,
        job: &Job,
        values: u32,
        load: F,
    ) -> Result<(V, Run), FlightError>
    where
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let Inner { settings, admission, statistics, clock, .. } = &**self.shared();
        let is_degraded = matches!(job.pilot.key().basis, Basis::Unknown { .. });
        let Some(permit) = admission.admit(is_degraded).await else {
            return Err(FlightError::Overloaded);
        };
        let (began, began_at) = (Instant::now(), clock.now());
        let result = tokio::time::timeout(settings.load_timeout, load()).await;
        drop(permit);
        let (failed, cost) = (!matches!(result, Ok(Ok(_))), began.elapsed() / values.max(1));
        for _ in 0..values {
            statistics.loaded(job.scope.org(), job.operation, cost, failed);
        }
        match result {
            Err(_elapsed) => Err(FlightError::TimedOut),
            Ok(Err(error)) => Err(FlightError::Load(Arc::new(error))),
            Ok(Ok(loaded)) => Ok((loaded, Run { began, began_at, cost })),
        }
    }

    /// Makes what was loaded ready to be sent.
    pub(crate) async fn fresh<T: Serialize>(
        &self,
        job: &Job,
        loaded: Option<Loaded<T>>,
        run: Run,
    ) -> Result<Fresh, FlightError> {
        let Some(loaded) = loaded else {
            return Ok(Fresh { answer: None, not_after: None, run });
        };
        let outcome = match job.pilot.key().basis {
            Basis::Generations(_) => Outcome::Miss,
            Basis::Unknown { .. } => Outcome::Bypass,
        };
        let body = serde_json::to_vec(&loaded.value).map_err(|_| FlightError::Unserializable)?;
        let content = Arc::new(self.shared().codec.pack(job.operation, body.into()).await);
        let answer = CachedAnswer { content, outcome, age: Duration::ZERO };
        Ok(Fresh { answer: Some(answer), not_after: loaded.not_after, run })
    }

    /// Answers those who wait, and whoever comes until the answer is stored: a provider that hangs
    /// costs its own deadline, and readers no more than the grace.
    async fn land_and_store(&self, job: &Job, fresh: Fresh) {
        match &job.pilot.key().basis {
            _ if self.is_too_large(job, &fresh) => job.pilot.land(Ok(fresh.answer)),
            Basis::Generations(_) => {
                let mut storing = std::pin::pin!(self.store(job, &fresh));
                let stored = tokio::time::timeout(STORE_GRACE, &mut storing).await;
                job.pilot.land(Ok(fresh.answer.clone()));
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
                job.pilot.land(Ok(fresh.answer));
            }
        }
    }

    pub(crate) fn is_too_large(&self, job: &Job, fresh: &Fresh) -> bool {
        let bytes = fresh.answer.as_ref().map_or(0, |answer| answer.body.len());
        let is_too_large = bytes > self.shared().settings.max_value_bytes;
        if is_too_large {
            let operation = job.operation.name();
            tracing::warn!(cache.operation = operation, bytes, "value too large to cache");
        }
        is_too_large
    }

    /// Keeps it in this process and stores it in the provider, for every instance; answers whether
    /// that took it.
    async fn store(&self, job: &Job, fresh: &Fresh) -> bool {
        let Inner { provider, gutter, .. } = &**self.shared();
        let Some((value, options)) = self.prepares(job, fresh) else { return true };
        let stored = provider.set(job.pilot.key().key.as_str(), value, options).await;
        gutter.stored(stored.is_ok());
        stored.inspect_err(|error| self.provider_failed("store", error)).is_ok()
    }

    /// Keeps it in this process, and answers what is to be stored in the provider, if anything.
    pub(crate) fn prepares(&self, job: &Job, fresh: &Fresh) -> Option<(Bytes, SetOptions)> {
        let Inner { clock, statistics, codec, negatives, .. } = &**self.shared();
        if fresh.answer.is_none() && !negatives.admit(job.scope.org()) {
            return None;
        }
        let policy = job.operation.policy();
        let ttl = if fresh.answer.is_some() { policy.ttl } else { NEGATIVE_TTL.min(policy.ttl) };
        let ttl = ttl.mul_f64(1.0 - JITTER * rand::random::<f64>());
        let now = clock.now();
        let (envelope, lifetime) = envelope(job, fresh, now, ttl)?;
        let envelope = Arc::new(envelope);
        self.keep_in_process(&job.place(), Arc::clone(&envelope), &job.cells);
        let value = encoded(codec, job, &envelope)?;
        statistics.stored(job.scope.org(), job.operation, value.len());
        codec.has_seen(&job.place(), &envelope);
        Some((value, SetOptions::with_ttl(lifetime)))
    }

    /// Keeps in process what cannot be stored, for the rest of the lease.
    pub(crate) async fn keep(&self, job: &Job, fresh: &Fresh) {
        let Inner { gutter, settings, codec, .. } = &**self.shared();
        if !job.operation.policy().class.may_be_stale() || fresh.answer.is_none() {
            return;
        }
        let envelope = envelope(job, fresh, fresh.run.began_at, settings.lease);
        let Some((envelope, _)) = envelope else { return };
        let Some(value) = encoded(codec, job, &envelope) else { return };
        self.look_after();
        gutter.keep(job.pilot.key().key.as_str(), job.tries, value, fresh.run.began).await;
    }
}

/// What was loaded with all that is known of it, and how long it may be stored; `None` where its
/// time is over.
fn envelope(
    job: &Job,
    fresh: &Fresh,
    created_at: OffsetDateTime,
    ttl: Duration,
) -> Option<(Envelope, Duration)> {
    let (expires_at, stale_until) =
        freshness::ends(job.operation, created_at, ttl, fresh.not_after);
    Duration::try_from(expires_at - created_at).ok().filter(|life| !life.is_zero())?;
    let lifetime = Duration::try_from(stale_until - created_at).ok()?;
    let generations = match &job.pilot.key().basis {
        Basis::Generations(generations) => generations.clone(),
        Basis::Unknown { .. } => Vec::new(),
    };
    let content = match &fresh.answer {
        Some(answer) => Arc::clone(&answer.content),
        None => Arc::new(Content { body: Bytes::new(), gzip: None, etag: Arc::from("") }),
    };
    let load_cost = fresh.run.cost;
    let envelope =
        Envelope { generations, created_at, expires_at, stale_until, load_cost, content };
    Some((envelope, lifetime))
}

/// The stored form; `None` where there is none.
fn encoded(codec: &Codec, job: &Job, envelope: &Envelope) -> Option<Bytes> {
    let unstorable = |error: &EncodeError| {
        tracing::warn!(cache.operation = job.operation.name(), %error, "a value cannot be stored");
    };
    codec.encode(&job.place(), envelope).inspect_err(unstorable).ok()
}
