//! `GET /auth/callback`: the way back from the identity provider.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::audit::{RequestOrigin, SecurityEvent};
use employer_store::identity;
use serde::Deserialize;
use serde_json::json;
use session_store::{NewSession, PortalSession};
use tenancy::OrgId;
use time::OffsetDateTime;

use super::super::login_transaction::{LoginTransaction, random_text};
use super::super::oidc::{CodeExchange, Identity};
use super::super::{device, membership, oidc, provider_access};
use super::organization_choice::choose_organization;
use super::{cookies_of, redirect, transaction_cookies, wants_html};
use crate::audit::Sighting;
use crate::error::{ApiError, ErrorCode, Problem};
use crate::state::PortalState;

/// Longest authorization code, in bytes.
const MAX_CODE_BYTES: usize = 2_048;

/// What the identity provider sends along. It may add what it likes, so the rest is ignored.
#[derive(Deserialize)]
struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Completes a sign-in
///
/// The identity provider sends the browser here.
#[utoipa::path(
    get,
    path = "/auth/callback",
    tag = "session",
    operation_id = "completeSignIn",
    params(
        ("state" = Option<String>, Query, description = "Names the sign-in that was started"),
        ("code" = Option<String>, Query, description = "Authorization code"),
        ("error" = Option<String>, Query, description = "Why there is no code"),
    ),
    responses(
        (status = 303, description = "Signed in; to where the sign-in was started from", headers(("Location" = String, description = "A path on this portal"))),
        (status = 400, description = "The sign-in failed and has to be started again", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a member of the organization, or it is suspended", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something that sign-ins need is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn callback(
    request: HttpRequest,
    state: web::Data<PortalState>,
    session: PortalSession,
) -> HttpResponse {
    let Some(query) = CallbackQuery::parse(&request) else {
        return HttpResponse::from_error(not_started_here());
    };
    let sent = cookies_of(&request);
    let Some((transaction, removal)) =
        transaction_cookies(&state).take(query.state.as_deref().unwrap_or_default(), &sent)
    else {
        // The back button leads here again; whoever is signed in has nothing to do here.
        let current = session.current(&state.sessions).await;
        let is_revisited = wants_html(&request) && matches!(current, Ok(Some(_)));
        return if is_revisited {
            redirect("/")
        } else {
            HttpResponse::from_error(not_started_here())
        };
    };
    let mut response = complete(&request, &state, &session, &query, transaction)
        .await
        .unwrap_or_else(HttpResponse::from_error);
    match response.add_cookie(&removal) {
        Ok(()) => response,
        Err(error) => HttpResponse::from_error(ApiError::internal(error)),
    }
}

/// Signs the person in whom the code stands for.
async fn complete(
    request: &HttpRequest,
    state: &PortalState,
    session: &PortalSession,
    query: &CallbackQuery,
    transaction: LoginTransaction,
) -> Result<HttpResponse, ApiError> {
    let (identity, tokens) = state
        .identity_provider
        .exchange_code(&CodeExchange {
            code: query.code(state.identity_provider.issuer())?,
            code_verifier: &transaction.code_verifier,
            nonce: &transaction.nonce,
            organization: transaction.organization.as_ref(),
        })
        .await?;
    let Some(org) = &identity.organization else {
        return choose_organization(request, state, &identity, transaction.return_to).await;
    };
    let new = sign_in(request, state, &identity, org, transaction.invitation.as_deref()).await?;
    let created = session_created(&new);
    session.sign_in(&NewSession { tokens, ..new }).map_err(ApiError::internal)?;
    state.audit.tell(created);
    Ok(redirect(transaction.return_to.as_str()))
}

/// The session of somebody whom the identity provider vouches for: only members get one.
async fn sign_in(
    request: &HttpRequest,
    state: &PortalState,
    identity: &Identity,
    org: &OrgId,
    invitation: Option<&str>,
) -> Result<NewSession, ApiError> {
    let name = identity.name.as_deref().unwrap_or_default();
    let email = identity.email.as_deref().unwrap_or_default();
    // Looked up before it is recorded: the audit trail must not tell of a sign-in that is refused.
    let subject = &identity.subject;
    let found = provider_access::place_of(state, identity, org, invitation).await?;
    let status = membership::data_of(&found.ok_or_else(not_a_member)?).tenant_status;
    membership::refuse_suspended(status)?;
    let recorded = identity::record_sign_in(&state.db, subject, org, name, email).await?;
    let membership = recorded.ok_or_else(not_a_member)?;
    membership::refresh_snapshot(state, &membership).await;
    Ok(NewSession {
        user: membership.user,
        tenant: membership.tenant,
        org: membership.org.clone(),
        subject: identity.subject.clone(),
        issuer: state.identity_provider.issuer().to_owned(),
        idp_sid: identity.idp_sid.clone(),
        name: membership.name.clone(),
        email: membership.email.clone(),
        csrf_token: random_text(),
        device: device::device_of(request),
        absolute_expires_at: absolute_end(state, identity, state.clock.now())?,
        tokens: None,
    })
}

fn session_created(record: &NewSession) -> Sighting {
    let origin = RequestOrigin::current();
    Sighting {
        event: SecurityEvent::SessionCreated,
        tenant: Some(record.tenant),
        actor: format!("user:{}", record.user),
        resource: format!("user:{}", record.user),
        result: "done",
        request_id: origin.map(|origin| origin.request_id),
        ip: origin.and_then(|origin| origin.ip),
        detail: json!({ "result": "done" }),
    }
}

fn not_a_member() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "The account is not a member of this organization.")
}

