//! What the identity provider says about people's places, brought into line with our rows.
//!
//! Everything here is done in the name of the identity provider, in the tenant that it was found
//! in: an ID token, a logout token or an event was verified before.

use employer_store::TenantTx;
use employer_store::identity::{self, Membership, TenantStatus};
use employer_store::invitations::{self, Acceptance, Invitee};
use employer_store::team;
use tenancy::{Actor, Evidence, OrgId, TenantId, TenantScope};
use time::OffsetDateTime;

use super::management::Place;
use super::oidc::Identity;
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// What the audit trail calls the identity provider.
pub(super) const ACTOR: &str = "identity_provider";

/// Begins a change in the name of the identity provider.
pub(super) async fn begin(
    state: &PortalState,
    tenant: TenantId,
    org: &OrgId,
) -> Result<TenantTx, ApiError> {
    let scope = scope(tenant, org);
    Ok(state.db.begin(&scope, &Actor::System(ACTOR)).await?)
}

#[expect(clippy::disallowed_methods, reason = "a message of the identity provider was verified")]
fn scope(tenant: TenantId, org: &OrgId) -> TenantScope {
    TenantScope::from_verified(tenant, org.clone(), Evidence::SystemTask(ACTOR))
}

/// Brings a membership into line with what the identity provider says now. It is asked while the
/// team is locked, so that no answer is written over a newer change of ours.
pub(super) async fn follow(
    state: &PortalState,
    membership: &Membership,
    subject: &str,
    as_of: Option<OffsetDateTime>,
) -> Result<(), ApiError> {
    let _turn = state.management.permit().await?;
    let mut tx = begin(state, membership.tenant, &membership.org).await?;
    team::lock(&mut tx).await?;
    let decides = state.settings.oidc.roles_claim.is_some();
    match state.management.find_place(&membership.org, subject).await? {
        Place::Stranger => drop(team::remove_by_provider(&mut tx, membership.user).await?),
        Place::Member(role) if decides => {
            drop(team::follow_provider(&mut tx, membership.user, role, as_of).await?);
        }
        Place::Member(_) => {}
    }
    state.writes.commit(tx).await
}

/// The place of somebody who has just signed in, in line with the identity provider where it
/// decides; none where they have none.
pub(super) async fn place_of(
    state: &PortalState,
    identity: &Identity,
    org: &OrgId,
    invitation: Option<&str>,
) -> Result<Option<Membership>, ApiError> {
    if let Some(ticket) = invitation {
        accept(state, identity, org, ticket).await?;
    }
    let found = identity::find_membership(&state.db, &identity.subject, org).await?;
    let Some(membership) = found else { return Ok(None) };
    if state.settings.oidc.roles_claim.is_none() {
        return Ok(Some(membership));
    }
    // A token that agrees is believed. One that does not may be older than our own last change.
    let says = identity.roles.as_deref().map(|roles| Place::of_names(names(roles)));
    if says == Some(Place::Member(membership.role)) {
        return Ok(Some(membership));
    }
    follow(state, &membership, &identity.subject, None).await?;
    Ok(identity::find_membership(&state.db, &identity.subject, org).await?)
}

/// Makes the person a member whom an invitation is for. Nothing happens where it is not open: a
/// member who follows their link a second time simply signs in.
async fn accept(
    state: &PortalState,
    identity: &Identity,
    org: &OrgId,
    ticket: &str,
) -> Result<(), ApiError> {
    let Some((tenant, TenantStatus::Active)) = identity::find_organization(&state.db, org).await?
    else {
        return Ok(());
    };
    if identity.is_email_unverified {
        return Err(another_address());
    }
    let invitee = Invitee {
        subject: &identity.subject,
        name: identity.name.as_deref().unwrap_or_default(),
        email: identity.email.as_deref().unwrap_or_default(),
    };
    let mut tx = begin(state, tenant, org).await?;
    match invitations::accept(&mut tx, ticket, &invitee).await? {
        Acceptance::Accepted => state.writes.commit(tx).await,
        Acceptance::AnotherAddress => Err(another_address()),
        // Ours once, and used, withdrawn, over or without an inviter now: it opens no other door.
        Acceptance::NotOpen if invitations::is_ours(&mut tx, ticket).await? => {
            Ok(tx.rollback().await?)
        }
        Acceptance::NotOpen => {
            tx.rollback().await?;
            join_by_provider(state, tenant, org, &invitee).await
        }
    }
}

/// An invitation that is not ours was made at the identity provider. Where that decides, it says
/// what the person is; where our rows do, they are nothing.
async fn join_by_provider(
    state: &PortalState,
    tenant: TenantId,
    org: &OrgId,
    invitee: &Invitee<'_>,
) -> Result<(), ApiError> {
    let known = identity::find_membership(&state.db, invitee.subject, org).await?;
    if state.settings.oidc.roles_claim.is_none() || known.is_some() {
        return Ok(());
    }
    let _turn = state.management.permit().await?;
    let mut tx = begin(state, tenant, org).await?;
    team::lock(&mut tx).await?;
    if let Place::Member(role) = state.management.find_place(org, invitee.subject).await? {
        invitations::join_by_provider(&mut tx, invitee, role).await?;
    }
    state.writes.commit(tx).await
}

fn another_address() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "The invitation is for another e-mail address.")
}

fn names(roles: &[String]) -> impl Iterator<Item = &str> {
    roles.iter().map(String::as_str)
}
