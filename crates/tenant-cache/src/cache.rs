//! Get or load: the read path.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{Circuits, RedisError, RedisProvider, SetOptions};
use serde::Serialize;
use tenancy::{Clock, EventKind, Tag, TenantKey, TenantScope};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::answer::{CacheError, CachedAnswer, Loaded, Outcome, entity_tag};
use crate::envelope::Envelope;
use crate::flight::{
    Basis, Boarding, FlightError, FlightKey, FlightOutcome, Flights, Pilot, wait_for,
};
use crate::generation::Dependencies;
use crate::invalidation;
use crate::registry::Operation;
use crate::settings::CacheSettings;
use crate::stamp::Stamp;
use crate::statistics::{CacheHealth, CacheStatistics, OperationStatistics, Statistics, sum};

/// Largest share of its time to live by which a value expires early, so that what was stored
/// together does not expire together.
const JITTER: f64 = 0.1;

/// The cache of all tenants. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct TenantCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    provider: Arc<dyn RedisProvider>,
    clock: Arc<dyn Clock>,
    settings: CacheSettings,
    flights: Flights,
    statistics: Statistics,
    loads: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Invalidations that this process has begun, whatever came of them.
    invalidations: AtomicU64,
    started: Instant,
}

/// What the provider said about a key.
enum Read {
    Fresh(CachedAnswer),
    /// Load under these generations; `None`: load, but do not store.
    Absent(Option<Vec<Stamp>>),
}

impl TenantCache {
    /// A cache over `provider`.
    pub fn new(
        provider: Arc<dyn RedisProvider>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        let loads = Arc::new(Semaphore::new(settings.max_concurrent_loads));
        Self {
            inner: Arc::new(Inner {
                provider,
                clock,
                settings,
                flights: Flights::default(),
                statistics: Statistics::default(),
                loads,
                tasks: TaskTracker::new(),
                invalidations: AtomicU64::new(0),
                started: Instant::now(),
            }),
        }
    }

    /// Answers from the cache, or loads, stores and answers.
    ///
    /// `entities` are the things that the answer shows one by one, where the operation is dropped
    /// by their events. `Ok(None)` is the loader's word that there is nothing; it is not stored.
    /// The loader runs on a task of its own, so that a caller who goes away takes nobody's answer
    /// along.
    ///
    /// # Errors
    ///
    /// [`CacheError::Load`] with the loader's error, shared by all who waited for it;
    /// [`CacheError::TimedOut`] after [`CacheSettings::load_timeout`].
    pub async fn get_or_load<T, E, F, Fut>(
        &self,
        scope: &TenantScope,
        operation: Operation,
        key: TenantKey,
        entities: &[Tag],
        load: F,
    ) -> Result<Option<CachedAnswer>, CacheError<E>>
    where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>> + Send + 'static,
    {
        let dependencies = Dependencies::of(scope, operation, entities);
        let generations = match self.read(&key, &dependencies).await {
            Ok(Read::Fresh(answer)) => {
                self.inner.statistics.answered(scope.org(), operation, Outcome::Hit);
                return Ok(Some(answer));
            }
            Ok(Read::Absent(generations)) => generations,
            Err(error) => {
                self.provider_failed("read", &error);
                None
            }
        };
        let outcome = if generations.is_some() { Outcome::Miss } else { Outcome::Bypass };
        let basis = generations.map_or_else(|| self.without_generations(), Basis::Generations);
        let flight = FlightKey { key: key.as_str().to_owned(), basis };
        let landing = match self.inner.flights.board(flight) {
            Boarding::Passenger(landing) => landing,
            Boarding::Pilot(pilot) => {
                let landing = pilot.landing();
                self.depart(pilot, scope, operation, load);
                landing
            }
        };
        let waited = tokio::time::timeout(self.inner.settings.load_timeout * 2, wait_for(landing));
        let landed = waited.await.ok().flatten().ok_or(CacheError::TimedOut)?;
        self.inner.statistics.answered(scope.org(), operation, outcome);
        landed.map_err(error_for_caller)
    }

    /// Drops what `kind` of event drops; `subject` is the entity that it happened to.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; the invalidation may then not have happened, and must be repeated.
    pub async fn invalidate(
        &self,
        scope: &TenantScope,
        kind: EventKind,
        subject: Option<Uuid>,
    ) -> Result<(), RedisError> {
        let Inner { provider, clock, statistics, invalidations, .. } = &*self.inner;
        invalidations.fetch_add(1, Ordering::SeqCst);
        invalidation::invalidate(provider.as_ref(), clock.as_ref(), scope, kind, subject)
            .await
            .inspect(|()| statistics.invalidated())
            .inspect_err(|error| self.provider_failed("invalidate", error))
    }

