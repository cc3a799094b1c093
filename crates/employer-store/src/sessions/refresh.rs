//! The identity provider's tokens: one refresh at a time, over all instances.
//!
//! The lock is part of the row that it protects, so it is there whenever the tokens are, whatever
//! becomes of Redis, and the tokens are read in the statement that takes it.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{SealedTokens, SidHash};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Tokens that this caller alone may refresh until the lock's time is over.
#[derive(Clone, PartialEq, Eq)]
pub struct LockedTokens {
    /// Proves that the lock is this caller's.
    pub lock: Uuid,
    /// The sealed tokens.
    pub sealed: Vec<u8>,
    /// How often they were refreshed.
    pub version: i32,
}

impl fmt::Debug for LockedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LockedTokens")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What became of new tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// They are stored.
    Stored,
    /// The session has ended, or the lock had passed to somebody else.
    Lost,
}

/// Takes the tokens of a session for a refresh: none where its access token is good until after
/// `due`, where it has none or has ended, or where somebody else is at it or was told to wait.
pub async fn lock_tokens(
    tx: &mut TenantTx,
    sid: &SidHash,
    due: OffsetDateTime,
    for_at_most: Duration,
) -> Result<Option<LockedTokens>, StoreError> {
    let (tenant, lock) = (tx.tenant(), Uuid::new_v4());
    let row = sqlx::query!(
        r#"UPDATE sessions
           SET refresh_lock = $4, refresh_not_before = now() + make_interval(secs => $5)
           WHERE tenant_id = $1 AND sid_hash = $2 AND revoked_at IS NULL AND tokens IS NOT NULL
             AND absolute_expires_at > now() AND access_expires_at <= $3
             AND (refresh_not_before IS NULL OR refresh_not_before <= now())
           RETURNING tokens AS "tokens!", tokens_version"#,
        tenant,
        sid.as_slice(),
        due,
        lock,
        for_at_most.as_secs_f64(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| LockedTokens { lock, sealed: row.tokens, version: row.tokens_version }))
}

/// Stores what a refresh brought, and lets the next one come when it is due.
pub async fn store_tokens(
    tx: &mut TenantTx,
    sid: &SidHash,
    lock: Uuid,
    tokens: &SealedTokens,
) -> Result<RefreshOutcome, StoreError> {
    let tenant = tx.tenant();
    let stored = sqlx::query!(
        "UPDATE sessions
         SET tokens = $4, access_expires_at = $5, tokens_version = tokens_version + 1,
             refresh_lock = NULL, refresh_not_before = NULL
         WHERE tenant_id = $1 AND sid_hash = $2 AND refresh_lock = $3 AND revoked_at IS NULL",
        tenant,
        sid.as_slice(),
        lock,
        tokens.sealed,
        tokens.access_expires_at,
    )
    .execute(tx.connection())
    .await?;
    let is_stored = stored.rows_affected() > 0;
    Ok(if is_stored { RefreshOutcome::Stored } else { RefreshOutcome::Lost })
}

/// Leaves the tokens as they are; nobody tries again before `pause` is over.
pub async fn give_up_refresh(
    tx: &mut TenantTx,
    sid: &SidHash,
    lock: Uuid,
    pause: Duration,
) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE sessions
         SET refresh_lock = NULL, refresh_not_before = now() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND sid_hash = $2 AND refresh_lock = $3",
        tenant,
        sid.as_slice(),
        lock,
        pause.as_secs_f64(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
