//! `/api/platform/tenants`.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use employer_store::OutboxEvent;
use employer_store::identity::TenantStatus;
use employer_store::operator::{StatusChange, TenantSummary, change_status, list_tenants};
use serde::Serialize;
use tenancy::{Evidence, TenantId, TenantScope};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Operator, OperatorCall, reason_of, refused_body};
use crate::audit;
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Json, JsonBody, Pairs, refused_parameters};
use crate::state::PortalState;

/// Longest wait for a change and what follows from it.
const DEADLINE: Duration = Duration::from_secs(15);

/// Tenants on a page where it is not said.
const PAGE: u16 = 50;

/// What a cursor is good for.
const LIST: &str = "operator tenants";

/// Which tenants are wanted.
#[derive(Debug)]
pub(crate) struct TenantQuery {
    status: Option<TenantStatus>,
    limit: u16,
    cursor: Option<String>,
}

impl FromRequest for TenantQuery {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<PortalState>>();
        let most = state.map_or(PAGE, |state| state.settings.limits.page_size_max);
        ready(Self::parse(request.query_string(), most))
    }
}

impl TenantQuery {
    fn parse(query: &str, most: u16) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(query, &["status", "limit", "cursor"])?;
        let mut faults = Faults::default();
        let status = pairs.single("status", &mut faults).and_then(|text| {
            let status = text.parse().ok();
            if status.is_none() {
                faults.add("query:status", "unknown", "active, suspended or archived");
            }
            status
        });
        let limit = match pairs.single("limit", &mut faults).map(str::parse::<u16>) {
            None => PAGE.min(most),
            Some(Ok(limit)) if (1..=most).contains(&limit) => limit,
            Some(_) => {
                faults.add("query:limit", "out_of_range", format!("from 1 to {most}"));
                1
            }
        };
        let cursor = pairs.single("cursor", &mut faults).map(str::to_owned);
        if faults.is_empty() {
            Ok(Self { status, limit, cursor })
        } else {
            Err(refused_parameters(faults))
        }
    }
}

/// A page of tenants.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantsPage {
    /// Newest first.
    data: Vec<TenantBody>,
    /// How it goes on.
    page: TenantsPageInfo,
}

/// How the list goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantsPageInfo {
    /// Where the next page begins; `null` on the last one.
    next_cursor: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

/// A tenant: who it is and whether it may work, and nothing of what is in it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantBody {
    id: Uuid,
    /// Its organization at the identity provider.
    #[schema(example = "org_9f2cA1")]
    organization: String,
    #[schema(example = "northwind-clinics")]
    slug: String,
    #[schema(example = "Northwind Clinics")]
    name: String,
    /// `active`, `suspended` or `archived`.
    #[schema(value_type = String, example = "active")]
    status: &'static str,
    #[schema(example = "standard")]
    plan: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<TenantSummary> for TenantBody {
    fn from(tenant: TenantSummary) -> Self {
        Self {
            id: tenant.id.as_uuid(),
            organization: tenant.org.into(),
            slug: tenant.slug,
            name: tenant.name,
            status: tenant.status.as_str(),
            plan: tenant.plan,
            created_at: tenant.created_at,
        }
    }
}

/// Lists the tenants of the platform, for its operators.
#[utoipa::path(
    get, path = "/api/platform/tenants", tag = "operator", operation_id = "listTenants",
    params(
        ("status" = Option<String>, Query, description = "`active`, `suspended` or `archived`"),
        ("limit" = Option<u16>, Query, description = "Tenants on a page"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of tenants", body = TenantsPage)),
)]
pub(crate) async fn list(
    state: web::Data<PortalState>,
    OperatorCall(operator, query): OperatorCall<TenantQuery>,
) -> Result<web::Json<TenantsPage>, ApiError> {
    let cursor_key = &state.settings.cursor_key;
    let list = format!("{LIST} {}", query.status.map_or("", TenantStatus::as_str));
    let after: Option<Uuid> = match &query.cursor {
        Some(cursor) => Some(cursor_key.open(&list, cursor)?),
        None => None,
    };
    let wanted = usize::from(query.limit);
    let after = after.map(TenantId::from_uuid);
    let mut tenants =
        list_tenants(&operator.platform.db, query.status, after, i64::from(query.limit) + 1)
            .await?;
    let has_more = tenants.len() > wanted;
    tenants.truncate(wanted);
    let next_cursor = match tenants.last().filter(|_| has_more) {
        Some(end) => {
            let position = end.id.as_uuid();
            Some(cursor_key.sign(&list, &position).map_err(ApiError::internal)?)
        }
        None => None,
    };
    let data = tenants.into_iter().map(TenantBody::from).collect();
    Ok(web::Json(TenantsPage { data, page: TenantsPageInfo { next_cursor, has_more } }))
}

