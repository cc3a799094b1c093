//! `GET /api/cache/status`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use tenancy::{Actor, Feature, OrgId};
use tenant_cache::{
    CacheStatus, Cost, MethodReport, Operation, OperationStatistics, RefusedValues, ServerInfo,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audited::{Call, Deed, Done, Kind};
use crate::auth::CacheRead;
use crate::error::ApiError;
use crate::extract::NoQuery;
use crate::health::{CacheReport, cache_report, milliseconds};
use crate::state::PortalState;

const DEED: Deed = Deed { action: "cache_status", kind: Kind::Read, must_be_told: false };

/// Organizations that operators see one by one.
const MOST_TENANTS: usize = 1_000;

/// What Upstash charges for a command, in US dollars: 0.20 for 100,000, pay as you go, 2026.
const UPSTASH_USD_PER_COMMAND: f64 = 0.20 / 100_000.0;

/// The cache, as an admin of one organization sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CacheStatusBody {
    /// How this instance's cache is, with its figures over all organizations.
    health: CacheReport,
    /// Calls of the service, since the start of this instance.
    calls: Vec<CallsBody>,
    /// What the service was asked for, since the start of this instance.
    cost: CostBody,
    /// What the service says of itself; `null` where it does not answer.
    server: Option<ServerBody>,
    /// Your organization's figures in this instance.
    total: FiguresBody,
    /// Your organization's answers that this instance keeps ready to be sent.
    kept: KeptBody,
    /// Values and generations that were found and not used, over all organizations.
    refused: RefusedBody,
    /// Values that an older key had sealed and that were sealed anew, over all organizations.
    resealed: u64,
    /// The same by feature; those that were not used are left out.
    features: Vec<FeatureBody>,
    /// Figures of each organization, those with the most answers first; for operators of the
    /// platform, who see the other figures over all organizations.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenants: Option<Vec<TenantFigures>>,
    /// The row in the audit trail; `null` where none could be written.
    audit_id: Option<Uuid>,
}

/// An organization's figures in this instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantFigures {
    #[schema(example = "org_9f2cA1")]
    organization: String,
    #[serde(flatten)]
    figures: FiguresBody,
}

impl From<(OrgId, OperationStatistics)> for TenantFigures {
    fn from((organization, figures): (OrgId, OperationStatistics)) -> Self {
        Self { organization: organization.into(), figures: figures.into() }
    }
}

/// What is kept in process.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptBody {
    entries: usize,
    /// With what it takes to keep them.
    bytes: usize,
}

/// What was found in the service and not used. All but the first should stay at 0.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedBody {
    other_version: u64,
    damaged: u64,
    unknown_key: u64,
    wrong_place: u64,
    not_sealed: u64,
    too_large: u64,
    replayed: u64,
    /// Generations that went back to an earlier stamp, and were replaced.
    turned_back: u64,
}

impl From<RefusedValues> for RefusedBody {
    fn from(refused: RefusedValues) -> Self {
        Self {
            other_version: refused.other_version,
            damaged: refused.damaged,
            unknown_key: refused.unknown_key,
            wrong_place: refused.wrong_place,
            not_sealed: refused.not_sealed,
            too_large: refused.too_large,
            replayed: refused.replayed,
            turned_back: refused.turned_back,
        }
    }
}

/// Calls of one method.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallsBody {
    #[schema(value_type = String, example = "get_many")]
    method: &'static str,
    calls: u64,
    /// Those that ended because the service was away or was not asked, not answered in time,
    /// refused, or not waited for.
    unavailable: u64,
    timeouts: u64,
    refused: u64,
    abandoned: u64,
    /// Milliseconds that 50, 95 and 99 of 100 calls took at most.
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

impl From<MethodReport> for CallsBody {
    fn from(report: MethodReport) -> Self {
        Self {
            method: report.method,
            calls: report.calls,
            unavailable: report.unavailable,
            timeouts: report.timeouts,
            refused: report.refused,
            abandoned: report.abandoned,
            p50_ms: milliseconds(report.p50),
            p95_ms: milliseconds(report.p95),
            p99_ms: milliseconds(report.p99),
        }
    }
}

/// What the service was asked for, in the units that services charge for.
#[derive(Serialize, ToSchema)]
pub(crate) struct CostBody {
    /// Commands, each one in a batch counted.
    commands: u64,
    /// Requests that carried them; 0 where it is not known.
    requests: u64,
    bytes_sent: u64,
    bytes_received: u64,
    /// For Upstash, by the price of its commands ($0.20 for 100,000); `null` for services that
    /// charge by the hour.
    estimated_usd: Option<f64>,
}

impl CostBody {
    #[expect(clippy::cast_precision_loss, reason = "an estimate of counters far below 2^52")]
    fn of(cost: Cost, provider: &str) -> Self {
        let usd = cost.commands as f64 * UPSTASH_USD_PER_COMMAND;
        Self {
            commands: cost.commands,
            requests: cost.requests,
            bytes_sent: cost.bytes_sent,
            bytes_received: cost.bytes_received,
            estimated_usd: (provider == "upstash").then_some((usd * 10_000.0).round() / 10_000.0),
        }
    }
}

/// What a service says of itself; `null` where it does not tell.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerBody {
    #[schema(example = "valkey 8.1.0")]
    server: String,
    used_memory_bytes: Option<u64>,
    /// 0: without a limit.
    max_memory_bytes: Option<u64>,
    /// What goes when the memory is full.
    #[schema(example = "volatile-lru")]
    eviction_policy: Option<String>,
    /// Keys that went for want of memory.
    evicted_keys: Option<u64>,
    keys: Option<u64>,
    /// Those that never expire: generations, and nothing else that this portal writes.
    keys_without_ttl: Option<u64>,
    is_encrypted: bool,
}

