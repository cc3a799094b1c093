//! The parts of the portal, put together as the binary does it, with databases that nobody asks.

use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Key;
use async_trait::async_trait;
use employer_store::public_board::PublicDb;
use employer_store::{DatabaseSettings, TenantDb, WorkerDb};
use event_notifier::mail::UnsubscribeKeys;
use event_notifier::webhooks::{AddressRules, WebhookHandle, WebhookVault};
use event_notifier::{Hub, HubSettings, Relay, RelaySettings, StoredTruth};
use portal_api::access::AccessChanges;
use portal_api::auth::management::{ManagementClient, ManagementSettings};
use portal_api::auth::oidc::{OidcClient, OidcSettings};
use portal_api::auth::refresh::{RefreshSettings, TokenRefresher};
use portal_api::auth::{Callers, KeyUses};
use portal_api::files::{FileError, FileStore, Incoming, Listed, Outgoing};
use portal_api::health::{Backend, Probe};
use portal_api::metrics::{FigureAudits, Metrics, MetricsAccess, Sources, UpkeepFigures};
use portal_api::public::{BoardSettings, PublicBoard, ViewCounts};
use portal_api::writes::Writes;
use portal_api::{
    ApiKeySettings, ApiSettings, AuditSettings, AuditTrail, CursorKey, ExportQueue, Exports,
    HttpSettings, Lifecycle, Limits, Operators, PortalState, RateLimits, Rates, Reach, Webhooks,
};
use redis_provider::RedisProvider;
use sealing::KeyRing;
use session_store::{AccessCopies, PortalSessionStore, SessionSettings, TokenVault};
use tenancy::{Clock, SystemClock};
use tenant_cache::{CacheSettings, TenantCache};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::Outcome;
use crate::ledger::{MemoryLedger, NobodyElse};
use crate::world::{Kind, LONG};

/// The limit of what is never called.
const SOON: Duration = Duration::from_secs(1);
/// So many requests of each subject that none is refused.
const PER_MINUTE: u32 = 600_000_000;

/// What every handler may reach.
pub(crate) fn state(kind: Kind, redis: Arc<dyn RedisProvider>) -> Outcome<PortalState> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (db, worker_db) =
        (TenantDb::connect_lazily(&nowhere())?, WorkerDb::connect_lazily(&nowhere())?);
    let cache_settings = CacheSettings { process_lease: LONG, ..CacheSettings::default() };
    let cache = TenantCache::new(Arc::clone(&redis), Arc::clone(&clock), cache_settings);
    let copies = AccessCopies::new(redis, session_settings(kind.lease));
    let callers = Callers::new(LONG);
    let access = AccessChanges::new(copies.clone(), callers.clone(), db.clone());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    stop.cancel();
    let truth = Arc::new(StoredTruth::new(db.clone(), SOON));
    let hub_settings = HubSettings::default();
    let live = Hub::spawn(truth, None, Arc::clone(&clock), hub_settings, stop.clone(), &tasks);
    let relay = Relay::spawn(
        worker_db.clone(),
        Arc::new(NobodyElse),
        RelaySettings::default(),
        stop,
        &tasks,
    );
    let writes = Writes::new(cache.clone(), access, relay);
    let backend = Backend { name: "memory", provider: "memory", interval: SOON };
    let probe = Probe::new(db.clone(), cache.clone(), backend);
    let audit_settings = AuditSettings { rows_per_minute: 120 };
    let (audit, _writer) = AuditTrail::new(audit_settings, worker_db, Arc::clone(&clock));
    let lifecycle = Lifecycle::default();
    let metrics = Metrics::new(Sources {
        cache: cache.clone(),
        access: copies.clone(),
        writes: writes.clone(),
        fan_out: Arc::default(),
        webhooks: WebhookHandle::default(),
        mail: Arc::default(),
        exports: ExportQueue::default(),
        live: live.clone(),
        figures: FigureAudits::default(),
        upkeep: UpkeepFigures::default(),
        audit: audit.clone(),
        probe: probe.clone(),
        lifecycle: lifecycle.clone(),
        pools: Vec::new(),
        tenants: 0,
    });
    let settings = settings()?;
    let identity_provider =
        Arc::new(OidcClient::new(settings.oidc.clone(), &settings.base_url, Arc::clone(&clock))?);
    let vault = TokenVault::new(KeyRing::parse(&sealing::fresh_key("bench")?)?);
    let ledger = Arc::new(MemoryLedger::default());
    let sessions =
        PortalSessionStore::new(copies.clone(), ledger, Some(vault.clone()), Arc::clone(&clock));
    let refresher = TokenRefresher::new(
        db.clone(),
        writes.clone(),
        sessions.clone(),
        Arc::clone(&identity_provider),
        vault,
        RefreshSettings { early: SOON, timeout: SOON, pause: SOON },
        Arc::clone(&clock),
        tasks,
    );
    Ok(PortalState {
        management: ManagementClient::new(management_settings(&settings), Arc::clone(&clock))?,
        rate_limits: RateLimits::new(
            rates(kind.is_limited),
            Arc::new(NobodyElse),
            Arc::clone(&clock),
        ),
        settings,
        db,
        cache,
        sessions,
        access: copies,
        identity_provider,
        refresher,
        callers,
        key_uses: KeyUses::default(),
        audit,
        operators: Operators::default(),
        live,
        board: board()?,
        exports: Exports::new(1),
        export_queue: ExportQueue::default(),
        writes,
        mail_links: UnsubscribeKeys::derive_from(b"bench", []),
        webhooks: webhooks()?,
        probe,
        metrics,
        clock,
        lifecycle,
    })
}

