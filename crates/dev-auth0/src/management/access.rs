//! Who may call, and how a call is refused.

use std::borrow::Cow;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::{Value, json};
use tenancy::OrgId;

use crate::authorization_request::Scope;
use crate::client_credentials::management_audience;
use crate::directory::DirectoryError;
use crate::faults::{Faults, Place};
use crate::provider::{Provider, delay};
use crate::tokens;

/// Calls that are left after a 429, and what Auth0 says the limit was.
const LIMIT: u32 = 10;

/// A refusal in the shape of Auth0's.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct ManagementError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// When calls are taken again; on a 429 only.
    reset_at: Option<i64>,
}

impl ManagementError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), reset_at: None }
    }

    /// The request is wrong.
    pub(super) fn invalid_body(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// There is no such thing.
    pub(super) fn missing(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The outage that a test asked for, after the work or instead of it.
    fn outage(status: u16, reset_at: i64) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let message = "Global limit has been reached";
            let error = Self::new(status, "too_many_requests", message);
            return Self { reset_at: Some(reset_at), ..error };
        }
        Self::new(status, "internal_error", "a fault of /dev/faults")
    }
}

impl From<DirectoryError> for ManagementError {
    fn from(error: DirectoryError) -> Self {
        Self::invalid_body(error.to_string())
    }
}

impl ResponseError for ManagementError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(reset_at) = self.reset_at {
            response.insert_header(("x-ratelimit-limit", LIMIT.to_string()));
            response.insert_header(("x-ratelimit-remaining", "0"));
            response.insert_header(("x-ratelimit-reset", reset_at.to_string()));
        }
        response.json(json!({
            "statusCode": self.status.as_u16(),
            "error": self.status.canonical_reason(),
            "message": self.message,
            "errorCode": self.code,
        }))
    }
}

/// A call that may be made, about an organization that exists.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) org: OrgId,
    faults: Faults,
}

impl Call {
    /// Ends a call: a test may want its answer lost although the work is done.
    pub(super) fn answer(self, response: HttpResponse) -> Result<HttpResponse, ManagementError> {
        if self.faults.management_reply_lost {
            return Err(ManagementError::outage(503, 0));
        }
        Ok(response)
    }
}

/// Lets a call with `scope` in that names the organization `{org}`, and perhaps a `{user}`.
pub(super) async fn admit(
    request: &HttpRequest,
    provider: &Provider,
    scope: &str,
) -> Result<Call, ManagementError> {
    check_token(request, provider, scope)?;
    let org = request.match_info().get("org").unwrap_or_default();
    let user = user_of(request);
    let faults = play_faults(provider, [user.as_deref(), Some(org)]).await?;
    let org = org.parse().ok().filter(|org| provider.directory().find_organization(org).is_some());
    let org = org.ok_or_else(|| {
        let message = "No organization found by that id or name";
        ManagementError::missing("inexistent_organization", message)
    })?;
    Ok(Call { org, faults })
}

/// Lets a call with `scope` in that names no organization.
pub(super) async fn admit_without_organization(
    request: &HttpRequest,
    provider: &Provider,
    scope: &str,
) -> Result<(), ManagementError> {
    check_token(request, provider, scope)?;
    play_faults(provider, [user_of(request).as_deref(), None]).await.map(drop)
}

/// The `{user}` of the path.
pub(super) fn user_of(request: &HttpRequest) -> Option<String> {
    let encoded = request.match_info().get("user")?;
    Some(percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
}

fn check_token(
    request: &HttpRequest,
    provider: &Provider,
    scope: &str,
) -> Result<(), ManagementError> {
    provider.counters().management += 1;
    let invalid =
        || ManagementError::new(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token");
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(invalid)?;
    let audience = management_audience(provider);
    let claims = tokens::verify(provider, token, &audience, false).ok_or_else(invalid)?;
    let granted = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if Scope::parse(granted).has(scope) {
        return Ok(());
    }
    let message = format!("Insufficient scope, expected any of: {scope}");
    Err(ManagementError::new(StatusCode::FORBIDDEN, "insufficient_scope", message))
}

/// Plays the faults of the first of `whom` that has some.
async fn play_faults(
    provider: &Provider,
    whom: [Option<&str>; 2],
) -> Result<Faults, ManagementError> {
    let mut faults = Faults::default();
    for subject in whom.into_iter().flatten() {
        faults = provider.take_faults(Place::Management, Some(subject));
        if faults != Faults::default() {
            break;
        }
    }
    delay(faults.management_delay_ms).await;
    match faults.management_status {
        Some(status) => {
            let seconds = i64::from(faults.rate_limit_reset_seconds.unwrap_or(1));
            Err(ManagementError::outage(status, provider.now().unix_timestamp() + seconds))
        }
        None => Ok(faults),
    }
}