impl From<ServerInfo> for ServerBody {
    fn from(info: ServerInfo) -> Self {
        Self {
            server: info.server,
            used_memory_bytes: info.used_memory_bytes,
            max_memory_bytes: info.max_memory_bytes,
            eviction_policy: info.eviction_policy,
            evicted_keys: info.evicted_keys,
            keys: info.keys,
            keys_without_ttl: info.keys_without_ttl,
            is_encrypted: info.is_encrypted,
        }
    }
}

/// A feature's figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeatureBody {
    #[schema(value_type = String, example = "jobs")]
    feature: &'static str,
    total: FiguresBody,
    operations: Vec<OperationBody>,
}

/// An operation's figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperationBody {
    #[schema(example = "jobs:list")]
    operation: String,
    #[serde(flatten)]
    figures: FiguresBody,
}

/// Figures of your organization in this instance since its start.
#[derive(Serialize, ToSchema)]
pub(crate) struct FiguresBody {
    /// Answers from the cache: those kept in this instance, and those of the service.
    hits: u64,
    hits_in_process: u64,
    hits_from_service: u64,
    /// Answers that were loaded and stored.
    misses: u64,
    /// Answers whose time was over or that were purged softly, and those kept in process while the
    /// service is away.
    stale: u64,
    /// Answers that were loaded because the service did not answer.
    bypassed: u64,
    /// Hits in percent of all answers; 0 before the first.
    hit_rate_percent: f64,
    /// Loads; fewer than misses where readers shared them.
    loads: u64,
    load_failures: u64,
    /// Milliseconds spent in loads.
    load_ms: u64,
    /// Milliseconds of loads that hits have saved, by the average load.
    saved_ms: u64,
    /// Readers sent away because too many loads waited.
    overloaded: u64,
    /// Values written to the service, and their bytes.
    stored_entries: u64,
    stored_bytes: u64,
    /// Hits that were loaded once more and compared, and those that were found wrong.
    audited: u64,
    stale_hits: u64,
}

impl From<OperationStatistics> for FiguresBody {
    fn from(figures: OperationStatistics) -> Self {
        Self {
            hits: figures.hits,
            hits_in_process: figures.hits_in_process,
            hits_from_service: figures.hits - figures.hits_in_process,
            misses: figures.misses,
            stale: figures.stale,
            bypassed: figures.bypassed,
            hit_rate_percent: (figures.hit_rate_percent() * 100.0).round() / 100.0,
            loads: figures.loads,
            load_failures: figures.load_failures,
            load_ms: figures.load_ms,
            saved_ms: figures.saved_ms,
            overloaded: figures.overloaded,
            stored_entries: figures.stored_entries,
            stored_bytes: figures.stored_bytes,
            audited: figures.audited,
            stale_hits: figures.stale_hits,
        }
    }
}

/// How the cache is and what it has done for your organization. Figures are this instance's.
#[utoipa::path(
    get, path = "/api/cache/status", tag = "cache", operation_id = "getCacheStatus",
    responses((status = 200, description = "Health and figures", body = CacheStatusBody)),
)]
pub(crate) async fn get_status(
    state: web::Data<PortalState>,
    call: Call<CacheRead, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    call.run(state, DEED, |state, access, _| async move {
        let health = cache_report(&state.probe, &state.cache);
        let mut status = state.cache.status(&access.scope).await;
        let is_operator = matches!(access.actor, Actor::Operator { member: None, .. });
        if is_operator {
            status.tenant = state.cache.operation_statistics();
        }
        let mut body = body_of(health, status);
        if is_operator {
            let busiest = state.cache.busiest_tenants(MOST_TENANTS);
            body.tenants = Some(busiest.into_iter().map(TenantFigures::from).collect());
        }
        let body = serde_json::to_value(body).map_err(ApiError::internal)?;
        Ok(Done { resource: "cache".to_owned(), detail: json!({}), body, tells: None })
    })
    .await
}

fn body_of(health: CacheReport, status: CacheStatus) -> CacheStatusBody {
    let CacheStatus { calls, cost, server, tenant, kept, refused, resealed, .. } = status;
    let feature_of = |feature: Feature| {
        let parts: Vec<&(Operation, OperationStatistics)> =
            tenant.iter().filter(|(one, _)| one.feature() == feature).collect();
        let total = OperationStatistics::sum(parts.iter().map(|(_, figures)| figures));
        let operations: Vec<OperationBody> = parts
            .into_iter()
            .map(|(operation, figures)| OperationBody {
                operation: operation.to_string(),
                figures: (*figures).into(),
            })
            .collect();
        let (feature, total) = (feature.as_str(), total.into());
        (!operations.is_empty()).then_some(FeatureBody { feature, total, operations })
    };
    CacheStatusBody {
        cost: CostBody::of(cost, health.provider),
        health,
        calls: calls.into_iter().map(CallsBody::from).collect(),
        server: server.map(ServerBody::from),
        total: OperationStatistics::sum(tenant.iter().map(|(_, figures)| figures)).into(),
        kept: KeptBody { entries: kept.entries, bytes: kept.bytes },
        refused: refused.into(),
        resealed,
        features: Feature::ALL.into_iter().filter_map(feature_of).collect(),
        tenants: None,
        audit_id: None,
    }
}
