//! Who makes a request, verified.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use employer_store::operator::Impersonated;
use futures_util::future::LocalBoxFuture;
use session_store::{OrganizationData, PortalSession, SessionRecord};
use tenancy::{Actor, Authority, Evidence, Role, TenantScope};
use tracing::Span;

use super::credential::Credential;
use super::membership::{self, Member};
use super::{api_keys, bearer, csrf};
use crate::audit::Known;
use crate::error::{ApiError, ErrorCode};
use crate::limits;
use crate::operator;
use crate::state::PortalState;

/// Whoever makes a request: a person with a session, an application with a person's token, or a
/// machine with a token or a key of its own.
///
/// As an extractor it refuses: 400 where a request comes with two credentials, 401 where it comes
/// with none that holds or the person behind it is no member any more (a session then ends), 403
/// where the organization is suspended or an unsafe request of a session lacks its CSRF token, 503
/// where nobody can tell. Tokens and keys are not sent by browsers on their own, so they need no
/// CSRF token.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The tenant that the request works in.
    pub scope: TenantScope,
    /// Who it is, for the audit trail.
    pub actor: Actor,
    /// What they may do.
    pub authority: Authority,
    session: Option<Box<SignedIn>>,
}

/// A person with a session, and their place in their organization.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Their session.
    pub session: Arc<SessionRecord>,
    /// Their organization.
    pub organization: Arc<OrganizationData>,
    /// The visit, where it is an operator who looks as this person does.
    pub impersonation: Option<Impersonated>,
}

/// Whoever was found behind a token or a key.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) scope: TenantScope,
    pub(super) actor: Actor,
    pub(super) authority: Authority,
}

impl From<Caller> for Principal {
    fn from(Caller { scope, actor, authority }: Caller) -> Self {
        Self { scope, actor, authority, session: None }
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

impl Principal {
    /// What the extractor does.
    pub(crate) async fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let principal = find(request).await?;
        Known::remember(request, principal.scope.tenant(), &principal.actor);
        limits::admit_caller(request, &principal)?;
        let span = Span::current();
        span.record("tenant.id", tracing::field::display(principal.scope.tenant()));
        if let Some(user) = principal.actor.user() {
            span.record("user.id", tracing::field::display(user));
        }
        Ok(principal)
    }
}

async fn find(request: &HttpRequest) -> Result<Principal, ApiError> {
    let state = request
        .app_data::<web::Data<PortalState>>()
        .ok_or_else(|| ApiError::internal("the portal's state is not registered"))?;
    match Credential::of(request)? {
        Credential::Session => of_session(request, state).await,
        Credential::Bearer(token) => bearer::verify(state, token).await.map(Into::into),
        Credential::ApiKey(key) => api_keys::verify(state, key).await.map(Into::into),
    }
}

async fn of_session(request: &HttpRequest, state: &PortalState) -> Result<Principal, ApiError> {
    let signed_in = with_session(request, state).await?;
    let platform = state.operators.platform_of(&signed_in.session.org);
    let principal = Principal::signed_in(signed_in);
    principal.keep_tokens_fresh(state);
    match platform {
        Some(platform) => {
            let own = principal.into_signed_in()?;
            operator::principal_of(request, state, platform, own).await
        }
        None => Ok(principal),
    }
}

/// The person behind a session, in the organization that they signed in to.
pub(crate) async fn signed_in(
    request: &HttpRequest,
    state: &PortalState,
) -> Result<SignedIn, ApiError> {
    if Credential::of(request)? != Credential::Session {
        return Err(for_browsers());
    }
    with_session(request, state).await
}

async fn with_session(request: &HttpRequest, state: &PortalState) -> Result<SignedIn, ApiError> {
    let session = portal_session(request).await;
    let record = session.current(&state.sessions).await?.ok_or_else(unauthenticated)?;
    let (user, role) = (record.user, Role::Viewer);
    Known::remember(request, record.tenant, &Actor::Member { user, role });
    csrf::check(request, &record)?;
    let Some(organization) = organization_of(state, &record).await? else {
        session.sign_out();
        return Err(unauthenticated());
    };
    Ok(SignedIn { session: record, organization, impersonation: None })
}

/// The organization of a session's person; `None` where they do not belong to it any more, 403
/// where it is suspended.
pub(crate) async fn organization_of(
    state: &PortalState,
    session: &SessionRecord,
) -> Result<Option<Arc<OrganizationData>>, ApiError> {
    let organization = membership::organization_data(state, Member::of_session(session)).await?;
    if let Some(organization) = &organization {
        membership::refuse_suspended(organization.tenant_status)?;
    }
    Ok(organization)
}

impl Principal {
    fn signed_in(signed_in: SignedIn) -> Self {
        let (user, role) = (signed_in.session.user, signed_in.organization.role);
        Self::guest(signed_in, Actor::Member { user, role }, Authority::of_role(role))
    }

    /// Somebody whose session this is, or who looks as its person does.
    #[expect(clippy::disallowed_methods, reason = "the session and the membership were verified")]
    pub(crate) fn guest(signed_in: SignedIn, actor: Actor, authority: Authority) -> Self {
        let SignedIn { session, .. } = &signed_in;
        let scope =
            TenantScope::from_verified(session.tenant, session.org.clone(), Evidence::Session);
        Self { scope, actor, authority, session: Some(Box::new(signed_in)) }
    }

    /// Sees to it that the identity provider still stands by the session. Never waits.
    fn keep_tokens_fresh(&self, state: &PortalState) {
        if let Some(signed_in) = &self.session {
            state.refresher.look_after(&self.scope, &self.actor, &signed_in.session);
        }
    }

    /// The session behind the request; 403 where it came with a token or a key.
    pub fn into_signed_in(self) -> Result<SignedIn, ApiError> {
        self.session.map(|signed_in| *signed_in).ok_or_else(for_browsers)
    }
}

fn for_browsers() -> ApiError {
    ApiError::new(
        ErrorCode::Forbidden,
        "This is for people who are signed in with a browser, not for tokens and keys.",
    )
}

/// The session of a request; extracting it cannot fail.
async fn portal_session(request: &HttpRequest) -> PortalSession {
    match PortalSession::extract(request).await {
        Ok(session) => session,
        Err(never) => match never {},
    }
}

/// Nobody is signed in.
pub(in crate::auth) fn unauthenticated() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "Sign in at /auth/login.")
}
