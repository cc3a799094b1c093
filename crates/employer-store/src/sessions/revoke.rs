//! Sessions that end before their time.
//!
//! Each of these writes the audit row and one `session.revoked`, which ends the copies. The one
//! exception is [`RevocationReason::MemberRemoved`]: the event of the removal says the same.

use std::fmt;
use std::fmt::Write as _;

use serde_json::json;
use tenancy::{EventKind, UserId};
use uuid::Uuid;

use super::{SidHash, read_hash};
use crate::audit::{self, SecurityEvent};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Most hashes that an event names; whoever acts on one that names none looks them up.
const MAX_NAMED: usize = 100;

/// How long after its end a session is still told of: longer than any copy of it may live.
const TOLD_HOURS: i32 = 24 * 8;

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// The person signed out in that browser.
    SignedOut,
    /// A new sign-in in the same browser took its place.
    Replaced,
    /// The person ended it from another device.
    DeviceEnded,
    /// The person ended all others.
    OthersEnded,
    /// The person signed out everywhere.
    EverywhereEnded,
    /// The identity provider said so.
    BackChannelLogout,
    /// The identity provider takes the refresh token no more.
    RefreshRefused,
    /// The person is no member any more.
    MemberRemoved,
    /// An operator of the platform ended it.
    Operator,
}

