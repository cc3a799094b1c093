//! The cache's entry points.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis_provider::{Backplane, Circuits, RedisError, RedisProvider, Script};
use serde::Serialize;
use tenancy::{Change, Clock, EventKind, Tag, TenantKey, TenantScope};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use sealing::KeyRing;

use crate::admission::Admission;
use crate::answer::{CacheError, CachedAnswer, Loaded, Outcome};
use crate::auditor::Auditor;
use crate::coherence::{Coherence, Finish, Interruptions, Stamp, Target};
use crate::envelope::{Codec, Place, SealingKeyMissing};
use crate::flight::{
    Basis, Boarding, FlightError, FlightKey, FlightOutcome, Flights, Landing, wait_for,
};
use crate::generation::Dependencies;
use crate::gutter::Gutter;
use crate::invalidation;
use crate::kept::Kept;
use crate::load::Job;
use crate::negatives::Negatives;
use crate::read::Read;
use crate::registry::Operation;
use crate::settings::CacheSettings;
use crate::shelves::{ShelfSettings, Shelves};
use crate::statistics::{CacheHealth, CacheStatistics, OperationStatistics, Statistics};
use crate::sync::Mutex;
use crate::tries::Tries;

/// The cache of all tenants. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct TenantCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) provider: Arc<dyn RedisProvider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: CacheSettings,
    pub(crate) codec: Codec,
    pub(crate) flights: Flights,
    pub(crate) statistics: Statistics,
    pub(crate) admission: Admission,
    pub(crate) coherence: Coherence,
    pub(crate) shelves: Shelves<Kept>,
    pub(crate) next_sweep: Mutex<Instant>,
    pub(crate) negatives: Negatives,
    /// By which instances tell each other of invalidations, once it is there.
    pub(crate) backplane: OnceLock<Backplane>,
    pub(crate) gutter: Gutter,
    pub(crate) auditor: Auditor,
    pub(crate) tries: Tries,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Set when the task that looks after the journal has been started.
    pub(crate) looked_after: OnceLock<()>,
    pub(crate) started: Instant,
}

impl TenantCache {
    /// A cache over `provider` that has no keys: values of sealed operations are loaded each time.
    pub fn new(
        provider: Arc<dyn RedisProvider>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        Self::with_codec(provider, clock, settings, Codec::unchecked(None, &settings))
    }

    /// A cache over `provider` that seals with the newest of `keys`.
    ///
    /// # Errors
    ///
    /// [`SealingKeyMissing`] where there are none and an operation of the product is sealed.
    pub fn with_keys(
        provider: Arc<dyn RedisProvider>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
        keys: Option<KeyRing>,
    ) -> Result<Self, SealingKeyMissing> {
        let codec = Codec::new(keys, &settings)?;
        Ok(Self::with_codec(provider, clock, settings, codec))
    }

