//! Puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Key;
use actix_web::web::Data;
use employer_store::operator::OpsDb;
use employer_store::public_board::PublicDb;
use employer_store::{TenantDb, WorkerDb};
use event_notifier::Listener;
use portal_api::access::AccessChanges;
use portal_api::auth::management::{ManagementClient, ManagementSettings};
use portal_api::auth::oidc::{OidcClient, OidcSettings};
use portal_api::auth::refresh::{RefreshSettings, TokenRefresher};
use portal_api::auth::{Callers, KeyUses};
use portal_api::health::{Backend, Probe};
use portal_api::metrics::{Metrics, Sources};
use portal_api::writes::Writes;
use portal_api::{
    ApiKeySettings, ApiSettings, AuditSettings, AuditTrail, CursorKey, Exports, HttpSettings,
    Lifecycle, Limits, Operators, Platform, PortalState,
};
use redis_provider::{Backplane, RedisProvider};
use secrecy::ExposeSecret;
use session_store::{AccessCopies, PortalSessionStore, SessionSettings, TokenVault};
use tenancy::{Clock, SystemClock};
use tenant_cache::{CacheSettings, TenantCache};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board;
use crate::commands::CommandError;
use crate::ledger::StoredLedger;
use crate::live;
use crate::provider::{self, Connection};
use crate::settings::{RedisSettings, Settings, Tuning};
use crate::upkeep;
use crate::webhooks;
use crate::workers::{JobExpiry, KeyUseWriter};
use crate::{exports, figures, files, lanes, limits, mail};

/// The variables that name the databases.
const APPLICATION: &str = "DATABASE_URL";
const WORKER: &str = "DATABASE_WORKER_URL";
const OPS: &str = "DATABASE_OPS_URL";

/// Longest pause between two attempts to check the database at start.
const MAX_VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// Longest time for one such check.
const VERIFY_DEADLINE: Duration = Duration::from_secs(10);

/// The running parts, beside the server.
pub(crate) struct Portal {
    pub(crate) state: Data<PortalState>,
    pub(crate) worker_db: WorkerDb,
    pub(crate) public_db: PublicDb,
    pub(crate) ops_db: Option<OpsDb>,
    pub(crate) redis: Connection,
}

/// Makes everything and starts what runs beside the server on `tasks`.
pub(crate) async fn build(
    settings: &Settings,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<Portal, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    tell_choice(&settings.redis);
    let redis = provider::connect(&settings.redis.service).await?;
    let provider = redis.guarded(&settings.redis.guard);
    let (db, worker_db) = databases(settings)?;
    let cache = cache(settings, &provider, &clock)?;
    let (copies, backplane) = join(&provider, &cache, settings)?;
    let (hub, lane) = live::start(
        (&settings.redis, &settings.tuning),
        (&db, &clock),
        (&copies, backplane),
        stop,
        tasks,
    )?;
    let callers = Callers::new(Duration::from_millis(settings.tuning.session.lease_ms));
    let access = AccessChanges::new(copies.clone(), callers.clone(), db.clone());
    let webhooks = webhooks::start(settings, &worker_db, &clock, stop, tasks)?;
    let acting = (access.clone(), cache.clone());
    let told: (Arc<dyn Listener>, _) = (Arc::new(lane), webhooks.worker.clone());
    let (relay, fan_out) = lanes::start(&settings.tuning, &worker_db, acting, told, stop, tasks);
    tasks.spawn(job_expiry(settings, &worker_db, &clock).run_until_stopped(stop.clone()));
    let probe = Probe::new(db.clone(), cache.clone(), backend(&settings.redis));
    tasks.spawn(probe.clone().run(stop.clone()));
    let figures = figures::start(settings, &worker_db, &clock, stop, tasks);
    let (audit, key_uses) = start_writers(settings, &worker_db, &clock, stop, tasks);
    let (writes, lifecycle) = (Writes::new(cache.clone(), access, relay), Lifecycle::default());
    let files = files::open(&settings.files).map_err(CommandError::Files)?;
    let dbs = (&db, &worker_db);
    let export_queue = exports::start(&settings.tuning, dbs, &files, &writes, stop, tasks);
    let metrics = Metrics::new(Sources {
        cache: cache.clone(),
        access: copies.clone(),
        writes: writes.clone(),
        fan_out,
        webhooks: webhooks.worker.clone(),
        mail: mail::start(settings, &worker_db, &clock, stop, tasks),
        exports: export_queue.clone(),
        live: hub.clone(),
        figures,
        upkeep: upkeep::start(settings, &worker_db, &files, &clock, stop, tasks),
        audit: audit.clone(),
        probe: probe.clone(),
        lifecycle: lifecycle.clone(),
        pools: vec![("application", db.pool_watch()), ("worker", worker_db.pool_watch())],
        tenants: settings.tuning.telemetry.metrics_tenants,
    });
    let ops_db = ops_database(settings)?;
    let rate_limits = limits::start(settings, &provider, &clock, stop, tasks);
    let api = api_settings(settings);
    let identity_provider = identity_provider(&api, &clock)?;
    let ledger = StoredLedger { db: db.clone(), writes: writes.clone() };
    let vault =
        TokenVault::new(settings.session_keys.token_ring().map_err(CommandError::SessionKeys)?);
    let sessions = PortalSessionStore::new(
        copies.clone(),
        Arc::new(ledger),
        Some(vault.clone()),
        Arc::clone(&clock),
    );
    let refresher = TokenRefresher::new(
        db.clone(),
        writes.clone(),
        sessions.clone(),
        Arc::clone(&identity_provider),
        vault,
        refresh_settings(&settings.tuning),
        Arc::clone(&clock),
        tasks.clone(),
    );
    let (board, public_db) = board::start(settings, &worker_db, files, stop, tasks)?;
    let state = Data::new(PortalState {
        board,
        exports: Exports::new(settings.tuning.analytics.exports),
        export_queue,
        management: management(settings, &clock)?,
        sessions,
        refresher,
        access: copies,
        settings: api,
        db,
        live: hub,
        writes,
        mail_links: mail::links(settings),
        webhooks,
        cache,
        rate_limits,
        audit,
        operators: operators(settings, ops_db.as_ref()),
        identity_provider,
        callers,
        key_uses,
        probe,
        metrics,
        clock,
        lifecycle,
    });
    Ok(Portal { state, worker_db, public_db, ops_db, redis })
}

