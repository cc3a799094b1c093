//! Whether this instance lives, should get requests, and how what it depends on is.
//!
//! Nothing is probed inside a request: [`Probe::run`] looks twice a second, and requests read what
//! it saw. An outage that all instances share must not take every instance out of the balancer, so
//! readiness says `degraded` in the body and stays 200.
//!
//! A service that charges for every command is asked less often while all is well: whether calls
//! to it fail is known from the circuits, without asking.

mod outbox;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use employer_store::TenantDb;
use serde::Serialize;
use tenant_cache::{CircuitState, Circuits, TenantCache};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use self::outbox::OutboxState;
use crate::state::{Phase, PortalState};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// Longest time that one look takes.
const DEADLINE: Duration = Duration::from_millis(450);
/// Age from which a look says nothing any more.
const STALE_AFTER: Duration = Duration::from_secs(3);

/// What was seen at one look.
#[derive(Clone, Copy, Debug)]
struct Sight {
    at: Instant,
    /// How long the database took to answer, if it did.
    database: Option<Duration>,
    cache: CacheSight,
}

/// What was seen of the cache.
#[derive(Clone, Copy, Debug)]
struct CacheSight {
    /// When its backend was asked.
    asked: Instant,
    /// How long the backend took to answer, if it did.
    latency: Option<Duration>,
    circuits: Circuits,
    memory_entries: u64,
}

impl CacheSight {
    /// Whether it answers and no calls are refused. A half-open circuit refuses none: it waits
    /// for the next one, which for writes may be a while away.
    fn is_well(&self) -> bool {
        self.latency.is_some() && !is_open(self.circuits)
    }
}

fn is_open(circuits: Circuits) -> bool {
    [circuits.reads, circuits.writes].contains(&CircuitState::Open)
}

/// What the cache stands on, in words.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// What kind of store it is: `memory`, `redis`, `upstash`.
    pub name: &'static str,
    /// The provider that was chosen: `memory`, `elasticache`, `upstash`.
    pub provider: &'static str,
    /// Pause between two questions to it while all is well.
    pub interval: Duration,
}

/// Looks at what we depend on and remembers what it saw.
#[derive(Clone, Debug)]
pub struct Probe {
    db: TenantDb,
    cache: TenantCache,
    backend: Backend,
    latest: watch::Sender<Option<Sight>>,
}

impl Probe {
    /// A probe that has seen nothing yet.
    pub fn new(db: TenantDb, cache: TenantCache, backend: Backend) -> Self {
        Self { db, cache, backend, latest: watch::Sender::new(None) }
    }

    /// Looks until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.look().await,
            }
        }
    }

    async fn look(&self) {
        let (database, cache) =
            tokio::join!(timeout(DEADLINE, self.db.ping()), self.look_at_cache());
        let database = database.ok().and_then(Result::ok);
        self.latest.send_replace(Some(Sight { at: Instant::now(), database, cache }));
    }

    async fn look_at_cache(&self) -> CacheSight {
        let circuits = self.cache.circuits();
        let before = self.latest.borrow().map(|sight| CacheSight { circuits, ..sight.cache });
        let is_due = |seen: &CacheSight| seen.asked.elapsed() >= self.backend.interval;
        if let Some(seen) = before.filter(|seen| seen.is_well() && !is_due(seen)) {
            return seen;
        }
        let asked = Instant::now();
        let health = timeout(DEADLINE, self.cache.health(self.backend.name)).await.ok();
        CacheSight {
            asked,
            latency: health.as_ref().and_then(|health| health.latency),
            circuits: self.cache.circuits(),
            memory_entries: health.map_or(0, |health| health.memory_entries),
        }
    }

    /// The latest look, unless it is too old to say anything.
    fn sight(&self) -> Option<Sight> {
        self.latest.borrow().filter(|sight| sight.at.elapsed() < STALE_AFTER)
    }

    /// What we depend on, and whether it answered a moment ago; nothing where nobody looked.
    pub(crate) fn answering(&self) -> impl Iterator<Item = (&'static str, bool)> + use<> {
        let told = |sight: Sight| {
            [("database", sight.database.is_some()), ("cache", sight.cache.latency.is_some())]
        };
        self.sight().map(told).into_iter().flatten()
    }

    fn dependencies(&self) -> Dependencies {
        let Some(sight) = self.sight() else {
            let unknown = Dependency { status: DependencyStatus::Unknown, latency_ms: None };
            return Dependencies { database: unknown, cache: unknown };
        };
        let dependency = |latency: Option<Duration>, is_well: bool| Dependency {
            status: match (latency, is_well) {
                (None, _) => DependencyStatus::Down,
                (Some(_), true) => DependencyStatus::Up,
                (Some(_), false) => DependencyStatus::Degraded,
            },
            latency_ms: latency.map(milliseconds),
        };
        Dependencies {
            database: dependency(sight.database, true),
            cache: dependency(sight.cache.latency, sight.cache.is_well()),
        }
    }
}

