//! What a request must pass before anything of it is looked up.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::COOKIE;

use super::EdgeSettings;
use super::client::Client;
use super::origins::FromElsewhere;
use crate::auth::SESSION_COOKIE;
use crate::error::{ApiError, ErrorCode};

/// The answer to a request that goes no further.
pub(super) fn stop(
    request: &ServiceRequest,
    client: Client,
    settings: &EdgeSettings,
) -> Option<HttpResponse> {
    // The router takes `/a%75th/login` for `/auth/login`; what is decided here by the path must not
    // depend on how it is spelt. No route of ours needs an escape.
    if request.path().contains('%') {
        return Some(HttpResponse::from_error(ApiError::not_found()));
    }
    if !is_admitted(request, client, settings) {
        let refusal = ApiError::new(ErrorCode::Forbidden, "Your address is not on the list.");
        return Some(HttpResponse::from_error(refusal));
    }
    if super::headers::is_private(request.path())
        && let Some(answer) = settings.origins.as_ref().and_then(|known| known.preflight(request))
    {
        return Some(answer);
    }
    check_origin(request, settings).err().map(HttpResponse::from_error)
}

/// Whether the client's address may reach the portal. Whoever watches over the instance may always
/// ask whether it lives.
fn is_admitted(request: &ServiceRequest, client: Client, settings: &EdgeSettings) -> bool {
    settings.admitted.is_empty()
        || matches!(request.path(), "/live" | "/ready")
        || client.address.is_some_and(|address| settings.admitted.contains(address))
}

/// A session's cookie is sent along by the browser, whoever makes it send something.
fn check_origin(request: &ServiceRequest, settings: &EdgeSettings) -> Result<(), ApiError> {
    let Some(origins) = &settings.origins else { return Ok(()) };
    if is_safe(request.method()) || !carries_session(request) {
        return Ok(());
    }
    origins.check(request.headers()).map_err(|FromElsewhere| {
        let detail = "The request does not come from a page of the portal. Programs with a \
                      session's cookie send the portal's own Origin.";
        ApiError::new(ErrorCode::CsrfFailed, detail)
    })
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether a cookie has the session's name, whatever is in it.
fn carries_session(request: &ServiceRequest) -> bool {
    let is_session = |pair: &[u8]| {
        pair.trim_ascii_start()
            .strip_prefix(SESSION_COOKIE.as_bytes())
            .is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b'='))
    };
    let mut cookies = request.headers().get_all(COOKIE);
    cookies.any(|cookies| cookies.as_bytes().split(|byte| *byte == b';').any(is_session))
}
