//! The ledger of sessions: who is signed in where, until when, and what ended it.
//!
//! A session is known by the SHA-256 of its cookie's value, which only its own browser has, and to
//! the person's other devices by a handle. What is asked before a tenant is known goes through
//! functions, as in [`identity`](crate::identity); everything else works in a [`TenantTx`].

mod find;
mod list;
mod refresh;
mod revoke;

use std::fmt;

use tenancy::UserId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;

pub use find::{
    FoundSession, SessionRow, SignedIn, database_time, find_by_idp_sid, find_by_subject,
    find_session, touch_session,
};
pub use list::{Device, list_member_ids, list_sessions, purge_ended};
pub use refresh::{LockedTokens, RefreshOutcome, give_up_refresh, lock_tokens, store_tokens};
pub use revoke::{
    RevocationReason, list_revoked, revoke_all_of, revoke_by_idp_sid, revoke_others,
    revoke_session, revoke_this,
};

/// SHA-256 of a cookie's value.
pub type SidHash = [u8; 32];

/// Longest identity provider's session that is stored, in bytes; a longer one is not kept.
const MAX_IDP_SID_BYTES: usize = 512;

/// A session that begins.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 of its cookie's value.
    pub sid_hash: SidHash,
    /// Whose it is.
    pub user: UserId,
    /// What unsafe requests repeat.
    pub csrf_token: String,
    /// The person as the identity provider names them.
    pub subject: String,
    /// The identity provider.
    pub idp_issuer: String,
    /// The identity provider's own session.
    pub idp_sid: Option<String>,
    /// The family of the browser.
    pub agent: String,
    /// Where it was begun, without what tells one household from the next.
    pub address: String,
    /// When it ends however busy it is.
    pub absolute_expires_at: OffsetDateTime,
    /// The identity provider's tokens, sealed, where they are kept.
    pub tokens: Option<SealedTokens>,
}

/// Without what proves anything or names the person to others.
impl fmt::Debug for NewSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewSession").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Tokens of the identity provider, which only the process can read.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// When the access token among them ends.
    pub access_expires_at: OffsetDateTime,
}

impl fmt::Debug for SealedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SealedTokens")
            .field("access_expires_at", &self.access_expires_at)
            .finish_non_exhaustive()
    }
}

/// Adds a session of a member. Answers the time of it by the database's clock; none where the
/// person is no member any more.
pub async fn create_session(
    tx: &mut TenantTx,
    new: &NewSession,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let tenant = tx.tenant();
    let idp_sid = new.idp_sid.as_deref().filter(|sid| is_storable(sid));
    let (sealed, access_expires_at) = match &new.tokens {
        Some(tokens) => (Some(tokens.sealed.as_slice()), Some(tokens.access_expires_at)),
        None => (None, None),
    };
    let at = sqlx::query_scalar!(
        "INSERT INTO sessions
             (tenant_id, handle, sid_hash, user_id, epoch, csrf_token, subject, idp_issuer, idp_sid,
              agent, address, absolute_expires_at, tokens, access_expires_at)
         SELECT m.tenant_id, $2, $3, m.user_id, coalesce(e.epoch, 0), $5, $6, $7, $8, $9, $10, $11,
                $12, $13
         FROM memberships m
         LEFT JOIN session_epochs e ON e.tenant_id = m.tenant_id AND e.user_id = m.user_id
         WHERE m.tenant_id = $1 AND m.user_id = $4
         RETURNING created_at",
        tenant,
        Uuid::new_v4(),
        new.sid_hash.as_slice(),
        new.user.as_uuid(),
        new.csrf_token,
        new.subject,
        new.idp_issuer,
        idp_sid,
        new.agent,
        new.address,
        new.absolute_expires_at,
        sealed,
        access_expires_at,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(at)
}

fn is_storable(sid: &str) -> bool {
    (1..=MAX_IDP_SID_BYTES).contains(&sid.len()) && !sid.contains('\0')
}

fn read_hash(bytes: &[u8]) -> Result<SidHash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::inconsistent("hash of a session"))
}