/// Why something is done to a tenant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct Reason {
    /// 10 to 500 characters; it stands in the tenant's trail.
    #[schema(example = "Invoices unpaid since March, ticket 4711")]
    reason: String,
}

/// What became of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantStatusBody {
    id: Uuid,
    /// `active` or `suspended`.
    #[schema(value_type = String, example = "suspended")]
    status: &'static str,
    /// The row in the tenant's trail; `null` where it was so already.
    audit_id: Option<Uuid>,
}

/// Suspends a tenant: nobody of it may work until it is resumed. It takes effect on every instance
/// within a second.
#[utoipa::path(
    post, path = "/api/platform/tenants/{id}/suspend", tag = "operator",
    operation_id = "suspendTenant",
    params(("id" = Uuid, Path, description = "The tenant")),
    request_body(content = Reason, content_type = "application/json"),
    responses((status = 200, description = "It is suspended", body = TenantStatusBody)),
)]
pub(crate) async fn suspend(
    state: web::Data<PortalState>,
    call: OperatorCall<(TenantPath, JsonBody<Json>)>,
) -> Result<web::Json<TenantStatusBody>, ApiError> {
    change(state, call, true).await
}

/// Lets a suspended tenant work again.
#[utoipa::path(
    post, path = "/api/platform/tenants/{id}/resume", tag = "operator",
    operation_id = "resumeTenant",
    params(("id" = Uuid, Path, description = "The tenant")),
    request_body(content = Reason, content_type = "application/json"),
    responses((status = 200, description = "It may work", body = TenantStatusBody)),
)]
pub(crate) async fn resume(
    state: web::Data<PortalState>,
    call: OperatorCall<(TenantPath, JsonBody<Json>)>,
) -> Result<web::Json<TenantStatusBody>, ApiError> {
    change(state, call, false).await
}

async fn change(
    state: web::Data<PortalState>,
    OperatorCall(operator, (TenantPath(tenant), body)): OperatorCall<(TenantPath, JsonBody<Json>)>,
    is_suspended: bool,
) -> Result<web::Json<TenantStatusBody>, ApiError> {
    let reason = read_reason(&body)?;
    // Goes on when the operator hangs up: a change must not go without what follows from it.
    let work = {
        let state = state.clone();
        async move { change_and_tell(&state, &operator, tenant, is_suspended, &reason).await }
    };
    let changed = state.writes.see_through(DEADLINE, audit::carried(Box::pin(work))).await??;
    let status = if is_suspended { TenantStatus::Suspended } else { TenantStatus::Active };
    let audit_id = match changed {
        StatusChange::Changed { audit_id, .. } => Some(audit_id),
        StatusChange::Unchanged => None,
        StatusChange::NotFound => return Err(ApiError::not_found()),
    };
    Ok(web::Json(TenantStatusBody { id: tenant.as_uuid(), status: status.as_str(), audit_id }))
}

async fn change_and_tell(
    state: &PortalState,
    operator: &Operator,
    tenant: TenantId,
    is_suspended: bool,
    reason: &str,
) -> Result<StatusChange, ApiError> {
    let (db, org) = (&operator.platform.db, &operator.platform.org);
    let changed = change_status(db, operator.user, tenant, is_suspended, reason, org).await?;
    if let StatusChange::Changed { event, .. } = &changed {
        state.writes.finish(&scope_of(event), vec![event.clone()]).await;
    }
    Ok(changed)
}

#[expect(clippy::disallowed_methods, reason = "the event was written by the operator's own role")]
fn scope_of(event: &OutboxEvent) -> TenantScope {
    let evidence = Evidence::SystemTask("platform operator");
    TenantScope::from_verified(event.tenant, event.org.clone(), evidence)
}

fn read_reason(body: &JsonBody<Json>) -> Result<String, ApiError> {
    if let Some(name) = body.object.keys().find(|name| *name != "reason") {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let error = ApiError::new(ErrorCode::ValidationFailed, "See errors.");
        return Err(error.with_field(format!("#/{name}"), "unknown", "only reason"));
    }
    let text = body.object.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
    reason_of(text).map_err(|rule| refused_body("#/reason", "out_of_range", rule))
}

/// The tenant that the path names. Text that is no id names none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantPath(pub(super) TenantId);

impl FromRequest for TenantPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        let id = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
        ready(id.map(|id| Self(TenantId::from_uuid(id))).ok_or_else(ApiError::not_found))
    }
}
