//! How often somebody may apply: counted over all instances, and exactly.

use std::time::Duration;

use actix_web::{HttpMessage as _, HttpRequest};
use tenancy::TenantId;
use tokio::time::Instant;

use super::PublicBoard;
use crate::edge::Client;
use crate::error::{ApiError, ErrorCode};
use crate::limits::{Quotas, Rule, Subject, digest_of, network_of, take, too_many};
use crate::state::PortalState;

/// Shortest and longest pause before somebody who waits asks again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Takes one application from this address.
pub(super) async fn admit_address(
    state: &PortalState,
    request: &HttpRequest,
) -> Result<(), ApiError> {
    let (subject, quotas) = whose(request);
    take(&quotas, state.rate_limits.admit_exactly(Rule::ApplyAddress, subject).await)
}

/// Takes one view from this address, by what this instance knows: one more or less is no matter.
pub(super) fn admit_look(state: &PortalState, request: &HttpRequest) -> Result<(), ApiError> {
    let (subject, quotas) = whose(request);
    take(&quotas, state.rate_limits.admit(Rule::ViewAddress, subject))
}

fn whose(request: &HttpRequest) -> (Subject, Quotas) {
    let subject = Client::of(request).and_then(|client| client.address).map_or(0, network_of);
    (subject, request.extensions().get::<Quotas>().cloned().unwrap_or_default())
}

/// Takes one application of this person to this employer. Nothing is told beforehand of what is
/// left: that would say how often somebody else has applied under the address.
pub(super) async fn admit_person(
    state: &PortalState,
    tenant: TenantId,
    email: &str,
) -> Result<(), ApiError> {
    let subject = digest_of(&format!("{tenant} {email}"));
    match state.rate_limits.admit_exactly(Rule::ApplyPerson, subject).await {
        Some(verdict) if verdict.refusal.is_some() => Err(too_many(verdict)),
        _ => Ok(()),
    }
}

/// Waits for a turn on the board. Whoever comes in a rush is not sent away at once: many people
/// apply when a posting is shared, and a refusal is an applicant lost.
pub(super) async fn wait_for_turn(
    state: &PortalState,
    board: &PublicBoard,
    tenant: TenantId,
) -> Result<(), ApiError> {
    let full = || {
        ApiError::new(ErrorCode::TooManyRequests, "Very many people are applying right now.")
            .with_retry_after(Duration::from_secs(5))
    };
    let mut place = None;
    let deadline = Instant::now() + board.settings.queue_timeout;
    loop {
        let subject = tenant.as_uuid().as_u128();
        let Some(verdict) = state.rate_limits.admit_exactly(Rule::ApplyBoard, subject).await else {
            return Ok(());
        };
        let Some(refusal) = verdict.refusal else { return Ok(()) };
        if place.is_none() {
            place = Some(board.waiting.try_acquire().map_err(|_| full())?);
        }
        let until = Instant::now() + refusal.retry_after.clamp(PAUSE.0, PAUSE.1);
        if until > deadline {
            return Err(full());
        }
        tokio::time::sleep_until(until).await;
    }
}
