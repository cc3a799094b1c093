//! Callers for measurements: one who is known beforehand, and credentials that are held already.

use std::sync::Arc;

use employer_store::api_keys::ResolvedApiKey;
use tenancy::{Actor, Authority, PermissionSet, TenantScope};

use super::api_keys;
use super::authorized::{Authorized, JobsRead};
use super::callers::{Ids, digest, digest_of};
use super::oidc::{AccessToken, Holder};
use super::principal::{Caller, Principal};
use crate::error::ApiError;
use crate::state::PortalState;
use crate::testing::TokenHolder;

/// What the extractor would say of this caller.
pub(crate) fn reader(
    scope: TenantScope,
    actor: Actor,
    authority: Authority,
) -> Result<Authorized<JobsRead>, ApiError> {
    Authorized::check(Principal::from(Caller { scope, actor, authority }))
}

/// A key that is held as if the database had just answered.
pub(crate) fn hold_api_key(state: &PortalState, found: ResolvedApiKey) -> String {
    api_keys::hold(state, found)
}

/// Holds `token` as if it had just been verified.
pub(crate) fn hold_access_token(state: &PortalState, token: &str, holder: TokenHolder) {
    let TokenHolder { subject, tenant, user, organization, expires_at } = holder;
    let (tokens, ids) = (state.callers.tokens(), state.callers.ids());
    ids.put(ids.ticket(), digest_of(&subject, &organization), Ids { tenant, user });
    let access = AccessToken {
        holder: Holder::Person(subject),
        organization,
        permissions: PermissionSet::all(),
        expires_at,
    };
    tokens.put(tokens.ticket(), digest(token), Arc::new(access));
}