impl RevocationReason {
    /// The stable word in rows and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Replaced => "replaced",
            Self::DeviceEnded => "device_ended",
            Self::OthersEnded => "others_ended",
            Self::EverywhereEnded => "everywhere_ended",
            Self::BackChannelLogout => "back_channel_logout",
            Self::RefreshRefused => "refresh_refused",
            Self::MemberRemoved => "member_removed",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Ends all of a person's sessions in the tenant, and any sign-in that is under way. Answers how
/// many ended.
pub async fn revoke_all_of(
    tx: &mut TenantTx,
    user: UserId,
    reason: RevocationReason,
) -> Result<u64, StoreError> {
    next_epoch(tx, user).await?;
    let tenant = tx.tenant();
    let ended = sqlx::query_scalar!(
        "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_for = $3
         WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL
         RETURNING sid_hash",
        tenant,
        user.as_uuid(),
        reason.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    // Told even where none ended: a sign-in that was under way may have made one since.
    tell(tx, user, reason, &ended).await
}

/// Ends the session that a person's devices know by this handle; `false` where the person has none.
pub async fn revoke_session(
    tx: &mut TenantTx,
    user: UserId,
    handle: Uuid,
    reason: RevocationReason,
) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let ended = sqlx::query_scalar!(
        "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_for = $4
         WHERE tenant_id = $1 AND handle = $2 AND user_id = $3 AND revoked_at IS NULL
           AND absolute_expires_at > now()
         RETURNING sid_hash",
        tenant,
        handle,
        user.as_uuid(),
        reason.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(tell_of_some(tx, user, reason, &ended).await? > 0)
}

/// Ends the session of a cookie; `false` where it had ended.
pub async fn revoke_this(
    tx: &mut TenantTx,
    user: UserId,
    sid: &SidHash,
    reason: RevocationReason,
) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let ended = sqlx::query_scalar!(
        "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_for = $4
         WHERE tenant_id = $1 AND sid_hash = $2 AND user_id = $3 AND revoked_at IS NULL
         RETURNING sid_hash",
        tenant,
        sid.as_slice(),
        user.as_uuid(),
        reason.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(tell_of_some(tx, user, reason, &ended).await? > 0)
}

/// Ends all of a person's sessions in the tenant but that of this cookie. Answers how many ended;
/// none where that one itself has ended already, which must not bring it back.
pub async fn revoke_others(
    tx: &mut TenantTx,
    user: UserId,
    kept: &SidHash,
    reason: RevocationReason,
) -> Result<Option<u64>, StoreError> {
    let epoch = next_epoch(tx, user).await?;
    let tenant = tx.tenant();
    let lifted = sqlx::query!(
        "UPDATE sessions SET epoch = $4
         WHERE tenant_id = $1 AND user_id = $2 AND sid_hash = $3 AND revoked_at IS NULL
           AND epoch + 1 = $4",
        tenant,
        user.as_uuid(),
        kept.as_slice(),
        epoch,
    )
    .execute(tx.connection())
    .await?;
    if lifted.rows_affected() == 0 {
        return Ok(None);
    }
    let ended = sqlx::query_scalar!(
        "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_for = $4
         WHERE tenant_id = $1 AND user_id = $2 AND sid_hash <> $3 AND revoked_at IS NULL
         RETURNING sid_hash",
        tenant,
        user.as_uuid(),
        kept.as_slice(),
        reason.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    tell_of_some(tx, user, reason, &ended).await.map(Some)
}

/// Ends a person's sessions in the tenant that stand on this session of the identity provider.
/// Answers how many ended.
pub async fn revoke_by_idp_sid(
    tx: &mut TenantTx,
    user: UserId,
    issuer: &str,
    idp_sid: &str,
    reason: RevocationReason,
) -> Result<u64, StoreError> {
    let tenant = tx.tenant();
    let ended = sqlx::query_scalar!(
        "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_for = $5
         WHERE tenant_id = $1 AND user_id = $2 AND idp_issuer = $3 AND idp_sid = $4
           AND revoked_at IS NULL
         RETURNING sid_hash",
        tenant,
        user.as_uuid(),
        issuer,
        idp_sid,
        reason.as_str(),
    )
    .fetch_all(tx.connection())
    .await?;
    tell_of_some(tx, user, reason, &ended).await
}

/// A person's sessions in the tenant of which copies may still be about though they have ended.
pub async fn list_revoked(tx: &mut TenantTx, user: UserId) -> Result<Vec<SidHash>, StoreError> {
    let tenant = tx.tenant();
    let ended = sqlx::query_scalar!(
        "SELECT sid_hash FROM sessions
         WHERE tenant_id = $1 AND user_id = $2 AND revoked_at > now() - make_interval(hours => $3)
         ORDER BY revoked_at DESC LIMIT 1000",
        tenant,
        user.as_uuid(),
        TOLD_HOURS,
    )
    .fetch_all(tx.connection())
    .await?;
    ended.iter().map(|hash| read_hash(hash)).collect()
}

/// Ends every session of an older epoch, those included that nobody has seen yet.
async fn next_epoch(tx: &mut TenantTx, user: UserId) -> Result<i64, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        "INSERT INTO session_epochs (tenant_id, user_id, epoch) VALUES ($1, $2, 1)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET epoch = session_epochs.epoch + 1
         RETURNING epoch",
        tenant,
        user.as_uuid(),
    )
    .fetch_one(tx.connection())
    .await?)
}

async fn tell_of_some(
    tx: &mut TenantTx,
    user: UserId,
    reason: RevocationReason,
    ended: &[Vec<u8>],
) -> Result<u64, StoreError> {
    if ended.is_empty() { Ok(0) } else { tell(tx, user, reason, ended).await }
}

async fn tell(
    tx: &mut TenantTx,
    user: UserId,
    reason: RevocationReason,
    ended: &[Vec<u8>],
) -> Result<u64, StoreError> {
    let count = u64::try_from(ended.len()).unwrap_or(u64::MAX);
    let detail = json!({ "reason": reason.as_str(), "sessions": count });
    audit::record(
        tx,
        SecurityEvent::SessionExpired.as_str(),
        &format!("user:{user}"),
        detail,
        None,
    )
    .await?;
    if reason != RevocationReason::MemberRemoved {
        let mut payload = json!({ "reason": reason.as_str() });
        if ended.len() <= MAX_NAMED
            && let Some(fields) = payload.as_object_mut()
        {
            let named: Vec<String> = ended.iter().map(|hash| hex(hash)).collect();
            fields.insert("sids".to_owned(), named.into());
        }
        tx.emit(EventKind::SessionsRevoked, Some(user.as_uuid()), payload).await?;
    }
    Ok(count)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
