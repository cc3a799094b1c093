//! Views of jobs, added to the figures a batch at a time.

use tenancy::{JobId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// How often a job was looked at in a quarter of an hour, by people who came from one source (empty where that
/// is not known).
pub type JobViews = (TenantId, JobId, String, OffsetDateTime, u32);

/// The figure that views are counted in.
const KIND: &str = "job.viewed";
/// How long the names of batches are remembered: far longer than anybody sends one again.
const REMEMBERED_HOURS: i32 = 24;

/// Adds a batch to the figures, in one transaction and once: whoever does not learn how a try ended
/// tries again with the same id. Says whether this try added it.
pub async fn record_views(
    db: &WorkerDb,
    batch: Uuid,
    views: &[JobViews],
) -> Result<bool, StoreError> {
    let tenants: Vec<Uuid> = views.iter().map(|(tenant, ..)| tenant.as_uuid()).collect();
    let jobs: Vec<Uuid> = views.iter().map(|(_, job, ..)| job.as_uuid()).collect();
    let sources: Vec<String> = views.iter().map(|(_, _, source, ..)| source.clone()).collect();
    let quarters: Vec<OffsetDateTime> = views.iter().map(|(_, _, _, at, _)| *at).collect();
    let counts: Vec<i64> = views.iter().map(|(.., count)| i64::from(*count)).collect();
    // In the order of the key, as everybody does who writes several figures. A clock that is wrong
    // counts no further off than an event may be told late.
    let added = sqlx::query_scalar!(
        r#"WITH forgotten AS (
               DELETE FROM view_batches WHERE applied_at < now() - make_interval(hours => $8)
           ), batch AS (
               INSERT INTO view_batches (id) VALUES ($1) ON CONFLICT (id) DO NOTHING RETURNING id
           ), counted AS (
               INSERT INTO metric_hours AS m (tenant_id, job_id, source, kind, bucket, n,
                                              revised_at)
               SELECT v.tenant_id, v.job_id, v.source, $2, quarter.bucket, sum(v.n),
                      CASE WHEN quarter.bucket < now() - interval '20 minutes' THEN now() END
               FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[])
                    AS v (tenant_id, job_id, source, at, n)
               CROSS JOIN LATERAL (
                   VALUES (date_bin('15 minutes',
                       least(greatest(v.at, now() - interval '72 hours'),
                             now() + interval '5 minutes'), '2000-01-01 00:00+00'))
               ) AS quarter (bucket)
               WHERE EXISTS (SELECT 1 FROM batch)
               GROUP BY 1, 2, 3, 5
               ORDER BY 1, 2, 3, 5
               ON CONFLICT (tenant_id, job_id, source, kind, bucket) DO UPDATE
               SET n = m.n + excluded.n, updated_at = now(),
                   revised_at = coalesce(excluded.revised_at, m.revised_at)
           )
           SELECT EXISTS (SELECT 1 FROM batch) AS "is_new!""#,
        batch,
        KIND,
        &tenants,
        &jobs,
        &sources,
        &quarters,
        &counts,
        REMEMBERED_HOURS,
    )
    .fetch_one(db.pool())
    .await?;
    Ok(added)
}
