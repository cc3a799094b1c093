//! Notifications that are seen, read and put away, and the count that follows.
//!
//! The count is taken anew under the lock of the inbox, instead of being counted down: whatever made
//! it differ from what the person sees, their next deed mends.

use serde_json::json;
use tenancy::{EventKind, UserId};

use super::audience::Reach;
use super::read::{Head, head};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// What becomes of notifications. None of it is ever taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// This one and all before it were shown.
    SeenUpTo(i64),
    /// This one was read.
    Read(i64),
    /// This one and all before it were read.
    ReadUpTo(i64),
    /// Everything that is there was read.
    AllRead,
    /// This one is put away; it counts as read.
    Archive(i64),
}

/// Marks notifications of somebody, with the event that tells their other devices. Answers how the
/// inbox is now; none where the one that is meant is not there for them.
pub async fn mark(tx: &mut TenantTx, user: UserId, mark: Mark) -> Result<Option<Head>, StoreError> {
    lock(tx, user).await?;
    let (first, last) = match mark {
        Mark::Read(seq) | Mark::Archive(seq) => {
            if !is_visible(tx, user, seq).await? {
                return Ok(None);
            }
            (seq, seq)
        }
        Mark::SeenUpTo(seq) | Mark::ReadUpTo(seq) => (0, seq),
        Mark::AllRead => (0, i64::MAX),
    };
    let is_read = !matches!(mark, Mark::SeenUpTo(_));
    let is_archived = matches!(mark, Mark::Archive(_));
    let changed = sqlx::query!(
        "UPDATE notifications
         SET seen_at = coalesce(seen_at, now()),
             read_at = CASE WHEN $5 THEN coalesce(read_at, now()) ELSE read_at END,
             archived_at = CASE WHEN $6 THEN coalesce(archived_at, now()) ELSE archived_at END,
             mail_due_at = CASE WHEN $5 THEN NULL ELSE mail_due_at END
         WHERE tenant_id = $1 AND user_id = $2 AND seq BETWEEN $3 AND $4
           AND (seen_at IS NULL OR ($5 AND read_at IS NULL) OR ($6 AND archived_at IS NULL))",
        tx.tenant(),
        user.as_uuid(),
        first,
        last,
        is_read,
        is_archived,
    )
    .execute(tx.connection())
    .await?;
    if changed.rows_affected() > 0 {
        count(tx, user).await?;
        tx.emit(EventKind::FeedChanged, Some(user.as_uuid()), json!({ "v": 1 })).await?;
    }
    head(tx, user).await.map(Some)
}

/// Counts what waits to be read anew: what somebody may see has changed.
pub async fn recount(tx: &mut TenantTx, user: UserId) -> Result<(), StoreError> {
    lock(tx, user).await?;
    count(tx, user).await
}

/// A statement of its own: the next one sees what was committed while this one waited.
pub(super) async fn lock(tx: &mut TenantTx, user: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT seq FROM feed_heads WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE",
        tx.tenant(),
        user.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(())
}

async fn count(tx: &mut TenantTx, user: UserId) -> Result<(), StoreError> {
    let reach = Reach::all();
    sqlx::query!(
        "UPDATE feed_heads h
         SET unread = (
             SELECT count(*)
             FROM notifications n
             JOIN memberships m ON m.tenant_id = n.tenant_id AND m.user_id = n.user_id
             JOIN unnest($3::text[], $4::text[], $5::bool[]) AS r (kind, role, is_assigned_only)
                 ON r.kind = n.kind AND r.role = m.role
             WHERE n.tenant_id = $1 AND n.user_id = $2
               AND n.read_at IS NULL AND n.archived_at IS NULL
               AND (NOT r.is_assigned_only OR EXISTS (
                   SELECT 1 FROM job_team t
                   WHERE t.tenant_id = n.tenant_id AND t.job_id = n.job_id
                     AND t.user_id = n.user_id
               )))
         WHERE h.tenant_id = $1 AND h.user_id = $2",
        tx.tenant(),
        user.as_uuid(),
        &reach.kinds,
        &reach.roles,
        &reach.is_assigned_only,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn is_visible(tx: &mut TenantTx, user: UserId, seq: i64) -> Result<bool, StoreError> {
    // The next one after its predecessor is the one itself, or it is not there for this person.
    let Some(before) = seq.checked_sub(1) else { return Ok(false) };
    let found = super::read::since(tx, user, before, 1).await?;
    Ok(found.first().is_some_and(|one| one.seq == seq))
}
