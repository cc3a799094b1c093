//! Which refusals matter, and what they are called.

use std::net::IpAddr;

use actix_web::http::Method;
use employer_store::audit::SecurityEvent;
use serde_json::json;
use uuid::Uuid;

use super::{AuditTrail, Known, Sighting};
use crate::error::{ApiError, ErrorCode};

/// Longest resource that a row names.
const MAX_RESOURCE_CHARS: usize = 200;

/// What is known of a request that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) method: &'a Method,
    /// The template of its route, or the path where there is none.
    pub(crate) route: &'a str,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) ip: Option<IpAddr>,
    /// Whether it came with a token or a key.
    pub(crate) has_token: bool,
    pub(crate) known: &'a Known,
}

/// Takes note of a refusal, where it tells of somebody who tries what they may not.
pub(crate) fn note_refusal(trail: &AuditTrail, refused: Refused<'_>, error: &ApiError) {
    let Some(event) = event_of(refused, error.code()) else { return };
    let (tenant, actor) = match refused.known.get() {
        Some((tenant, actor)) => (Some(tenant), actor),
        None => (None, "nobody".to_owned()),
    };
    let resource = format!("{} {}", refused.method, refused.route);
    trail.note(Sighting {
        event,
        tenant,
        actor,
        resource: resource.chars().take(MAX_RESOURCE_CHARS).collect(),
        result: "refused",
        request_id: refused.request_id,
        ip: refused.ip,
        detail: json!({ "result": "refused", "code": error.code().as_str() }),
    });
}

fn event_of(refused: Refused<'_>, code: ErrorCode) -> Option<SecurityEvent> {
    let is_sign_in = refused.route.starts_with("/auth/login") || refused.route == "/auth/callback";
    let is_cache = refused.route.starts_with("/api/cache/");
    match code {
        ErrorCode::LoginFailed => Some(SecurityEvent::AuthnLoginFail),
        ErrorCode::Forbidden if is_sign_in => Some(SecurityEvent::AuthnLoginFail),
        // Calls by people who are known tell of themselves there.
        ErrorCode::Forbidden if is_cache => None,
        // Where nobody is known it is the origin that was refused.
        ErrorCode::CsrfFailed if refused.known.get().is_none() => {
            Some(SecurityEvent::MaliciousCors)
        }
        ErrorCode::Forbidden | ErrorCode::CsrfFailed => Some(SecurityEvent::AuthzFail),
        ErrorCode::Unauthenticated if refused.has_token => Some(SecurityEvent::AuthnLoginFail),
        ErrorCode::Unauthenticated if is_cache => Some(SecurityEvent::AuthzFail),
        ErrorCode::TooManyRequests if is_sign_in => Some(SecurityEvent::AuthnLoginFailMax),
        // The first of them is in the tenant's trail already.
        ErrorCode::TooManyRequests if is_cache => None,
        ErrorCode::TooManyRequests => Some(SecurityEvent::ExcessRateLimitExceeded),
        _ => None,
    }
}
