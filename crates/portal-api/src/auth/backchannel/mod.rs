//! `POST /auth/backchannel-logout`: a session of the identity provider has ended.
//!
//! One session there may stand behind several here, over applications and organizations, so all
//! of them end; a token that names no session ends all of the person's.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use employer_store::provider_messages::{self, ENDED_SESSION_LIFETIME, MessageKind, ended_session};
use employer_store::sessions::{self, RevocationReason};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::oidc::{Logout, LogoutTokenError};
use super::provider_access;
use crate::error::{ApiError, Problem};
use crate::state::PortalState;

/// What the identity provider posts.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LogoutNotice {
    /// The signed token that says which session has ended.
    logout_token: String,
}

/// Why a notice was not taken, in the words of the specification.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogoutRefusal {
    /// Always `invalid_request`.
    #[schema(value_type = String, example = "invalid_request")]
    error: &'static str,
    /// Which rule the token breaks.
    error_description: String,
}

/// Ends the sessions of a logout at the identity provider
///
/// For the identity provider alone (OpenID Connect Back-Channel Logout 1.0).
#[utoipa::path(
    post,
    path = "/auth/backchannel-logout",
    tag = "session",
    operation_id = "receiveLogout",
    request_body(content = LogoutNotice, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "No such session is alive any more, or none was"),
        (status = 400, description = "The token is not acceptable, or was used before", body = LogoutRefusal, content_type = "application/json"),
        (status = 503, description = "Not done; send it again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn backchannel_logout(
    request: HttpRequest,
    state: web::Data<PortalState>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let token = read(&request, &state, body).await;
    let mut response = match token {
        Some(token) => end(&state, &token).await?,
        None => refuse("the body is not a form with a logout_token".to_owned()),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn end(state: &PortalState, token: &str) -> Result<HttpResponse, ApiError> {
    let logout = match state.identity_provider.verify_logout(token).await {
        Ok(logout) => logout,
        Err(LogoutTokenError::Keys(error)) => return Err(ApiError::unavailable(error)),
        Err(refused) => {
            tracing::warn!(%refused, "a logout token was refused");
            return Ok(refuse(refused.to_string()));
        }
    };
    let kind = MessageKind::LogoutToken;
    if provider_messages::is_known(&state.db, kind, &logout.id).await? {
        return Ok(refuse("the token was used before".to_owned()));
    }
    revoke(state, &logout).await?;
    // Only now: a token that was noted first and then failed would be lost. Twice at the same
    // moment it does the same.
    let lifetime = state.identity_provider.logout_token_lifetime();
    let now = state.clock.now();
    provider_messages::remember(&state.db, kind, &logout.id, now, lifetime).await?;
    // Whether there was such a session is nobody's business.
    Ok(HttpResponse::Ok().finish())
}

async fn revoke(state: &PortalState, logout: &Logout) -> Result<(), ApiError> {
    let reason = RevocationReason::BackChannelLogout;
    let issuer = state.identity_provider.issuer();
    if let Some(sid) = &logout.idp_sid {
        let (kind, id) = (MessageKind::EndedSession, ended_session(issuer, sid));
        let (now, lifetime) = (state.clock.now(), ENDED_SESSION_LIFETIME);
        provider_messages::remember(&state.db, kind, &id, now, lifetime).await?;
    }
    let signed_in = match (&logout.idp_sid, &logout.subject) {
        (Some(sid), _) => sessions::find_by_idp_sid(&state.db, issuer, sid).await?,
        (None, Some(subject)) => sessions::find_by_subject(&state.db, subject).await?,
        (None, None) => Vec::new(),
    };
    for place in signed_in {
        let mut tx = provider_access::begin(state, place.tenant, &place.org).await?;
        match &logout.idp_sid {
            Some(sid) => {
                sessions::revoke_by_idp_sid(&mut tx, place.user, issuer, sid, reason).await?;
            }
            None => drop(sessions::revoke_all_of(&mut tx, place.user, reason).await?),
        }
        state.writes.commit(tx).await?;
    }
    Ok(())
}

fn refuse(description: String) -> HttpResponse {
    HttpResponse::build(StatusCode::BAD_REQUEST)
        .json(LogoutRefusal { error: "invalid_request", error_description: description })
}

/// The token of the form; none where there is no form or it does not arrive.
async fn read(request: &HttpRequest, state: &PortalState, body: web::Payload) -> Option<String> {
    let mut body = body.into_inner();
    let form = web::Form::<LogoutNotice>::from_request(request, &mut body);
    let form = timeout(state.settings.http.body_timeout, form).await.ok()?.ok()?;
    Some(form.into_inner().logout_token)
}
