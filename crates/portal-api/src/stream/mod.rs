//! `GET /api/events/stream`: what happens, as it happens, as server-sent events.
//!
//! The hub of event-notifier decides what is on a stream and for how long; this is its HTTP side:
//! who may open one, where it goes on, and the bytes.

mod access;
mod body;
mod request;

use std::time::Duration;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::{HttpRequest, HttpResponse, web};
use event_notifier::{Refused, Viewer};
use tenancy::Actor;

pub use self::access::follow_access;
use self::body::EventBody;
use self::request::StreamRequest;
use crate::auth::{Principal, SessionRead, SignedIn};
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// How long somebody should stay away who has too many streams open.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(30);

/// The same where the instance stops: another one takes the next.
const RETRY_AFTER_DRAIN: Duration = Duration::from_secs(2);

/// Follows what happens.
///
/// An endless answer in the form of server-sent events. `hello` comes first: the end of the feed,
/// how much is unread, the server's time. Then each `notification` whose `id` (`<epoch>.<seq>`)
/// names its place; `feed_state` when what is unread changes, on whichever device; `metrics` with
/// absolute figures where they are watched; `reset` where the client has to load the feed anew; and
/// `bye` with the reason before the end. Lines that begin with a colon are signs of life.
///
/// A client that comes back with `Last-Event-ID` gets what it missed, at any instance, and nothing
/// twice; one that connects for the first time names its place with `since`, the `head` of
/// `GET /api/notifications/list`. For browsers: tokens and keys are refused, and so are operators.
/// Streams end after ten minutes at most; whoever has too many open is refused with 503.
#[utoipa::path(
    get, path = "/api/events/stream", tag = "notifications", operation_id = "streamEvents",
    params(
        ("since" = Option<String>, Query, description = "Where to go on, as `<epoch>.<seq>`; `Last-Event-ID` goes before it"),
        ("metrics" = Option<String>, Query, description = "Figures to watch: `all`, `job:<id>`, or several with commas between"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received; browsers send it by themselves"),
    ),
    responses((
        status = 200, description = "The events", body = String, content_type = "text/event-stream",
    )),
)]
pub(crate) async fn stream_events(
    principal: Principal,
    request: HttpRequest,
    state: web::Data<PortalState>,
) -> Result<HttpResponse, ApiError> {
    principal.require::<SessionRead>()?;
    let Actor::Member { user, role } = principal.actor else { return Err(for_members()) };
    let scope = principal.scope.clone();
    let SignedIn { session, .. } = principal.into_signed_in()?;
    let wanted = StreamRequest::read(&request, state.live.has_figures())?;
    let viewer = Viewer { scope, user, session: *session.sid.as_bytes() };
    let opened = state.live.open(viewer, role, wanted.resume, &wanted.subjects);
    let stream = opened.map_err(refusal)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store, no-transform"))
        // Nginx and its kind would hold events back until a buffer is full.
        .insert_header((
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ))
        .insert_header((CONTENT_ENCODING, "identity"))
        .body(EventBody::new(stream)))
}

fn for_members() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "Streams are for members who are signed in themselves.")
}

fn refusal(refused: Refused) -> ApiError {
    let (detail, after) = match refused {
        Refused::Draining => ("This instance stops; another one answers.", RETRY_AFTER_DRAIN),
        Refused::Session => ("This session has too many streams open.", RETRY_AFTER_CAP),
        Refused::User => ("You have too many streams open.", RETRY_AFTER_CAP),
        Refused::Tenant => ("Your organization has too many streams open.", RETRY_AFTER_CAP),
        Refused::Instance => ("This instance has too many streams open.", RETRY_AFTER_CAP),
    };
    ApiError::new(ErrorCode::TooManyStreams, detail).with_retry_after(after)
}
