//! The span of a request. Its field names are stable: dashboards and alerts read them.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderName;
use tracing::Span;
use tracing::field::Empty;

use super::Client;

/// Longest name of a request, given by a proxy, that is noted.
const MAX_UPSTREAM_ID_BYTES: usize = 128;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No query strings and no bodies: both may hold what is private to people. `tenant.id` and
/// `user.id` are recorded by whoever verifies them, the rest when the answer is known.
pub(super) fn of_request(request: &ServiceRequest, client: Client) -> Span {
    tracing::info_span!(
        "request",
        request.id = %client.request,
        request.upstream_id = upstream_id(request),
        http.request.method = %request.method(),
        client.address = client.address.map(tracing::field::display),
        url.path = request.path(),
        http.route = Empty,
        http.response.status_code = Empty,
        tenant.id = Empty,
        user.id = Empty,
        duration_ms = Empty,
    )
}

/// The name that a proxy in front of us gave the request, if it is harmless to write down.
fn upstream_id(request: &ServiceRequest) -> Option<&str> {
    let id = request.headers().get(X_REQUEST_ID)?.to_str().ok()?;
    let is_well_formed = (1..=MAX_UPSTREAM_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/".contains(&b));
    is_well_formed.then_some(id)
}