fn webhooks() -> Outcome<Webhooks> {
    Ok(Webhooks {
        worker: WebhookHandle::default(),
        vault: WebhookVault::new(KeyRing::parse(&sealing::fresh_key("bench")?)?),
        rules: AddressRules::new(false, |_| false),
        per_tenant: 1,
        overlap: SOON,
    })
}

fn board() -> Outcome<PublicBoard> {
    let settings = BoardSettings { resume_max_bytes: 1, upload_timeout: SOON, queue_timeout: SOON };
    let db = PublicDb::connect_lazily(&nowhere())?;
    Ok(PublicBoard::new(db, Arc::new(NoFiles), ViewCounts::new(1), settings))
}

/// Nobody applies here.
#[derive(Debug)]
struct NoFiles;

#[async_trait]
impl FileStore for NoFiles {
    async fn begin(&self, _key: &str) -> Result<Box<dyn Incoming>, FileError> {
        Err(FileError::Missing)
    }

    async fn open(&self, _key: &str) -> Result<Outgoing, FileError> {
        Err(FileError::Missing)
    }

    async fn delete(&self, _key: &str) -> Result<(), FileError> {
        Ok(())
    }

    async fn holds(&self, _key: &str) -> Result<bool, FileError> {
        Ok(false)
    }

    async fn list(
        &self,
        _prefix: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<Listed>, FileError> {
        Ok(Vec::new())
    }
}

/// Port 1 is nobody's: whatever would ask a database fails at once, and ends the measurement.
fn nowhere() -> DatabaseSettings {
    DatabaseSettings {
        url: "postgres://nobody@127.0.0.1:1/none".into(),
        max_connections: 1,
        acquire_timeout: SOON,
        statement_timeout: SOON,
    }
}

/// Those of production but for the lease.
fn session_settings(lease: Duration) -> SessionSettings {
    SessionSettings {
        idle: Duration::from_secs(8 * 3600),
        absolute: Duration::from_secs(72 * 3600),
        lease,
        held: 10_000,
        ledger_lookups: 4,
        ledger_queue: Duration::from_secs(2),
    }
}

fn rates(enabled: bool) -> Rates {
    Rates {
        enabled,
        address_per_minute: PER_MINUTE,
        sign_in_per_minute: PER_MINUTE,
        user_per_minute: PER_MINUTE,
        api_key_per_minute: PER_MINUTE,
        tenant_per_minute: PER_MINUTE,
        cache_reads_per_minute: PER_MINUTE,
        cache_writes_per_minute: PER_MINUTE,
        apply_address_per_quarter_hour: PER_MINUTE,
        apply_person_per_quarter_hour: PER_MINUTE,
        apply_board_per_ten_seconds: PER_MINUTE,
        view_address_per_minute: PER_MINUTE,
        sync_interval: SOON,
        tracked_max: 100_000,
    }
}

fn settings() -> Outcome<ApiSettings> {
    Ok(ApiSettings {
        base_url: Url::parse("https://portal.example.com")?,
        reach: Reach::default(),
        http: HttpSettings {
            workers: 1,
            keep_alive: LONG,
            client_request_timeout: LONG,
            body_timeout: LONG,
            shutdown_timeout: SOON,
            max_connections: 100,
            unread_timeout: LONG,
        },
        cookie_key: Key::generate(),
        older_cookie_keys: Vec::new(),
        cursor_key: CursorKey::new(&[7; 32]),
        limits: Limits::default(),
        redis_budget: Duration::from_millis(300),
        idempotency_ttl: LONG,
        login_transaction_ttl: LONG,
        oidc: OidcSettings {
            issuer: Url::parse("https://identity.example.com/")?,
            client_id: "portal".to_owned(),
            client_secret: "not a secret".into(),
            audience: Some("https://portal.example.com/api".to_owned()),
            refresh_tokens: true,
            roles_claim: None,
            access_token_longest: LONG,
            request_timeout: SOON,
            clock_skew: SOON,
        },
        events_token: None,
        invitation_ttl: LONG,
        api_keys: ApiKeySettings { per_tenant: 50, longest: LONG },
        metrics_access: MetricsAccess::Closed,
        environment_is_development: false,
    })
}

fn management_settings(settings: &ApiSettings) -> ManagementSettings {
    let OidcSettings { issuer, client_id, client_secret, .. } = &settings.oidc;
    ManagementSettings {
        issuer: issuer.clone(),
        client_id: client_id.clone(),
        client_secret: client_secret.clone(),
        application: client_id.clone(),
        request_timeout: SOON,
    }
}
