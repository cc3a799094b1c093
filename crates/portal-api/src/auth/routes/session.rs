//! `GET /api/session`: who is signed in.

use std::sync::Arc;

use actix_web::web;
use serde::Serialize;
use tenancy::{Authority, Grant, Permission};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::authorized::SessionRead;
use super::super::principal::{Principal, SignedIn};
use crate::error::{ApiError, Problem};
use crate::operator::impersonation::ImpersonationBody;

/// The signed-in person, their organization and what they may do there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAnswer {
    user: SessionUser,
    organization: SessionOrganization,
    /// The person's role in the organization.
    #[schema(value_type = String, example = "recruiter")]
    role: &'static str,
    /// What the role may do at least in part, and an operator who looks as a member does; which jobs it reaches depends on the role.
    #[schema(value_type = Vec<String>, example = json!(["session:read", "jobs:read"]))]
    permissions: Vec<&'static str>,
    /// To be sent as `X-CSRF-Token` with every request that changes something.
    csrf_token: String,
    /// When the session ends however busy it is.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The visit, where an operator of the platform looks as this person does: to be shown on
    /// every page.
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonation: Option<ImpersonationBody>,
}

/// The signed-in person.
#[derive(Debug, Serialize, ToSchema)]
struct SessionUser {
    id: Uuid,
    #[schema(example = "Ada Example")]
    name: String,
    #[schema(example = "ada@example.com")]
    email: String,
}

/// The organization that the person is signed in to.
#[derive(Debug, Serialize, ToSchema)]
struct SessionOrganization {
    /// The organization at the identity provider.
    #[schema(example = "org_9f2cA1")]
    id: String,
    #[schema(example = "Northwind Clinics")]
    name: String,
    #[schema(example = "northwind-clinics")]
    slug: String,
    /// IANA time zone.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// BCP 47 language tag.
    #[schema(example = "de-DE")]
    locale: String,
    /// ISO 4217 currency.
    #[schema(example = "EUR")]
    currency: String,
}

/// Who is signed in
///
/// The person, their organization, their permissions, and the CSRF token of the session.
#[utoipa::path(
    get,
    path = "/api/session",
    tag = "session",
    operation_id = "getSession",
    responses(
        (status = 200, description = "The session", body = SessionAnswer),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The organization is suspended", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Sessions cannot be reached", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn session(principal: Principal) -> Result<web::Json<SessionAnswer>, ApiError> {
    principal.require::<SessionRead>()?;
    let authority = principal.authority;
    Ok(web::Json(SessionAnswer::of(principal.into_signed_in()?, authority)))
}

impl SessionAnswer {
    fn of(signed_in: SignedIn, authority: Authority) -> Self {
        let SignedIn { session, organization, impersonation } = signed_in;
        let (session, organization) =
            (Arc::unwrap_or_clone(session), Arc::unwrap_or_clone(organization));
        let role = organization.role;
        let may = |permission: &Permission| authority.grant(*permission) != Grant::None;
        Self {
            user: SessionUser {
                id: session.user.as_uuid(),
                name: session.name,
                email: session.email,
            },
            organization: SessionOrganization {
                id: session.org.into(),
                name: organization.tenant_name,
                slug: organization.tenant_slug,
                time_zone: organization.time_zone,
                locale: organization.locale,
                currency: organization.currency,
            },
            role: role.as_str(),
            permissions: Permission::ALL.iter().filter(|p| may(p)).map(|p| p.as_str()).collect(),
            csrf_token: session.csrf_token,
            expires_at: session.absolute_expires_at,
            impersonation: impersonation.map(ImpersonationBody::from),
        }
    }
}