fn databases(settings: &Settings) -> Result<(TenantDb, WorkerDb), CommandError> {
    let db = TenantDb::connect_lazily(&settings.database)
        .map_err(|error| CommandError::Database(APPLICATION, error))?;
    let worker_db = WorkerDb::connect_lazily(&settings.worker_database)
        .map_err(|error| CommandError::Database(WORKER, error))?;
    Ok((db, worker_db))
}

fn cache(
    settings: &Settings,
    provider: &Arc<dyn RedisProvider>,
    clock: &Arc<dyn Clock>,
) -> Result<TenantCache, CommandError> {
    TenantCache::with_keys(
        Arc::clone(provider),
        Arc::clone(clock),
        cache_settings(&settings.tuning),
        settings.cache_keys.clone(),
    )
    .map_err(CommandError::CacheKeys)
}

fn backend(redis: &RedisSettings) -> Backend {
    Backend {
        name: redis.service.backend(),
        provider: redis.service.provider(),
        interval: redis.health_check_interval,
    }
}

fn identity_provider(
    api: &ApiSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<OidcClient>, CommandError> {
    OidcClient::new(api.oidc.clone(), &api.base_url, Arc::clone(clock))
        .map(Arc::new)
        .map_err(|error| CommandError::IdentityProvider(Box::new(error)))
}

fn management(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<ManagementClient, CommandError> {
    ManagementClient::new(management_settings(settings), Arc::clone(clock))
        .map_err(|error| CommandError::IdentityProvider(Box::new(error)))
}

/// Starts what writes down beside the requests: the audit trail, and when keys were used.
fn start_writers(
    settings: &Settings,
    worker_db: &WorkerDb,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> (AuditTrail, KeyUses) {
    let audit = AuditSettings { rows_per_minute: settings.tuning.audit.rows_per_minute };
    let (audit, writer) = AuditTrail::new(audit, worker_db.clone(), Arc::clone(clock));
    tasks.spawn(writer.run_until_stopped(stop.clone()));
    let uses = KeyUses::default();
    let writer = KeyUseWriter {
        db: worker_db.clone(),
        uses: uses.clone(),
        interval: Duration::from_secs(settings.tuning.auth.api_key_uses_seconds),
    };
    tasks.spawn(writer.run_until_stopped(stop.clone()));
    (audit, uses)
}

/// The copies of sessions and memberships; they and the cache hear of each other's instances by one
/// subscription.
fn join(
    provider: &Arc<dyn RedisProvider>,
    cache: &TenantCache,
    settings: &Settings,
) -> Result<(AccessCopies, Backplane), CommandError> {
    let copies = AccessCopies::new(Arc::clone(provider), session_settings(&settings.tuning));
    let mut topics = vec![tenant_cache::TOPIC, session_store::TOPIC];
    topics.extend(live::topics(&settings.redis, &settings.tuning));
    let backplane = Backplane::spawn(Arc::clone(provider), &topics);
    cache
        .joins(backplane.clone())
        .and_then(|()| copies.joins(backplane.clone()))
        .map_err(|error| CommandError::Redis(error.to_string()))?;
    Ok((copies, backplane))
}

/// Says which service was chosen and why, since it may follow from what an environment happens to
/// hold.
fn tell_choice(redis: &RedisSettings) {
    let (provider, place) = (redis.service.provider(), redis.service.place());
    tracing::info!(
        redis.provider = provider,
        redis.place = place,
        redis.chosen_by = redis.decision.by,
        "chose the Redis service"
    );
    if let Some(name) = redis.decision.passed_over {
        tracing::warn!(
            redis.passed_over = name,
            "a variable of another Redis service is set and not used; set REDIS_PROVIDER to say \
             which service is meant, and remove the other's variables"
        );
    }
}

/// Waits for the database and checks that its walls stand; then requests may come. What will not
/// change by waiting stops the portal.
pub(crate) async fn verify_database(
    state: Data<PortalState>,
    (worker_db, public_db): (WorkerDb, PublicDb),
    ops_db: Option<OpsDb>,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let mut pause = Duration::from_millis(100);
    loop {
        let verify = async {
            state.db.verify().await.map_err(|error| (APPLICATION, error))?;
            worker_db.verify().await.map_err(|error| (WORKER, error))?;
            public_db.verify().await.map_err(|error| (board::PUBLIC, error))?;
            match &ops_db {
                Some(ops_db) => ops_db.verify().await.map_err(|error| (OPS, error)),
                None => Ok(()),
            }
        };
        match tokio::time::timeout(VERIFY_DEADLINE, verify).await {
            Err(_elapsed) => tracing::warn!("Postgres does not answer; it is asked again"),
            Ok(Ok(())) => {
                state.lifecycle.set_ready();
                tracing::info!("the portal is ready");
                return Ok(());
            }
            Ok(Err((database, error))) if error.is_unavailable() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, database, "waiting for Postgres");
            }
            Ok(Err((database, error))) => {
                stop.cancel();
                return Err(CommandError::Database(database, error));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_VERIFY_PAUSE),
        }
    }
}

fn api_settings(settings: &Settings) -> ApiSettings {
    let tuning = &settings.tuning;
    let newest = settings.session_keys.newest.secret.expose_secret();
    let older = settings.session_keys.older.iter();
    ApiSettings {
        base_url: settings.base_url.clone(),
        reach: settings.reach.clone(),
        http: http_settings(tuning),
        cookie_key: Key::derive_from(newest),
        older_cookie_keys: older.map(|key| Key::derive_from(key.secret.expose_secret())).collect(),
        cursor_key: CursorKey::derive_from(newest),
        limits: Limits {
            json_bytes: tuning.http.json_body_max_bytes,
            page_size_max: tuning.http.page_size_max,
            skip_max: tuning.http.skip_max,
        },
        redis_budget: Duration::from_millis(tuning.redis.request_budget_ms),
        idempotency_ttl: Duration::from_secs(tuning.http.idempotency_seconds),
        login_transaction_ttl: Duration::from_secs(tuning.session.login_transaction_seconds),
        oidc: OidcSettings {
            issuer: settings.identity_provider.issuer.clone(),
            client_id: settings.identity_provider.client_id.clone(),
            client_secret: settings.identity_provider.client_secret.clone(),
            audience: settings.identity_provider.audience.clone(),
            refresh_tokens: tuning.auth.refresh_tokens,
            roles_claim: settings.identity_provider.roles_claim.clone(),
            access_token_longest: Duration::from_secs(tuning.auth.access_token_max_seconds),
            request_timeout: Duration::from_millis(tuning.auth.request_timeout_ms),
            clock_skew: Duration::from_secs(tuning.auth.clock_skew_seconds),
        },
        events_token: settings.identity_provider.events_token.clone(),
        invitation_ttl: Duration::from_secs(tuning.auth.invitation_seconds),
        api_keys: ApiKeySettings {
            per_tenant: tuning.auth.api_keys_per_tenant,
            longest: Duration::from_secs(86_400 * u64::from(tuning.auth.api_key_max_days)),
        },
        metrics_access: settings.metrics.clone(),
        environment_is_development: settings.environment.is_development(),
    }
}

fn session_settings(tuning: &Tuning) -> SessionSettings {
    SessionSettings {
        idle: Duration::from_secs(tuning.session.idle_seconds),
        absolute: Duration::from_secs(tuning.session.absolute_seconds),
        lease: Duration::from_millis(tuning.session.lease_ms),
        held: tuning.session.process_entries,
        ledger_lookups: tuning.session.ledger_lookups,
        ledger_queue: Duration::from_millis(tuning.session.ledger_queue_ms),
    }
}

fn refresh_settings(tuning: &Tuning) -> RefreshSettings {
    RefreshSettings {
        early: Duration::from_secs(tuning.auth.refresh_early_seconds),
        timeout: Duration::from_millis(tuning.auth.refresh_timeout_ms),
        pause: Duration::from_millis(tuning.auth.refresh_pause_ms),
    }
}

fn management_settings(settings: &Settings) -> ManagementSettings {
    let provider = &settings.identity_provider;
    let (client_id, client_secret) = provider.management.clone();
    ManagementSettings {
        issuer: provider.issuer.clone(),
        client_id,
        client_secret,
        application: provider.client_id.clone(),
        request_timeout: Duration::from_millis(settings.tuning.auth.request_timeout_ms),
    }
}

fn http_settings(tuning: &Tuning) -> HttpSettings {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if tuning.http.workers == 0 { cores } else { tuning.http.workers };
    HttpSettings {
        workers,
        keep_alive: Duration::from_secs(tuning.http.keep_alive_seconds),
        client_request_timeout: Duration::from_millis(tuning.http.request_head_timeout_ms),
        body_timeout: Duration::from_millis(tuning.http.request_body_timeout_ms),
        shutdown_timeout: Duration::from_secs(tuning.http.shutdown_timeout_seconds),
        max_connections: tuning.http.max_connections,
        unread_timeout: Duration::from_secs(tuning.events.unread_seconds),
    }
}

fn cache_settings(tuning: &Tuning) -> CacheSettings {
    CacheSettings {
        lease: Duration::from_millis(tuning.cache.lease_ms),
        load_timeout: Duration::from_millis(tuning.cache.load_timeout_ms),
        load_queue_timeout: Duration::from_millis(tuning.cache.load_queue_timeout_ms),
        max_concurrent_loads: tuning.cache.max_concurrent_loads,
        max_concurrent_loads_degraded: tuning.cache.max_concurrent_loads_degraded,
        max_value_bytes: tuning.cache.max_value_bytes,
        gutter_max_bytes: tuning.cache.gutter_max_bytes,
        process_lease: Duration::from_millis(tuning.cache.process_lease_ms),
        process_max_bytes: tuning.cache.process_max_bytes,
        process_max_tenant_share: f64::from(tuning.cache.process_max_tenant_percent) / 100.0,
        soft_load_timeout: Duration::from_millis(tuning.cache.soft_load_timeout_ms),
        audit_one_in: tuning.cache.audit_one_in,
        access_log_one_in: tuning.cache.access_log_one_in,
    }
}

fn ops_database(settings: &Settings) -> Result<Option<OpsDb>, CommandError> {
    let platform = settings.platform.as_ref();
    let db = platform.map(|platform| OpsDb::connect_lazily(&platform.database)).transpose();
    db.map_err(|error| CommandError::Database(OPS, error))
}

fn job_expiry(settings: &Settings, db: &WorkerDb, clock: &Arc<dyn Clock>) -> JobExpiry {
    let tuning = &settings.tuning;
    JobExpiry {
        db: db.clone(),
        clock: Arc::clone(clock),
        interval: Duration::from_millis(tuning.jobs.expiry_interval_ms),
        batch: i64::from(tuning.jobs.expiry_batch),
        keep_findings: days(tuning.audit.keep_days),
        expiring_lead: days(tuning.notifications.job_expiring_days),
        keep_notifications: days(tuning.notifications.keep_days),
    }
}

fn days(count: u32) -> Duration {
    Duration::from_hours(u64::from(count) * 24)
}

fn operators(settings: &Settings, db: Option<&OpsDb>) -> Operators {
    let (Some(platform), Some(db)) = (&settings.platform, db) else {
        return Operators::default();
    };
    let tuning = &settings.tuning.operator;
    Operators::of(Platform {
        org: platform.org.clone(),
        db: db.clone(),
        impersonation: Duration::from_mins(tuning.impersonation_minutes.into()),
        impersonation_may_write: tuning.impersonation_may_write,
    })
}
