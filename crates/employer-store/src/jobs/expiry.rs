//! Jobs close by themselves when their last day has passed.

use tenancy::{EventKind, TenantId};
use time::OffsetDateTime;

use crate::error::StoreError;
use crate::outbox::{OutboxEvent, read_org};
use crate::worker_db::WorkerDb;

/// Closes up to `limit` published jobs whose `valid_through` has passed by `now`, the longest
/// overdue first, over all tenants. Jobs that somebody is changing are left for the next time, so
/// two workers at once close each job once. Returns the events, which are in the outbox too.
pub async fn close_expired(
    db: &WorkerDb,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<OutboxEvent>, StoreError> {
    // One statement, so one transaction: state, event and audit row of a job stand or fall
    // together. Its event leaves out the job's places and team, which workers may not read.
    let rows = sqlx::query!(
        r#"WITH due AS (
               SELECT tenant_id, id FROM jobs
               WHERE status = 'published' AND valid_through <= $1
               ORDER BY valid_through
               LIMIT $2
               FOR UPDATE SKIP LOCKED
           ), closed AS (
               UPDATE jobs j
               SET status = 'closed', closed_reason = 'expired', version = j.version + 1,
                   updated_at = now()
               FROM due
               WHERE j.tenant_id = due.tenant_id AND j.id = due.id
               RETURNING j.tenant_id, j.id, j.version
           ), hidden AS (
               DELETE FROM public_jobs p USING closed
               WHERE p.tenant_id = closed.tenant_id AND p.job_id = closed.id
           ), audited AS (
               INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail)
               SELECT tenant_id, gen_random_uuid(), 'system:close-expired', 'job_closed',
                      'job:' || id,
                      '{"from": "published", "to": "closed", "reason": "expired"}'::jsonb
               FROM closed
           ), told AS (
               INSERT INTO outbox (tenant_id, kind, subject, payload)
               SELECT tenant_id, $3, id, jsonb_build_object(
                          'version', version, 'from', 'published', 'to', 'closed',
                          'reason', 'expired', 'change', jsonb_build_object(
                              'before', 'published', 'after', 'closed', 'fields', '[]'::jsonb))
               FROM closed
               RETURNING tenant_id, id, event_id, subject, payload, at
           )
           SELECT told.tenant_id, t.org_id, told.id, told.event_id, told.subject, told.payload,
                  told.at
           FROM told JOIN tenants t ON t.id = told.tenant_id
           ORDER BY told.id"#,
        now,
        limit,
        EventKind::JobStatusChanged.as_str(),
    )
    .fetch_all(db.pool())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OutboxEvent {
                id: row.id,
                event_id: row.event_id,
                tenant: TenantId::from_uuid(row.tenant_id),
                org: read_org(&row.org_id)?,
                kind: EventKind::JobStatusChanged,
                subject: row.subject,
                actor: None,
                payload: row.payload,
                at: row.at,
            })
        })
        .collect()
}
