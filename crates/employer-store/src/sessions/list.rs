//! A person's devices, and what becomes of sessions that are over.

use std::time::Duration;

use tenancy::UserId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{SidHash, read_hash};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;
use crate::worker_db::WorkerDb;

/// Most devices that a list shows.
const MAX_DEVICES: i64 = 200;

/// How long a session is kept after its end, for whoever holds a copy of it.
const KEPT_DAYS: i32 = 8;

/// Rows removed at a time.
const PURGE_BATCH: i64 = 5_000;

/// One session as the person's other devices may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is known by.
    pub handle: Uuid,
    /// To tell which of them is asking; not to be shown.
    pub sid_hash: SidHash,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it was in use, coarsely.
    pub touched_at: OffsetDateTime,
    /// When it ends however busy it is.
    pub absolute_expires_at: OffsetDateTime,
    /// The family of the browser; empty where it is not known.
    pub agent: String,
    /// The truncated address; empty where it is not known.
    pub address: String,
}

/// The sessions of a person in the tenant that have not ended and were in use within `idle`,
/// newest first; 200 at most.
pub async fn list_sessions(
    tx: &mut TenantTx,
    user: UserId,
    idle: Duration,
) -> Result<Vec<Device>, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "SELECT s.handle, s.sid_hash, s.created_at, s.touched_at, s.absolute_expires_at, s.agent,
                s.address
         FROM sessions s
         LEFT JOIN session_epochs e ON e.tenant_id = s.tenant_id AND e.user_id = s.user_id
         WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL
           AND s.absolute_expires_at > now() AND s.touched_at > now() - make_interval(secs => $3)
           AND s.epoch = coalesce(e.epoch, 0)
         ORDER BY s.created_at DESC, s.handle
         LIMIT $4",
        tenant,
        user.as_uuid(),
        idle.as_secs_f64(),
        MAX_DEVICES,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Device {
                handle: row.handle,
                sid_hash: read_hash(&row.sid_hash)?,
                created_at: row.created_at,
                touched_at: row.touched_at,
                absolute_expires_at: row.absolute_expires_at,
                agent: row.agent,
                address: row.address,
            })
        })
        .collect()
}

/// Who is a member of the tenant: those of whom copies may be about, whether they sign in or send
/// tokens.
pub async fn list_member_ids(tx: &mut TenantTx) -> Result<Vec<UserId>, StoreError> {
    let tenant = tx.tenant();
    let users =
        sqlx::query_scalar!("SELECT user_id FROM memberships WHERE tenant_id = $1", tenant,)
            .fetch_all(tx.connection())
            .await?;
    Ok(users.into_iter().map(UserId::from_uuid).collect())
}

/// Removes sessions that have been over for days; answers how many. To be repeated while there are
/// some.
pub async fn purge_ended(db: &WorkerDb) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "DELETE FROM sessions s
         USING (SELECT tenant_id, handle FROM sessions
                WHERE absolute_expires_at < now() - make_interval(days => $1)
                LIMIT $2) old
         WHERE s.tenant_id = old.tenant_id AND s.handle = old.handle",
        KEPT_DAYS,
        PURGE_BATCH,
    )
    .execute(db.pool())
    .await?;
    Ok(removed.rows_affected())
}