    /// Figures over all tenants.
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.statistics.of_all(self.inner.flights.under_way())
    }

    /// Figures of one tenant: the sum, and each operation that was used.
    pub fn tenant_statistics(
        &self,
        scope: &TenantScope,
    ) -> (OperationStatistics, Vec<(Operation, OperationStatistics)>) {
        let parts = self.inner.statistics.of_tenant(scope.org());
        (sum(&parts), parts)
    }

    /// Asks the provider how it is. Takes at most the provider's deadline.
    pub async fn health(&self, backend: &'static str) -> CacheHealth {
        let latency = self.inner.provider.ping().await.ok();
        let memory_entries = match self.inner.provider.info().await {
            Ok(info) if backend == "memory" => info.keys.unwrap_or(0),
            _ => 0,
        };
        CacheHealth { backend, latency, memory_entries }
    }

    /// Whether calls go through to the provider. Costs no round trip.
    pub fn circuits(&self) -> Circuits {
        self.inner.provider.report().circuits
    }

    /// Waits for loads under way; no new ones are waited for.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// What readers share a load by while no generations can be had. The writer who has been
    /// answered reads under a new number, whether or not the provider took the invalidation.
    fn without_generations(&self) -> Basis {
        let Inner { invalidations, started, .. } = &*self.inner;
        Basis::Unknown {
            invalidations: invalidations.load(Ordering::SeqCst),
            second: started.elapsed().as_secs(),
        }
    }

    async fn read(&self, key: &TenantKey, dependencies: &Dependencies) -> Result<Read, RedisError> {
        let Inner { provider, clock, .. } = &*self.inner;
        let mut keys = vec![key.as_str()];
        keys.extend(dependencies.keys().iter().map(String::as_str));
        let mut values = provider.get_many(&keys).await?;
        let value = if values.is_empty() { None } else { values.remove(0) };
        if let Some(answer) = value.and_then(|value| self.fresh(value, &values)) {
            return Ok(Read::Fresh(answer));
        }
        let generations = dependencies.complete(provider.as_ref(), clock.as_ref(), values).await?;
        Ok(Read::Absent(generations))
    }

    /// The stored value, if nothing that it depends on has changed and its time is not over.
    fn fresh(&self, value: Bytes, generations: &[Option<Bytes>]) -> Option<CachedAnswer> {
        let envelope = Envelope::decode(value)?;
        let now = self.inner.clock.now();
        let is_current = envelope.generations.len() == generations.len()
            && envelope
                .generations
                .iter()
                .zip(generations)
                .all(|(sealed, now)| now.as_deref() == Some(sealed.as_bytes()));
        if !is_current || now >= envelope.expires_at {
            return None;
        }
        let age = Duration::try_from(now - envelope.created_at).unwrap_or_default();
        Some(CachedAnswer { body: envelope.body, etag: envelope.etag, outcome: Outcome::Hit, age })
    }

    fn depart<T, E, F, Fut>(&self, pilot: Pilot, scope: &TenantScope, operation: Operation, load: F)
    where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>> + Send + 'static,
    {
        let cache = self.clone();
        let scope = scope.clone();
        self.inner.tasks.spawn(async move {
            let outcome = cache.load(pilot.key(), &scope, operation, load).await;
            pilot.land(outcome);
        });
    }

    async fn load<T, E, F, Fut>(
        &self,
        flight: &FlightKey,
        scope: &TenantScope,
        operation: Operation,
        load: F,
    ) -> FlightOutcome
    where
        T: Serialize,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>>,
    {
        let limit = self.inner.settings.load_timeout;
        let permit = tokio::time::timeout(limit, self.inner.loads.acquire());
        let Ok(Ok(_permit)) = permit.await else { return Err(FlightError::TimedOut) };
        let started = Instant::now();
        let result = tokio::time::timeout(limit, load()).await;
        let failed = !matches!(result, Ok(Ok(_)));
        self.inner.statistics.loaded(scope.org(), operation, started.elapsed(), failed);
        let loaded = match result {
            Err(_elapsed) => return Err(FlightError::TimedOut),
            Ok(Err(error)) => return Err(FlightError::Load(Arc::new(error))),
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(loaded))) => loaded,
        };
        let body = serde_json::to_vec(&loaded.value).map_err(|_| FlightError::Unserializable)?;
        let body = Bytes::from(body);
        let etag = entity_tag(&body);
        let outcome = match &flight.basis {
            Basis::Generations(generations) => {
                let value = (generations.as_slice(), etag.as_str(), body.clone());
                self.store(&flight.key, value, scope, operation, loaded.not_after).await;
                Outcome::Miss
            }
            Basis::Unknown { .. } => Outcome::Bypass,
        };
        Ok(Some(CachedAnswer { body, etag, outcome, age: Duration::ZERO }))
    }

    async fn store(
        &self,
        key: &str,
        (generations, etag, body): (&[Stamp], &str, Bytes),
        scope: &TenantScope,
        operation: Operation,
        not_after: Option<OffsetDateTime>,
    ) {
        if body.len() > self.inner.settings.max_value_bytes {
            tracing::warn!(
                cache.operation = operation.name(),
                bytes = body.len(),
                "value too large to cache"
            );
            return;
        }
        let now = self.inner.clock.now();
        let ttl = operation.policy().ttl.mul_f64(1.0 - JITTER * rand::random::<f64>());
        let expires_at = not_after.map_or(now + ttl, |limit| limit.min(now + ttl));
        let Ok(lifetime) = Duration::try_from(expires_at - now) else { return };
        if lifetime.is_zero() {
            return;
        }
        let envelope = Envelope {
            generations: generations.to_vec(),
            created_at: now,
            expires_at,
            etag: etag.to_owned(),
            body,
        };
        let bytes = envelope.encode();
        self.inner.statistics.stored(scope.org(), operation, bytes.len());
        let options = SetOptions::with_ttl(lifetime);
        if let Err(error) = self.inner.provider.set(key, bytes, options).await {
            self.provider_failed("store", &error);
        }
    }

    fn provider_failed(&self, action: &'static str, error: &RedisError) {
        self.inner.statistics.provider_failed();
        tracing::warn!(cache.action = action, error.kind = error.kind(), %error, "cache provider failed");
    }
}

fn error_for_caller<E: Error + Send + Sync + 'static>(error: FlightError) -> CacheError<E> {
    match error {
        // A key belongs to one operation, and an operation has one loader, hence one error type.
        FlightError::Load(error) => {
            error.downcast::<E>().map_or(CacheError::TimedOut, CacheError::Load)
        }
        FlightError::TimedOut => CacheError::TimedOut,
        FlightError::Unserializable => CacheError::Unserializable,
    }
}
