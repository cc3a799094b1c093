//! Callers with an access token of the identity provider.

use std::sync::Arc;

use employer_store::identity::{self, FoundTenant};
use session_store::OrganizationData;
use tenancy::{Actor, Authority, ClientName, Evidence, OrgId, TenantId, TenantScope, UserId};

use super::callers::{Ids, digest, digest_of};
use super::membership::{self, Member};
use super::oidc::{AccessToken, Holder, OidcError, TokenError};
use super::principal::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// Who calls with `token`; 401 where it is not acceptable or its holder is nobody here.
pub(super) async fn verify(state: &PortalState, token: &str) -> Result<Caller, ApiError> {
    let access = access_token(state, token).await?;
    if state.operators.platform_of(&access.organization).is_some() {
        return Err(refusal("The platform's people work with a browser."));
    }
    match &access.holder {
        Holder::Person(subject) => person(state, subject, &access).await,
        Holder::Machine(client) => machine(state, client, &access).await,
    }
}

/// What the token proves: as held, or as its signature and claims say.
async fn access_token(state: &PortalState, token: &str) -> Result<Arc<AccessToken>, ApiError> {
    let (held, key) = (state.callers.tokens(), digest(token));
    if let Some(access) = held.get(&key)
        && state.clock.now() < access.expires_at
    {
        return Ok(access);
    }
    let ticket = held.ticket();
    let access = match state.identity_provider.verify_access_token(token).await {
        Ok(Some(access)) => Arc::new(access),
        Ok(None) => return Err(refusal("This portal takes no access tokens.")),
        Err(OidcError::Token(error)) => return Err(unacceptable(error)),
        Err(error) => return Err(error.into()),
    };
    held.put(ticket, key, Arc::clone(&access));
    Ok(access)
}

/// An application of a member: their power now, cut down to what the token is good for.
#[expect(clippy::disallowed_methods, reason = "the token and the membership were verified")]
async fn person(
    state: &PortalState,
    subject: &str,
    access: &AccessToken,
) -> Result<Caller, ApiError> {
    let org = &access.organization;
    let found = member(state, subject, org).await?;
    let (tenant, user, data) =
        found.ok_or_else(|| refusal("The token's holder is no member any more."))?;
    membership::refuse_suspended(data.tenant_status)?;
    let role = data.role;
    Ok(Caller {
        scope: TenantScope::from_verified(tenant, org.clone(), Evidence::BearerToken),
        actor: Actor::Member { user, role },
        authority: Authority::of_person(role, access.permissions),
    })
}

/// The member whom the identity provider calls `subject` in `org`; none where there is none.
///
/// What they are is found on the same road as for sessions, which goes by our own ids. Those never
/// change for a subject and an organization while both are here; where they are not known yet, or
/// not any more, the row decides.
async fn member(
    state: &PortalState,
    subject: &str,
    org: &OrgId,
) -> Result<Option<(TenantId, UserId, Arc<OrganizationData>)>, ApiError> {
    let (ids, key) = (state.callers.ids(), digest_of(subject, org));
    if let Some(Ids { tenant, user }) = ids.get(&key) {
        let member = Member { user, tenant, org, subject };
        if let Some(data) = membership::organization_data(state, member).await? {
            return Ok(Some((tenant, user, data)));
        }
    }
    let _turn = state.access.turn().await?;
    let ticket = ids.ticket();
    let found = membership::read_membership(state, subject, org).await?;
    Ok(found.map(|(membership, data)| {
        let (tenant, user) = (membership.tenant, membership.user);
        ids.put(ticket, key, Ids { tenant, user });
        (tenant, user, data)
    }))
}

/// A client of its own account, in the organization that the token was given for.
#[expect(clippy::disallowed_methods, reason = "the token and the organization were verified")]
async fn machine(
    state: &PortalState,
    client: &ClientName,
    access: &AccessToken,
) -> Result<Caller, ApiError> {
    let org = &access.organization;
    let found = tenant(state, org).await?;
    let found = found.ok_or_else(|| refusal("The token's organization is not here."))?;
    membership::refuse_suspended(membership::status_of(found.status))?;
    Ok(Caller {
        scope: TenantScope::from_verified(found.tenant, org.clone(), Evidence::BearerToken),
        actor: Actor::Machine(client.clone()),
        authority: Authority::of_machine(access.permissions),
    })
}

async fn tenant(state: &PortalState, org: &OrgId) -> Result<Option<FoundTenant>, ApiError> {
    let held = state.callers.tenants();
    if let Some(found) = held.get(org) {
        return Ok(Some(found));
    }
    let _turn = state.access.turn().await?;
    let ticket = held.ticket();
    let found = identity::find_tenant(&state.db, org).await?;
    if let Some(found) = found {
        held.put(ticket, org.clone(), found);
    }
    Ok(found)
}

/// What is told of a token: whether another one would help. Which rule it broke is for the log.
fn unacceptable(error: TokenError) -> ApiError {
    let detail = match error {
        TokenError::Expired => "The access token has expired.",
        _ => "The access token is not acceptable.",
    };
    refusal(detail).with_source(error)
}

fn refusal(detail: &'static str) -> ApiError {
    let challenge =
        format!("Bearer realm=\"portal\", error=\"invalid_token\", error_description=\"{detail}\"");
    ApiError::new(ErrorCode::Unauthenticated, detail).with_challenge(challenge)
}