/// Milliseconds with two decimals, as people read them.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// Whether something that we depend on answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyStatus {
    /// It answered a moment ago.
    Up,
    /// It answered a moment ago, and too many calls to it have failed: some are not tried.
    Degraded,
    /// It did not answer a moment ago.
    Down,
    /// Nobody has looked lately.
    Unknown,
}

/// One thing that we depend on.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Dependency {
    status: DependencyStatus,
    /// How long it took to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

/// What we depend on.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Dependencies {
    database: Dependency,
    cache: Dependency,
}

impl Dependencies {
    fn are_up(&self) -> bool {
        [self.database, self.cache].iter().all(|one| one.status == DependencyStatus::Up)
    }

    fn are_down(&self) -> bool {
        [self.database, self.cache].iter().all(|one| one.status == DependencyStatus::Down)
    }
}

/// How the instance is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Health {
    /// For `/live`: `alive`. For `/ready`: `starting`, `ready`, `degraded`, `draining`. For
    /// `/health`: `healthy`, `degraded`, `unhealthy`.
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
    /// What we depend on, as it was a moment ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    dependencies: Option<Dependencies>,
    /// Whether events are told, for `/health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<OutboxState>,
}

/// Says that the process runs. Depends on nothing.
#[utoipa::path(
    get, path = "/live", tag = "health",
    responses((status = 200, description = "The process runs", body = Health)),
)]
pub async fn live() -> HttpResponse {
    answer(StatusCode::OK, &Health { status: "alive", dependencies: None, outbox: None })
}

/// Says whether this instance should get requests.
///
/// 503 only while it starts or drains. What it depends on stands in the body.
#[utoipa::path(
    get, path = "/ready", tag = "health",
    responses(
        (status = 200, description = "Send requests", body = Health),
        (status = 503, description = "Starting or draining", body = Health),
    ),
)]
pub async fn ready(state: web::Data<PortalState>) -> HttpResponse {
    let dependencies = state.probe.dependencies();
    let (code, status) = match state.lifecycle.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Phase::Ready if dependencies.are_up() => (StatusCode::OK, "ready"),
        Phase::Ready => (StatusCode::OK, "degraded"),
    };
    answer(code, &Health { status, dependencies: Some(dependencies), outbox: None })
}

/// Sums up how the instance is: 503 only when it can answer nothing.
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses(
        (status = 200, description = "Healthy or degraded", body = Health),
        (status = 503, description = "Unhealthy", body = Health),
    ),
)]
pub async fn health(state: web::Data<PortalState>) -> HttpResponse {
    let dependencies = state.probe.dependencies();
    let (code, status) = if dependencies.are_up() {
        (StatusCode::OK, "healthy")
    } else if dependencies.are_down() {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    } else {
        (StatusCode::OK, "degraded")
    };
    let outbox = OutboxState::of(state.writes.relay_statistics().waiting());
    answer(code, &Health { status, dependencies: Some(dependencies), outbox: Some(outbox) })
}

