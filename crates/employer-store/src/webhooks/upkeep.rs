//! What keeps the tables of webhooks small and their secrets under the newest key.

use std::time::Duration;

use tenancy::{TenantId, WebhookId};
use uuid::Uuid;

use super::queue::MOST_ATTEMPTS;
use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// Rows changed in one statement.
const BATCH: i64 = 1_000;

/// How long an endpoint's row outlives its deletion: no statement that found it before runs longer,
/// and one that queued something for it must not fail by its absence.
const STRAGGLERS: Duration = Duration::from_secs(120);

/// An endpoint's secrets, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecrets {
    /// Whose it is.
    pub tenant: TenantId,
    /// The endpoint.
    pub endpoint: WebhookId,
    /// The secret.
    pub secret: Vec<u8>,
    /// The one before it.
    pub old_secret: Option<Vec<u8>>,
}

impl std::fmt::Debug for SealedSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SealedSecrets")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Gives up what waits for endpoints that we gave up, and what nobody finishes with. Returns how
/// many deliveries that were.
pub async fn give_up_the_hopeless(db: &WorkerDb) -> Result<u64, StoreError> {
    let given_up = sqlx::query!(
        "UPDATE webhook_deliveries d
         SET status = 'failed', in_hand = false, finished_at = clock_timestamp()
         FROM (
             SELECT d.tenant_id, d.endpoint_id, d.event_id
             FROM webhook_deliveries d
             JOIN webhook_endpoints w ON w.tenant_id = d.tenant_id AND w.id = d.endpoint_id
             WHERE d.status = 'pending' AND (w.status = 'disabled' OR d.attempts >= $1)
               AND NOT (d.in_hand AND d.next_attempt_at > clock_timestamp())
             LIMIT $2
             FOR UPDATE OF d SKIP LOCKED
         ) hopeless
         WHERE d.tenant_id = hopeless.tenant_id AND d.endpoint_id = hopeless.endpoint_id
           AND d.event_id = hopeless.event_id",
        MOST_ATTEMPTS,
        BATCH,
    )
    .execute(db.pool())
    .await?;
    Ok(given_up.rows_affected())
}

/// Deletes deliveries that were finished longer than `keep` ago, some at a time. Returns how many.
pub async fn purge(db: &WorkerDb, keep: Duration) -> Result<u64, StoreError> {
    let purged = sqlx::query!(
        "DELETE FROM webhook_deliveries d
         USING (
             SELECT tenant_id, endpoint_id, event_id FROM webhook_deliveries
             WHERE finished_at < now() - make_interval(secs => $1)
             ORDER BY finished_at LIMIT $2
             FOR UPDATE SKIP LOCKED
         ) old
         WHERE d.tenant_id = old.tenant_id AND d.endpoint_id = old.endpoint_id
           AND d.event_id = old.event_id",
        keep.as_secs_f64(),
        BATCH,
    )
    .execute(db.pool())
    .await?;
    Ok(purged.rows_affected())
}

/// Deletes what endpoints were told that people have deleted, some at a time, and then the endpoints.
/// Returns how many deliveries that were.
pub async fn clear_deleted(db: &WorkerDb) -> Result<u64, StoreError> {
    let cleared = sqlx::query!(
        "DELETE FROM webhook_deliveries d
         USING (
             SELECT d.tenant_id, d.endpoint_id, d.event_id
             FROM webhook_endpoints w
             JOIN webhook_deliveries d ON d.tenant_id = w.tenant_id AND d.endpoint_id = w.id
             WHERE w.deleted_at IS NOT NULL
             LIMIT $1
             FOR UPDATE OF d SKIP LOCKED
         ) log
         WHERE d.tenant_id = log.tenant_id AND d.endpoint_id = log.endpoint_id
           AND d.event_id = log.event_id",
        BATCH,
    )
    .execute(db.pool())
    .await?;
    sqlx::query!(
        "DELETE FROM webhook_endpoints w
         WHERE w.deleted_at < clock_timestamp() - make_interval(secs => $1)
           AND NOT EXISTS (
               SELECT 1 FROM webhook_deliveries d
               WHERE d.tenant_id = w.tenant_id AND d.endpoint_id = w.id
           )",
        STRAGGLERS.as_secs_f64(),
    )
    .execute(db.pool())
    .await?;
    Ok(cleared.rows_affected())
}

/// Forgets secrets that were replaced and are not used any more. Returns how many.
pub async fn forget_old_secrets(db: &WorkerDb) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!(
        "UPDATE webhook_endpoints SET old_secret = NULL, old_secret_until = NULL
         WHERE old_secret_until < now()",
    )
    .execute(db.pool())
    .await?;
    Ok(forgotten.rows_affected())
}

/// The secrets of endpoints that come after this one, some at a time.
pub async fn list_secrets(
    db: &WorkerDb,
    after: Option<(TenantId, WebhookId)>,
) -> Result<Vec<SealedSecrets>, StoreError> {
    let (tenant, endpoint) = after.map_or((Uuid::nil(), Uuid::nil()), |(tenant, endpoint)| {
        (tenant.as_uuid(), endpoint.as_uuid())
    });
    let rows = sqlx::query!(
        "SELECT tenant_id, id, secret, old_secret FROM webhook_endpoints
         WHERE (tenant_id, id) > ($1, $2)
         ORDER BY tenant_id, id
         LIMIT $3",
        tenant,
        endpoint,
        BATCH,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| SealedSecrets {
            tenant: TenantId::from_uuid(row.tenant_id),
            endpoint: WebhookId::from_uuid(row.id),
            secret: row.secret,
            old_secret: row.old_secret,
        })
        .collect())
}

/// Writes secrets that were sealed anew, unless they were replaced meanwhile. True where they were
/// written.
pub async fn replace_seals(
    db: &WorkerDb,
    before: &SealedSecrets,
    after: &SealedSecrets,
) -> Result<bool, StoreError> {
    let written = sqlx::query!(
        "UPDATE webhook_endpoints SET secret = $4, old_secret = $6
         WHERE tenant_id = $1 AND id = $2 AND secret = $3
           AND old_secret IS NOT DISTINCT FROM $5",
        before.tenant.as_uuid(),
        before.endpoint.as_uuid(),
        before.secret,
        after.secret,
        before.old_secret,
        after.old_secret,
    )
    .execute(db.pool())
    .await?;
    Ok(written.rows_affected() > 0)
}
