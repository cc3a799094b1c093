//! Old notifications are forgotten.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// How much older than they need be the oldest notifications of an inbox become before it is
/// shortened. Each time gives it another epoch, so that whoever comes back with a number from
/// before is told to start anew; once a week disturbs nobody.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Forgets notifications older than `keep` in up to `limit` inboxes that have some a week older than
/// that, and gives those inboxes another epoch. Answers how many notifications are gone.
pub async fn purge(
    db: &WorkerDb,
    now: OffsetDateTime,
    keep: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let inboxes = sqlx::query!(
        "SELECT h.tenant_id, h.user_id
         FROM feed_heads h
         WHERE (h.tenant_id, h.user_id) IN (
             SELECT n.tenant_id, n.user_id FROM notifications n WHERE n.created_at < $1
         )
         ORDER BY h.tenant_id, h.user_id
         LIMIT $2
         FOR NO KEY UPDATE SKIP LOCKED",
        now - keep - GRACE,
        limit,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if inboxes.is_empty() {
        return Ok(0);
    }
    let tenants: Vec<Uuid> = inboxes.iter().map(|inbox| inbox.tenant_id).collect();
    let users: Vec<Uuid> = inboxes.iter().map(|inbox| inbox.user_id).collect();
    let gone = sqlx::query!(
        r#"WITH inbox AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS i (tenant_id, user_id)
           ), gone AS (
               DELETE FROM notifications n USING inbox i
               WHERE n.tenant_id = i.tenant_id AND n.user_id = i.user_id AND n.created_at < $3
               RETURNING n.tenant_id, n.user_id,
                         n.read_at IS NULL AND n.archived_at IS NULL AS is_unread
           ), shortened AS (
               UPDATE feed_heads h
               SET epoch = h.epoch + 1,
                   unread = greatest(0, h.unread - (
                       SELECT count(*) FROM gone g
                       WHERE g.tenant_id = h.tenant_id AND g.user_id = h.user_id AND g.is_unread))
               FROM inbox i
               WHERE h.tenant_id = i.tenant_id AND h.user_id = i.user_id
           )
           SELECT count(*) AS "count!" FROM gone"#,
        &tenants,
        &users,
        now - keep,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(u64::try_from(gone.count).unwrap_or_default())
}