/// How the cache is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CacheReport {
    /// `healthy`; `degraded`: answers come from the database, at least in part; `unhealthy`:
    /// neither answers.
    #[schema(value_type = String, example = "healthy")]
    status: &'static str,
    /// What the cache stands on: `memory`, `redis`, `upstash`.
    #[schema(value_type = String, example = "redis")]
    backend: &'static str,
    /// The provider that was chosen at start: `memory`, `elasticache`, `upstash`.
    #[schema(value_type = String, example = "elasticache")]
    pub(crate) provider: &'static str,
    breaker: Breaker,
    /// Invalidations that the backend has not taken yet, or may have lost; what they drop is not
    /// answered from it meanwhile.
    #[schema(example = 0)]
    journaled_invalidations: usize,
    /// How long the backend took to answer.
    #[schema(example = 1.23)]
    latency_ms: Option<f64>,
    stats: CacheFigures,
    /// What to know about the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    note: Option<&'static str>,
}

/// Whether calls go through to the backend: `closed` (they do), `open` (they fail at once),
/// `half_open` (one is tried).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Breaker {
    /// Of calls that read.
    #[schema(value_type = String, example = "closed")]
    reads: &'static str,
    /// Of calls that write.
    #[schema(value_type = String, example = "closed")]
    writes: &'static str,
}

impl From<Circuits> for Breaker {
    fn from(circuits: Circuits) -> Self {
        Self { reads: circuits.reads.as_str(), writes: circuits.writes.as_str() }
    }
}

/// Figures of this instance since its start.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CacheFigures {
    #[schema(example = 1500)]
    hits: u64,
    #[schema(example = 300)]
    misses: u64,
    #[schema(example = 83.33)]
    hit_rate_percent: f64,
    /// Loads of the database on behalf of readers; fewer than misses where readers shared one.
    #[schema(example = 290)]
    loads: u64,
    /// Whether a Redis service backs the cache and answers.
    redis_available: bool,
    /// Keys held in this process.
    memory_cache_size: u64,
}

/// How the cache is, with its hit rate.
#[utoipa::path(
    get, path = "/health/cache", tag = "health",
    responses(
        (status = 200, description = "Healthy or degraded", body = CacheReport),
        (status = 503, description = "Unhealthy", body = CacheReport),
    ),
)]
pub async fn cache(state: web::Data<PortalState>) -> HttpResponse {
    let report = cache_report(&state.probe, &state.cache);
    let code =
        if report.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    answer(code, &report)
}

pub(crate) fn cache_report(probe: &Probe, cache: &TenantCache) -> CacheReport {
    const MEMORY_NOTE: &str = "the memory backend serves this instance only";
    let sight = probe.sight();
    let latency = sight.and_then(|sight| sight.cache.latency);
    let is_database_up = sight.is_some_and(|sight| sight.database.is_some());
    let circuits = cache.circuits();
    let statistics = cache.statistics();
    let is_memory = probe.backend.name == "memory";
    CacheReport {
        status: match (latency, is_database_up, sight) {
            (Some(_), _, _) if !is_open(circuits) => "healthy",
            (Some(_), _, _) | (None, true, _) | (None, _, None) => "degraded",
            (None, false, Some(_)) => "unhealthy",
        },
        backend: probe.backend.name,
        provider: probe.backend.provider,
        breaker: circuits.into(),
        journaled_invalidations: statistics.journal_length,
        latency_ms: latency.map(milliseconds),
        stats: CacheFigures {
            hits: statistics.total.hits,
            misses: statistics.total.misses,
            hit_rate_percent: (statistics.hit_rate_percent() * 100.0).round() / 100.0,
            loads: statistics.total.loads,
            redis_available: !is_memory && latency.is_some(),
            memory_cache_size: sight.map_or(0, |sight| sight.cache.memory_entries),
        },
        note: is_memory.then_some(MEMORY_NOTE),
    }
}

fn answer<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}