/// When the session ends: after our own longest time, or earlier where the identity provider
/// says so.
fn absolute_end(
    state: &PortalState,
    identity: &oidc::Identity,
    created_at: OffsetDateTime,
) -> Result<OffsetDateTime, ApiError> {
    let ours = created_at + state.sessions.settings().absolute;
    let end = identity.session_expiry.map_or(ours, |theirs| theirs.min(ours));
    if end > created_at { Ok(end) } else { Err(failed("The identity provider's session is over.")) }
}

impl CallbackQuery {
    /// The parameters; `None` where they are no query or one of them is there twice.
    fn parse(request: &HttpRequest) -> Option<Self> {
        web::Query::<Self>::from_query(request.query_string()).ok().map(web::Query::into_inner)
    }

    /// The code, if the identity provider gave one.
    fn code(&self, issuer: &str) -> Result<&str, ApiError> {
        if self.iss.as_deref().is_some_and(|iss| iss != issuer) {
            return Err(failed("The answer comes from another identity provider."));
        }
        if let Some(error) = &self.error {
            return Err(refused_by_provider(error));
        }
        self.code
            .as_deref()
            .filter(|code| (1..=MAX_CODE_BYTES).contains(&code.len()))
            .ok_or_else(|| failed("The identity provider's answer has no usable code."))
    }
}

/// What an `error` of the identity provider means. Its description is not repeated: whoever makes
/// up a link to the callback chooses it.
fn refused_by_provider(error: &str) -> ApiError {
    match error {
        "access_denied" => failed(
            "The sign-in was cancelled, or the account may not sign in to this organization.",
        ),
        "login_required" | "interaction_required" | "consent_required" => {
            failed("The identity provider needs you to sign in again.")
        }
        "server_error" | "temporarily_unavailable" => {
            ApiError::unavailable("the identity provider could not complete a sign-in")
        }
        "invalid_request" => {
            failed("The identity provider did not take the request; an invitation may be used up.")
        }
        _ => failed("The identity provider refused the sign-in."),
    }
}

fn not_started_here() -> ApiError {
    failed(
        "The sign-in was started elsewhere, is used already or took too long. Start it again at \
         /auth/login.",
    )
}

pub(super) fn failed(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::LoginFailed, detail)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const ISSUER: &str = "https://login.example/";

    fn code_of(query: &str) -> Result<String, ErrorCode> {
        let request =
            TestRequest::default().uri(&format!("/auth/callback?{query}")).to_http_request();
        let query = CallbackQuery::parse(&request).ok_or(ErrorCode::BadRequest)?;
        query.code(ISSUER).map(str::to_owned).map_err(|error| error.code())
    }

    #[test]
    fn a_code_is_taken_from_the_issuer_alone() {
        assert_eq!(code_of("code=abc&state=s&session_state=x"), Ok("abc".to_owned()));
        assert_eq!(code_of("code=a&iss=https%3A%2F%2Flogin.example%2F"), Ok("a".to_owned()));
        let long = format!("code={}", "c".repeat(MAX_CODE_BYTES + 1));
        for query in ["", "code=", "code=a&iss=https%3A%2F%2Fevil.example%2F", &long] {
            assert_eq!(code_of(query), Err(ErrorCode::LoginFailed), "{query}");
        }
        assert_eq!(code_of("code=a&code=b"), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn errors_are_told_in_our_own_words() {
        let table = [
            ("access_denied", ErrorCode::LoginFailed),
            ("login_required", ErrorCode::LoginFailed),
            ("invalid_request", ErrorCode::LoginFailed),
            ("temporarily_unavailable", ErrorCode::Unavailable),
            ("<script>alert(1)</script>", ErrorCode::LoginFailed),
        ];
        for (error, code) in table {
            let refused = refused_by_provider(error);
            assert_eq!(refused.code(), code, "{error}");
            assert!(!refused.detail().contains('<') && !refused.detail().contains(error));
        }
        assert_eq!(code_of("error=access_denied&code=a"), Err(ErrorCode::LoginFailed));
    }
}