    fn with_codec(
        provider: Arc<dyn RedisProvider>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
        codec: Codec,
    ) -> Self {
        let interruptions = Arc::new(ProviderInterruptions(Arc::clone(&provider)));
        let shelf = ShelfSettings {
            max_bytes: settings.process_max_bytes,
            max_tenant_share: settings.process_max_tenant_share,
        };
        Self {
            inner: Arc::new(Inner {
                coherence: Coherence::new(interruptions, settings.process_lease, settings.lease),
                shelves: Shelves::new(shelf),
                next_sweep: Mutex::new(Instant::now()),
                negatives: Negatives::new(),
                backplane: OnceLock::new(),
                provider,
                clock,
                flights: Flights::default(),
                statistics: Statistics::default(),
                admission: Admission::new(&settings),
                gutter: Gutter::new(settings.lease, settings.gutter_max_bytes),
                auditor: Auditor::default(),
                tries: Tries::new(),
                settings,
                codec,
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                looked_after: OnceLock::new(),
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
    /// [`CacheError::TimedOut`] after [`CacheSettings::load_timeout`]; [`CacheError::Overloaded`]
    /// where the load got no turn within [`CacheSettings::load_queue_timeout`].
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
        let depends = || Dependencies::of(&self.inner.coherence.cells, scope, operation, entities);
        let place = Place { org: scope.org(), key: &key, operation };
        if let Some(answer) = self.cached(scope, &key) {
            self.tells_access(place, answer.outcome);
            self.audits(place, scope, depends, &answer, load);
            return Ok(Some(answer));
        }
        // Before anything is read, so that it is no younger than what is read.
        let tries = self.inner.tries.of(scope.org());
        let dependencies = depends();
        let (basis, outcome, spare) = match self.read(scope, place, &dependencies).await {
            Read::Answer { answer, refresh } => {
                if let Some(answer) = &answer {
                    self.tells_access(place, answer.outcome);
                }
                match (refresh, &answer) {
                    (Some(generations), _) => {
                        let flight = FlightKey { key, basis: Basis::Generations(generations) };
                        self.refreshes(flight, scope, operation, &dependencies, tries, load);
                    }
                    (None, Some(answer)) => {
                        self.audits(place, scope, || dependencies, answer, load);
                    }
                    (None, None) => {}
                }
                return Ok(answer.map(|answer| self.answered(scope, operation, answer)));
            }
            Read::Absent { generations, spare } => {
                (Basis::Generations(generations), Outcome::Miss, spare)
            }
            Read::Unknown => (self.without_generations(tries), Outcome::Bypass, None),
        };
        self.tells_access(place, outcome);
        if (outcome == Outcome::Bypass || self.inner.gutter.stands_in())
            && let Some(answer) = self.find_kept(place, tries).await
        {
            return Ok(Some(self.answered(scope, operation, answer)));
        }
        let flight = FlightKey { key, basis };
        let (landed, outcome) = match self.inner.flights.board(flight) {
            Boarding::Landed(landed) if outcome == Outcome::Miss => (landed, Outcome::Hit),
            Boarding::Landed(landed) => (landed, outcome),
            Boarding::Passenger(landing) => (self.wait(landing, spare.is_some()).await, outcome),
            Boarding::Pilot(pilot) => {
                let landing = pilot.landing();
                let cells = dependencies.cells().to_vec();
                let (scope, made_since) = (scope.clone(), None);
                self.depart(Job { pilot, scope, operation, cells, made_since, tries }, load);
                (self.wait(landing, spare.is_some()).await, outcome)
            }
        };
        match (landed, spare) {
            (Ok(answer), _) => Ok(answer
                .map(|answer| self.answered(scope, operation, CachedAnswer { outcome, ..answer }))),
            // Nothing newer can be had in time.
            (Err(_), Some(spare)) => Ok(Some(self.answered(scope, operation, spare))),
            (Err(error), None) => {
                self.inner.statistics.not_answered(scope.org(), operation, &error);
                Err(error_for_caller(error))
            }
        }
    }

    /// Loads a value anew for whoever comes next, unless somebody does already.
    fn refreshes<T, E, F, Fut>(
        &self,
        flight: FlightKey,
        scope: &TenantScope,
        operation: Operation,
        dependencies: &Dependencies,
        tries: u64,
        load: F,
    ) where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>> + Send + 'static,
    {
        if let Boarding::Pilot(pilot) = self.inner.flights.board(flight) {
            let cells = dependencies.cells().to_vec();
            let (scope, made_since) = (scope.clone(), Some(self.inner.clock.now()));
            self.depart(Job { pilot, scope, operation, cells, made_since, tries }, load);
        }
    }

    /// Drops what `kind` of event drops; `subject` is the entity that it happened to.
    ///
    /// When this answers `Ok`, nothing older is served any more by any instance. When it fails,
    /// nothing older is served by this one, and it is repeated until it succeeds; but a process may
    /// end before that, so whoever needs it done has to see to it.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; the invalidation may then not have happened.
    pub async fn invalidate(
        &self,
        scope: &TenantScope,
        kind: EventKind,
        subject: Option<Uuid>,
    ) -> Result<(), RedisError> {
        self.invalidate_change(scope, &Change::unknown(kind, subject)).await
    }

    /// Replaces generations, and tells the other instances; answers each with its new stamp.
    pub(crate) async fn replace(
        &self,
        scope: &TenantScope,
        targets: BTreeSet<Target>,
        script: Script,
    ) -> Result<Vec<(Target, Stamp)>, RedisError> {
        let Inner { provider, clock, statistics, coherence, tries, .. } = &*self.inner;
        tries.begin(scope.org());
        self.look_after();
        let invalidation = coherence.begin_invalidation(scope, targets);
        let targets = invalidation.targets();
        let (provider, clock) = (provider.as_ref(), clock.as_ref());
        let progress = invalidation::replace(provider, clock, targets, script).await;
        coherence.has_replaced(&progress.done, &progress.stamps);
        let finish = invalidation.finish(&progress.done);
        self.tells(&progress.done).await;
        let error = match finish {
            Finish::Done => {
                statistics.invalidated();
                return Ok(progress.done.into_iter().zip(progress.stamps).collect());
            }
            Finish::Interrupted => progress.error.unwrap_or_else(|| {
                RedisError::Unavailable("it was interrupted during an invalidation".to_owned())
            }),
            Finish::Open => progress.error.unwrap_or_else(|| {
                RedisError::Protocol("an answer to an invalidation is missing".to_owned())
            }),
        };
        self.provider_failed("invalidate", &error);
        Err(error)
    }

    /// Figures over all tenants.
    pub fn statistics(&self) -> CacheStatistics {
        let Inner { statistics, flights, coherence, shelves, .. } = &*self.inner;
        statistics.of_all(
            flights.under_way(),
            coherence.journal.figures(),
            shelves.total(),
            shelves.evictions(),
        )
    }

    /// Figures of one tenant: the sum, and each operation that was used.
    pub fn tenant_statistics(
        &self,
        scope: &TenantScope,
    ) -> (OperationStatistics, Vec<(Operation, OperationStatistics)>) {
        let parts = self.inner.statistics.of_tenant(scope.org());
        (OperationStatistics::sum(parts.iter().map(|(_, part)| part)), parts)
    }

    /// Asks the provider how it is. Takes at most the provider's deadline.
    pub async fn health(&self, backend: &'static str) -> CacheHealth {
        let Inner { provider, coherence, .. } = &*self.inner;
        let latency = provider.ping().await.ok();
        // A remote service is not asked for more than the ping: it may charge for it.
        let memory_entries = match backend {
            "memory" => provider.info().await.ok().and_then(|info| info.keys).unwrap_or(0),
            _ => 0,
        };
        let report = provider.report();
        let reads = report.calls.iter().find(|call| call.method == "get_many");
        CacheHealth {
            backend,
            latency,
            memory_entries,
            circuits: report.circuits,
            read_p99: reads.map(|reads| reads.p99),
            journaled: coherence.journal.figures().pending,
        }
    }

    /// Whether calls go through to the provider. Costs no round trip.
    pub fn circuits(&self) -> Circuits {
        self.inner.provider.report().circuits
    }

    /// Ends what runs beside the requests and waits for loads under way; no new ones are waited
    /// for. Invalidations still pending are left to whoever repeats failed ones.
    pub async fn drain(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub(crate) fn shared(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn provider_failed(&self, action: &'static str, error: &RedisError) {
        self.inner.statistics.provider_failed();
        if let Some(unsaid) = self.inner.coherence.journal.provider_failed() {
            tracing::warn!(
                cache.action = action,
                error.kind = error.kind(),
                %error,
                unsaid,
                "cache provider failed"
            );
        }
    }

    /// What readers share a load by while no generations can be had.
    pub(crate) fn without_generations(&self, tries: u64) -> Basis {
        let Inner { settings, started, .. } = &*self.inner;
        let lease = started.elapsed().as_nanos() / settings.lease.as_nanos().max(1);
        Basis::Unknown { tries, lease }
    }

    /// Waits for a load; not for long where something else can be answered.
    pub(crate) async fn wait(&self, landing: Landing, has_spare: bool) -> FlightOutcome {
        let settings = &self.inner.settings;
        let longest = if has_spare {
            settings.soft_load_timeout
        } else {
            settings.load_queue_timeout + settings.load_timeout + Duration::from_secs(3)
        };
        let landed = tokio::time::timeout(longest, wait_for(landing)).await;
        landed.ok().flatten().unwrap_or(Err(FlightError::TimedOut))
    }

    pub(crate) fn answered(
        &self,
        scope: &TenantScope,
        operation: Operation,
        answer: CachedAnswer,
    ) -> CachedAnswer {
        self.inner.statistics.answered(scope.org(), operation, answer.outcome);
        answer
    }
}

#[derive(Debug)]
struct ProviderInterruptions(Arc<dyn RedisProvider>);

impl Interruptions for ProviderInterruptions {
    fn count(&self) -> u64 {
        self.0.interruptions()
    }
}

impl From<Arc<Inner>> for TenantCache {
    fn from(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

pub(crate) fn error_for_caller<E: Error + Send + Sync + 'static>(
    error: FlightError,
) -> CacheError<E> {
    match error {
        // A key belongs to one operation, and an operation has one loader, hence one error type.
        FlightError::Load(error) => {
            error.downcast::<E>().map_or(CacheError::TimedOut, CacheError::Load)
        }
        FlightError::TimedOut => CacheError::TimedOut,
        FlightError::Overloaded => CacheError::Overloaded,
        FlightError::Incomplete => CacheError::Incomplete,
        FlightError::Unserializable => CacheError::Unserializable,
    }
}
