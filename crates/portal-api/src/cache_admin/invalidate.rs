//! `DELETE /api/cache/invalidate`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tenant_cache::{Estimate, PurgeMode, PurgeTarget, Purged};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audited::{Call, Deed, Done, Dropped, Kind};
use super::selection::{Asked, Selection};
use crate::auth::{Authorized, CacheWrite};
use crate::error::ApiError;
use crate::state::PortalState;

const DEED: Deed = Deed { action: "cache_invalidate", kind: Kind::Write, must_be_told: true };

/// What is to be dropped: exactly one of `keys`, `feature`, `tag` and `all`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct Invalidation {
    /// Keys of your own namespace, in full or from the feature on. Each stands for the smallest
    /// group that holds it.
    #[schema(nullable = false, min_items = 1, max_items = 100, example = json!(["jobs:list:all"]))]
    keys: Option<Vec<String>>,
    /// A feature.
    #[schema(nullable = false, example = "jobs")]
    feature: Option<String>,
    /// With `feature`: only what begins so. It is taken literally.
    #[schema(nullable = false, example = "list:")]
    prefix: Option<String>,
    /// An operation's name, or a kind of thing with its id.
    #[schema(nullable = false, example = "job-0191f1c0-5a5a-7000-8000-00000000abcd")]
    tag: Option<String>,
    /// Everything of your organization.
    #[schema(nullable = false)]
    all: Option<bool>,
    /// `hard`: never served again. `soft`: served with `X-Cache: stale` until somebody has loaded it
    /// anew, which its next reader sets off.
    #[schema(nullable = false, default = "hard")]
    mode: Option<String>,
    /// Only says what would be dropped.
    #[schema(nullable = false, default = false)]
    dry_run: Option<bool>,
}

/// What was dropped, or would be.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invalidated {
    /// Whether nothing was dropped.
    dry_run: bool,
    /// `hard` or `soft`.
    mode: &'static str,
    /// The groups that what was asked for was mapped to.
    groups: Vec<DroppedGroup>,
    /// What would be dropped; for `dry_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateBody>,
    /// The row in the audit trail.
    audit_id: Option<Uuid>,
}

/// A group that shares a generation.
#[derive(Serialize, ToSchema)]
pub(crate) struct DroppedGroup {
    /// `everything`, a feature (`jobs`), an operation (`jobs:list`) or a thing (`jobs:job-…`).
    #[schema(example = "jobs:list")]
    group: String,
    /// Its new generation; not for `dry_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
}

/// What would be dropped.
#[derive(Serialize, ToSchema)]
pub(crate) struct EstimateBody {
    /// Values found.
    entries: u64,
    /// Whether all keys were looked at; else there may be more.
    is_complete: bool,
    /// Milliseconds that loading them again takes, by the average of this instance's loads.
    load_ms: u64,
}

/// Drops a part of your organization's cached answers.
///
/// One command for each group, however much it holds. What was asked for may stand in the body or
/// in the query (`keys` repeated), since some proxies drop the body of a `DELETE`. Nothing in it is
/// a pattern; what the cache does not make is refused.
#[utoipa::path(
    delete, path = "/api/cache/invalidate", tag = "cache", operation_id = "invalidateCache",
    params(
        ("keys" = Option<Vec<String>>, Query, description = "Keys of your own namespace"),
        ("feature" = Option<String>, Query, description = "A feature"),
        ("prefix" = Option<String>, Query, description = "With `feature`: what begins so"),
        ("tag" = Option<String>, Query, description = "An operation, or a kind of thing with id"),
        ("all" = Option<bool>, Query, description = "Everything of your organization"),
        ("mode" = Option<String>, Query, description = "`hard` or `soft`"),
        ("dry_run" = Option<bool>, Query, description = "Only says what would be dropped"),
    ),
    request_body(content = Option<Invalidation>, content_type = "application/json"),
    responses((status = 200, description = "What was dropped", body = Invalidated)),
)]
pub(crate) async fn invalidate_cache(
    state: web::Data<PortalState>,
    call: Call<CacheWrite, Asked>,
) -> Result<HttpResponse, ApiError> {
    call.run(state, DEED, |state, access, asked| async move {
        let selection = asked.resolve(&access.scope)?;
        if selection.is_dry_run {
            dry_run(&state, &access, &selection).await
        } else {
            purge(&state, &access, &selection).await
        }
    })
    .await
}

async fn purge(
    state: &PortalState,
    access: &Authorized<CacheWrite>,
    selection: &Selection,
) -> Result<Done, ApiError> {
    let purged = state.cache.purge(&access.scope, &selection.targets, selection.mode).await;
    let Purged { dropped } = purged.map_err(ApiError::unavailable)?;
    let groups = dropped.into_iter().map(|one| DroppedGroup {
        group: one.target.to_string(),
        generation: Some(one.generation),
    });
    let groups: Vec<DroppedGroup> = groups.collect();
    let mode = mode_of(selection);
    let tells = Some(Dropped { mode, groups: groups.len() });
    let answer = Invalidated { dry_run: false, mode, groups, estimate: None, audit_id: None };
    done(selection, answer, tells)
}

async fn dry_run(
    state: &PortalState,
    access: &Authorized<CacheWrite>,
    selection: &Selection,
) -> Result<Done, ApiError> {
    let estimate = state.cache.estimate(&access.scope, &selection.targets).await;
    let Estimate { entries, is_complete, load_ms } = estimate;
    let estimate = Some(EstimateBody { entries, is_complete, load_ms });
    let targets = selection.targets.iter();
    let groups = targets.map(|target| DroppedGroup { group: target.to_string(), generation: None });
    let groups = groups.collect();
    let mode = mode_of(selection);
    let answer = Invalidated { dry_run: true, mode, groups, estimate, audit_id: None };
    done(selection, answer, None)
}

const fn mode_of(selection: &Selection) -> &'static str {
    match selection.mode {
        PurgeMode::Hard => "hard",
        PurgeMode::Soft => "soft",
    }
}

/// The answer, which is what the trail keeps as well.
fn done(
    selection: &Selection,
    answer: Invalidated,
    tells: Option<Dropped>,
) -> Result<Done, ApiError> {
    let body = serde_json::to_value(answer).map_err(ApiError::internal)?;
    Ok(Done { resource: resource_of(selection), detail: body.clone(), body, tells })
}

/// What the trail says it was done to: the group where it was one.
fn resource_of(selection: &Selection) -> String {
    let mut targets = selection.targets.iter().map(PurgeTarget::to_string);
    match (targets.next(), targets.next()) {
        (Some(only), None) => format!("cache:{only}"),
        _ => "cache".to_owned(),
    }
}
