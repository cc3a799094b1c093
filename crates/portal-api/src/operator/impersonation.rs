//! Looking at the portal as a member does.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use employer_store::operator::{
    Impersonated, NewImpersonation, end_impersonation, start_impersonation,
};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tenants::TenantPath;
use super::{Operator, OperatorCall, reason_of};
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Json, JsonBody, NoQuery};

/// Longest e-mail address.
const MAX_EMAIL_CHARS: usize = 320;

/// Whom to look as, and why.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct ImpersonationRequest {
    /// A member of it, by e-mail address: operators have no list of members.
    #[schema(example = "ada@example.com")]
    email: String,
    /// Why: 10 to 500 characters; it stands in the tenant's trail.
    #[schema(example = "Asked to look at missing jobs, ticket 4711")]
    reason: String,
}

/// A visit that goes on. Pages show it for as long as `GET /api/session` has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImpersonationBody {
    /// Names it in the trail.
    id: Uuid,
    /// The operator.
    operator_id: Uuid,
    /// The member's name.
    #[schema(example = "Ada Example")]
    member: String,
    /// Why.
    reason: String,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
}

impl From<Impersonated> for ImpersonationBody {
    fn from(visit: Impersonated) -> Self {
        Self {
            id: visit.id,
            operator_id: visit.operator.as_uuid(),
            member: visit.name,
            reason: visit.reason,
            ends_at: visit.ends_at,
        }
    }
}

/// Looks at the portal as a member does
///
/// For half an hour at most, in this session only. It reads and changes nothing, and each of its
/// requests stands in the tenant's trail with the operator's name. `DELETE` ends it, and so does
/// the end of the session.
#[utoipa::path(
    post, path = "/api/platform/tenants/{id}/impersonate", tag = "operator",
    operation_id = "startImpersonation",
    params(("id" = Uuid, Path, description = "The tenant")),
    request_body(content = ImpersonationRequest, content_type = "application/json"),
    responses((status = 201, description = "It has begun", body = ImpersonationBody)),
)]
pub(crate) async fn start(
    OperatorCall(operator, (TenantPath(tenant), body)): OperatorCall<(TenantPath, JsonBody<Json>)>,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted::read(&body.object)?;
    let Operator { user, session, platform } = operator;
    let wanted = NewImpersonation {
        session,
        operator: user,
        tenant,
        platform: &platform.org,
        email: &wanted.email,
        reason: &wanted.reason,
        duration: platform.impersonation,
    };
    let visit = start_impersonation(&platform.db, &wanted).await?;
    let visit = visit.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(ImpersonationBody::from(visit)))
}

/// Ends looking as a member.
#[utoipa::path(
    delete, path = "/api/platform/impersonation", tag = "operator",
    operation_id = "endImpersonation",
    responses((status = 204, description = "It is over")),
)]
pub(crate) async fn end(
    OperatorCall(operator, _): OperatorCall<NoQuery>,
) -> Result<HttpResponse, ApiError> {
    if end_impersonation(&operator.platform.db, operator.session).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::not_found())
    }
}

struct Wanted {
    email: String,
    reason: String,
}

impl Wanted {
    fn read(object: &Map<String, Value>) -> Result<Self, ApiError> {
        let mut faults = Faults::default();
        for name in object.keys() {
            if !["email", "reason"].contains(&name.as_str()) {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                faults.add(format!("#/{name}"), "unknown", "email and reason");
            }
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let email = text("email").trim().to_owned();
        let is_address = email.contains('@')
            && email.chars().count() <= MAX_EMAIL_CHARS
            && !crate::extract::has_control_characters(&email, false);
        if !is_address {
            faults.add("#/email", "malformed", "the e-mail address of a member");
        }
        let reason = reason_of(text("reason"));
        if let Err(rule) = reason {
            faults.add("#/reason", "out_of_range", rule);
        }
        match reason {
            Ok(reason) if faults.is_empty() => Ok(Self { email, reason }),
            _ => Err(ApiError::new(ErrorCode::ValidationFailed, "The body is not valid.")
                .with_fields(faults.into_vec())),
        }
    }
}
