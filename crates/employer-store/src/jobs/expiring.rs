//! A job's people are told before its last day.

use std::time::Duration;

use tenancy::EventKind;
use time::OffsetDateTime;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// Tells of up to `limit` published jobs whose `valid_through` is within `lead` from `now`, the
/// nearest first, over all tenants, once for each `valid_through`. One that was published for no
/// longer than that is left out: whoever did so knows. Answers how many were told of.
pub async fn tell_expiring(
    db: &WorkerDb,
    now: OffsetDateTime,
    lead: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    // Nothing is to be acted on: no cached answer says that a job was told of.
    let told = sqlx::query!(
        "WITH due AS (
             SELECT tenant_id, id, valid_through FROM jobs
             WHERE status = 'published' AND valid_through > $1 AND valid_through <= $2
               AND expiry_told_for IS DISTINCT FROM valid_through
               AND published_at <= valid_through - make_interval(secs => $3)
             ORDER BY valid_through
             LIMIT $4
             FOR NO KEY UPDATE SKIP LOCKED
         ), marked AS (
             UPDATE jobs j SET expiry_told_for = due.valid_through
             FROM due
             WHERE j.tenant_id = due.tenant_id AND j.id = due.id
         )
         INSERT INTO outbox (tenant_id, kind, subject, payload, acted)
         SELECT tenant_id, $5, id,
                jsonb_build_object('v', 1, 'valid_through', valid_through), true
         FROM due",
        now,
        now + lead,
        lead.as_secs_f64(),
        limit,
        EventKind::JobExpiring.as_str(),
    )
    .execute(db.pool())
    .await?;
    Ok(told.rows_affected())
}
