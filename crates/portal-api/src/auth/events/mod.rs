//! `POST /auth/events`: what the identity provider tells of members and their roles.
//!
//! Deliveries may be doubled, late and out of order, so an event only says where to look: the
//! place is read anew at the issuer. It is acknowledged when that is done, or needs not be done;
//! any other answer makes the identity provider send it again.

mod event;

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use employer_store::identity;
use employer_store::provider_messages::{self, MessageKind};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::provider_access;
use crate::error::{ApiError, ErrorCode, Problem};
use crate::state::PortalState;
use event::{Event, Subject};

/// Largest event, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// How long an event is remembered; it is sent no later than seconds after it happened.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Takes an event
///
/// For the identity provider alone (Auth0 Event Streams, webhook).
#[utoipa::path(
    post,
    path = "/auth/events",
    tag = "session",
    operation_id = "receiveEvent",
    request_body(content = String, content_type = "application/json", description = "A CloudEvent of the type `organization.member.*`; others are acknowledged and ignored"),
    params(("Authorization" = String, Header, description = "`Bearer` and the token that both sides were set up with")),
    responses(
        (status = 204, description = "Done, or nothing was to be done"),
        (status = 400, description = "Not an event", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No token is set up", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than 64 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not done; send it again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn receive_event(
    request: HttpRequest,
    state: web::Data<PortalState>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let expected = state.settings.events_token.as_ref().ok_or_else(ApiError::not_found)?;
    check_bearer(&request, expected)?;
    let bytes = read(&request, &state, body).await?;
    let event = Event::parse(&bytes).map_err(|fault| {
        ApiError::new(ErrorCode::BadRequest, "The body is not an event of the identity provider.")
            .with_source(fault)
    })?;
    act(&state, &event).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Does what an event asks for, once.
async fn act(state: &PortalState, event: &Event) -> Result<(), ApiError> {
    let kind = MessageKind::Event;
    if provider_messages::is_known(&state.db, kind, &event.id).await? {
        return Ok(());
    }
    if let Some(subject) = &event.subject {
        look(state, event, subject).await?;
    }
    // Only now: an event that was noted first and then failed would be lost.
    let now = state.clock.now();
    provider_messages::remember(&state.db, kind, &event.id, now, REMEMBERED).await?;
    Ok(())
}

/// Reads the place of an event's person anew, if it may matter.
async fn look(state: &PortalState, event: &Event, subject: &Subject) -> Result<(), ApiError> {
    // Roles are ours alone where no claim of them is set up; that somebody has left is not.
    let matters = subject.may_have_left || state.settings.oidc.roles_claim.is_some();
    if !matters {
        return Ok(());
    }
    let found = identity::find_membership(&state.db, &subject.user, &subject.org).await?;
    // Nobody becomes a member by an event: the row is made at the sign-in, with an invitation.
    let Some(membership) = found else { return Ok(()) };
    if is_old(state, event, &membership).await? {
        return Ok(());
    }
    provider_access::follow(state, &membership, &subject.user, Some(event.time)).await
}

/// Whether something newer is known of already.
async fn is_old(
    state: &PortalState,
    event: &Event,
    membership: &identity::Membership,
) -> Result<bool, ApiError> {
    let mut tx = provider_access::begin(state, membership.tenant, &membership.org).await?;
    let member = employer_store::team::find_member(&mut tx, membership.user).await?;
    tx.rollback().await?;
    let as_of = member.and_then(|member| member.roles_as_of);
    Ok(as_of.is_some_and(|as_of| event.time < as_of))
}

/// Compares digests, so that the time tells neither what differs nor how long the token is.
fn check_bearer(request: &HttpRequest, expected: &SecretString) -> Result<(), ApiError> {
    let header = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let given = header.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
    let digest = |bytes: &[u8]| Sha256::digest(bytes);
    verify_slices_are_equal(&digest(given), &digest(expected.expose_secret().as_bytes()))
        .map_err(|_| ApiError::new(ErrorCode::Unauthenticated, "The token is missing or wrong."))
}

async fn read(
    request: &HttpRequest,
    state: &PortalState,
    body: web::Payload,
) -> Result<web::Bytes, ApiError> {
    let too_large = || {
        let detail = format!("The body may have {MAX_BYTES} bytes at most.");
        ApiError::new(ErrorCode::PayloadTooLarge, detail)
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BYTES) {
        return Err(too_large());
    }
    match timeout(state.settings.http.body_timeout, body.to_bytes_limited(MAX_BYTES)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => {
            Err(ApiError::new(ErrorCode::BadRequest, "The body did not arrive whole."))
        }
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(ApiError::new(ErrorCode::RequestTimeout, "The body did not arrive in time.")),
    }
}
