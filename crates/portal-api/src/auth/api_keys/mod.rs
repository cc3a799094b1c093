//! Callers with an API key of a tenant.

mod key;
pub(crate) mod routes;
mod uses;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use employer_store::api_keys::{self, ResolvedApiKey};
use tenancy::{Actor, Authority, Evidence, PermissionSet, TenantScope};

use self::key::Key;
pub(super) use self::key::MARK;
pub use self::uses::{KeyUse, KeyUses};
use super::membership;
use super::principal::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// Who calls with the key `text`; 401 where it is none, not any more, or whoever made it is gone.
#[expect(clippy::disallowed_methods, reason = "the key and its creator's membership were verified")]
pub(super) async fn verify(state: &PortalState, text: &str) -> Result<Caller, ApiError> {
    let found = resolved(state, text).await?;
    let now = state.clock.now();
    if found.expires_at.is_some_and(|end| end <= now) {
        return Err(refusal());
    }
    membership::refuse_suspended(membership::status_of(found.tenant_status))?;
    let scopes = PermissionSet::of_scopes(found.scopes.iter().map(String::as_str));
    state.key_uses.note(found.tenant, found.id, now);
    Ok(Caller {
        scope: TenantScope::from_verified(found.tenant, found.org.clone(), Evidence::ApiKey),
        actor: Actor::ApiKey { key: found.id, creator: found.creator },
        authority: Authority::of_api_key(found.creator_role, scopes),
    })
}

/// What is known of the key: as held, for at most the lease, or as the database says.
async fn resolved(state: &PortalState, text: &str) -> Result<Arc<ResolvedApiKey>, ApiError> {
    let key = Key::parse(text).ok_or_else(refusal)?;
    let held = state.callers.keys();
    if let Some(found) = held.get(&key.sha256()) {
        return Ok(found);
    }
    let _turn = state.access.turn().await?;
    let ticket = held.ticket();
    let candidates = api_keys::resolve(&state.db, key.prefix()).await?;
    let found = the_same(&key, candidates).map(Arc::new).ok_or_else(refusal)?;
    held.put(ticket, key.sha256(), Arc::clone(&found));
    Ok(found)
}

/// A key that `found` is held for, as if the database had just answered.
#[cfg(feature = "testing")]
pub(super) fn hold(state: &PortalState, found: ResolvedApiKey) -> String {
    let (key, held) = (Key::generate(), state.callers.keys());
    held.put(held.ticket(), key.sha256(), Arc::new(found));
    key.expose().to_owned()
}

/// The one whose hash is that of `key`, compared in a time that tells nothing about either.
fn the_same(key: &Key, candidates: Vec<ResolvedApiKey>) -> Option<ResolvedApiKey> {
    let wanted = key.sha256();
    candidates.into_iter().find(|one| verify_slices_are_equal(&one.sha256, &wanted).is_ok())
}

/// The same for every reason: whoever tries keys learns nothing.
fn refusal() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "The API key is not valid.").with_challenge(
        "Bearer realm=\"portal\", error=\"invalid_token\", \
         error_description=\"The API key is not valid.\"",
    )
}
