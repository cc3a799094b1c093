//! Old notifications are forgotten.

use std::time::Duration;

use tenancy::{TenantId, UserId};
use time::OffsetDateTime;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// How much older than they need be the oldest notifications of an inbox become before it is
/// shortened. Each time gives it another epoch, so that whoever comes back with a number from
/// before is told to start anew; once a week disturbs nobody.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Most notifications looked at to find out which inboxes are to be shortened.
const LOOKED_AT: i64 = 100_000;

/// Most notifications deleted in one transaction: it holds the inbox, and whoever tells its owner of
/// something waits for it.
const STEP: i64 = 2_000;

/// Forgets notifications older than `keep` in up to `limit` inboxes that have some a week older than
/// that, and gives those inboxes another epoch. Answers how many notifications are gone.
///
/// However much there is, it goes in short steps, and what is gone stays gone if this is ended.
pub async fn purge(
    db: &WorkerDb,
    now: OffsetDateTime,
    keep: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    let inboxes = sqlx::query!(
        "SELECT DISTINCT tenant_id, user_id
         FROM (SELECT tenant_id, user_id FROM notifications WHERE created_at < $1 LIMIT $3) old
         ORDER BY tenant_id, user_id
         LIMIT $2",
        now - keep - GRACE,
        limit,
        LOOKED_AT,
    )
    .fetch_all(db.pool())
    .await?;
    let mut gone = 0;
    for inbox in inboxes {
        let owner = (TenantId::from_uuid(inbox.tenant_id), UserId::from_uuid(inbox.user_id));
        gone += shorten(db, owner, now - keep).await?;
    }
    Ok(gone)
}

/// Forgets what is older than `until` in one inbox, oldest first. The first step alone begins another
/// epoch: whoever starts anew after it stands behind all that the further ones take.
async fn shorten(
    db: &WorkerDb,
    (tenant, user): (TenantId, UserId),
    until: OffsetDateTime,
) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let is_first = total == 0;
        let mut transaction = db.pool().begin_with("BEGIN").await?;
        // A statement of its own: the next one sees what another instance has deleted meanwhile.
        sqlx::query!(
            "SELECT seq FROM feed_heads WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE",
            tenant.as_uuid(),
            user.as_uuid(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let gone = sqlx::query_scalar!(
            r#"WITH old AS (
                   SELECT tenant_id, user_id, seq FROM notifications
                   WHERE tenant_id = $1 AND user_id = $2 AND created_at < $3
                   ORDER BY seq LIMIT $4
               ), gone AS (
                   DELETE FROM notifications n USING old
                   WHERE n.tenant_id = old.tenant_id AND n.user_id = old.user_id
                     AND n.seq = old.seq
                   RETURNING n.read_at IS NULL AND n.archived_at IS NULL AS is_unread
               ), shortened AS (
                   UPDATE feed_heads h
                   SET epoch = h.epoch + CASE WHEN $5 THEN 1 ELSE 0 END,
                       unread = greatest(
                           0, h.unread - (SELECT count(*) FROM gone WHERE is_unread))
                   WHERE h.tenant_id = $1 AND h.user_id = $2 AND EXISTS (SELECT 1 FROM gone)
               )
               SELECT count(*) AS "count!" FROM gone"#,
            tenant.as_uuid(),
            user.as_uuid(),
            until,
            STEP,
            is_first,
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        total += u64::try_from(gone).unwrap_or_default();
        if gone < STEP {
            return Ok(total);
        }
    }
}
