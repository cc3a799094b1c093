//! Who makes a request, verified.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use session_store::{OrganizationData, PortalSession, SessionRecord};
use tenancy::{Actor, Evidence, Role, TenantScope, UserId};
use tracing::Span;

use super::{csrf, membership};
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// A signed-in person in their organization.
///
/// As an extractor it refuses: 401 where nobody is signed in or the person is no member any more
/// (the session then ends), 403 where the organization is suspended or an unsafe request lacks the
/// session's CSRF token, 503 where nobody can tell.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The tenant that the request works in.
    pub scope: TenantScope,
    /// The person in their role, for the audit trail.
    pub actor: Actor,
    /// The person.
    pub user: UserId,
    /// Their role, as it is now.
    pub role: Role,
    /// Their session.
    pub session: SessionRecord,
    /// Their organization.
    pub organization: OrganizationData,
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { find(&request).await })
    }
}

async fn find(request: &HttpRequest) -> Result<Principal, ApiError> {
    let state = request
        .app_data::<web::Data<PortalState>>()
        .ok_or_else(|| ApiError::internal("the portal's state is not registered"))?;
    let session = portal_session(request).await;
    let record = session.current().ok_or_else(unauthenticated)?;
    csrf::check(request, &record, &state.settings.base_url)?;
    let Some(organization) = membership::organization_data(state, &record).await? else {
        session.sign_out();
        return Err(unauthenticated());
    };
    membership::refuse_suspended(organization.tenant_status)?;
    let span = Span::current();
    span.record("tenant.id", tracing::field::display(record.tenant));
    span.record("user.id", tracing::field::display(record.user));
    Ok(Principal::new(record, organization))
}

impl Principal {
    #[expect(clippy::disallowed_methods, reason = "the session and the membership were verified")]
    fn new(session: SessionRecord, organization: OrganizationData) -> Self {
        let (user, role) = (session.user, organization.role);
        let scope =
            TenantScope::from_verified(session.tenant, session.org.clone(), Evidence::Session);
        Self { scope, actor: Actor::Member { user, role }, user, role, session, organization }
    }
}

/// The session of a request; extracting it cannot fail.
async fn portal_session(request: &HttpRequest) -> PortalSession {
    match PortalSession::extract(request).await {
        Ok(session) => session,
        Err(never) => match never {},
    }
}

/// Nobody is signed in.
pub(super) fn unauthenticated() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "Sign in at /auth/login.")
}
