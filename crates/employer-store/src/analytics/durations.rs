//! How long applications take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::question::Question;
use super::stamp::{Frame, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// How long something took, of those that are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Durations {
    /// How many are done; the times are theirs.
    pub finished: i64,
    /// How many are not, and count in no time.
    pub open: i64,
    /// Half of them took no longer, in seconds.
    pub median_seconds: Option<f64>,
    /// Nine of ten took no longer, in seconds.
    pub p90_seconds: Option<f64>,
    /// The mean, in seconds.
    pub mean_seconds: Option<f64>,
}

/// How long applications stayed in the stages that they left in the period.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TimeInStage {
    /// Of which moment it is; the rule is `activity`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The stages that applications pass through.
    pub stages: Vec<StageTime>,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageTime {
    /// Its kind.
    pub stage: String,
    /// Each stay that ended in the period; open are the applications that came in before the end of
    /// the period and are still there.
    #[serde(flatten)]
    pub durations: Durations,
}

/// How long it took from the application to the hire, for the hires of the period.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TimeToHire {
    /// Of which moment it is; the rule is `activity`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Open are the applications that were submitted before the end of the period and that nothing is
    /// decided about.
    #[serde(flatten)]
    pub durations: Durations,
}

/// As exact as anybody reads it; what is beyond comes from reckoning between two times.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}

/// How long applications stayed in each stage.
pub async fn time_in_stage(
    tx: &mut TenantTx,
    question: &Question,
) -> Result<TimeInStage, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let tenant = tx.tenant();
    // A stay begins with the step before, whatever that was.
    let rows = sqlx::query!(
        r#"WITH stays AS (
               SELECT m.from_kind AS stage,
                      extract(epoch FROM m.at - (
                          SELECT p.at FROM stage_moves p
                          WHERE p.tenant_id = $1 AND p.application_id = m.application_id
                            AND (p.at, p.id) < (m.at, m.id)
                          ORDER BY p.at DESC, p.id DESC LIMIT 1))::float8 AS seconds
               FROM stage_moves m
               JOIN applications a ON a.tenant_id = $1 AND a.id = m.application_id
               WHERE m.tenant_id = $1 AND m.at >= $2 AND m.at < $3 AND m.from_kind <> 'rejected'
                 AND ($4::uuid IS NULL OR m.job_id = $4)
                 AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
                 AND ($6::uuid IS NULL OR m.job_id = ANY(ARRAY(
                     SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $6)))
           ), open AS (
               SELECT a.stage, count(*) AS n
               FROM applications a
               WHERE a.tenant_id = $1 AND a.status = 'active' AND a.stage_since < $3
                 AND ($4::uuid IS NULL OR a.job_id = $4)
                 AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
                 AND ($6::uuid IS NULL OR a.job_id = ANY(ARRAY(
                     SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $6)))
               GROUP BY a.stage
           )
           SELECT kind.stage AS "stage!", count(s.seconds) AS "finished!",
                  coalesce(max(o.n), 0) AS "open!",
                  percentile_cont(0.5) WITHIN GROUP (ORDER BY s.seconds) AS median,
                  percentile_cont(0.9) WITHIN GROUP (ORDER BY s.seconds) AS p90,
                  avg(s.seconds) AS mean
           FROM (VALUES (1, 'applied'), (2, 'screen'), (3, 'interview'), (4, 'offer'))
                AS kind (nth, stage)
           LEFT JOIN stays s ON s.stage = kind.stage
           LEFT JOIN open o ON o.stage = kind.stage
           GROUP BY kind.nth, kind.stage
           ORDER BY kind.nth"#,
        tenant,
        frame.start,
        frame.end,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
    )
    .fetch_all(tx.connection())
    .await?;
    let stages = rows.into_iter().map(|row| StageTime {
        stage: row.stage,
        durations: Durations {
            finished: row.finished,
            open: row.open,
            median_seconds: row.median.map(milliseconds),
            p90_seconds: row.p90.map(milliseconds),
            mean_seconds: row.mean.map(milliseconds),
        },
    });
    Ok(TimeInStage { stamp: frame.stamp("activity", None), stages: stages.collect() })
}

/// How long it took to hire somebody.
pub async fn time_to_hire(
    tx: &mut TenantTx,
    question: &Question,
) -> Result<TimeToHire, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let tenant = tx.tenant();
    let row = sqlx::query!(
        r#"WITH hired AS (
               SELECT extract(epoch FROM m.at - a.submitted_at)::float8 AS seconds
               FROM stage_moves m
               JOIN applications a ON a.tenant_id = $1 AND a.id = m.application_id
               WHERE m.tenant_id = $1 AND m.at >= $2 AND m.at < $3 AND m.to_kind = 'hired'
                 AND ($4::uuid IS NULL OR m.job_id = $4)
                 AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
                 AND ($6::uuid IS NULL OR m.job_id = ANY(ARRAY(
                     SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $6)))
           )
           SELECT count(*) AS "finished!",
                  percentile_cont(0.5) WITHIN GROUP (ORDER BY h.seconds) AS median,
                  percentile_cont(0.9) WITHIN GROUP (ORDER BY h.seconds) AS p90,
                  avg(h.seconds) AS mean,
                  (SELECT count(*)
                   FROM applications a
                   WHERE a.tenant_id = $1 AND a.status = 'active' AND a.submitted_at < $3
                     AND ($4::uuid IS NULL OR a.job_id = $4)
                     AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
                     AND ($6::uuid IS NULL OR a.job_id = ANY(ARRAY(
                         SELECT t.job_id FROM job_team t
                         WHERE t.tenant_id = $1 AND t.user_id = $6)))) AS "open!"
           FROM hired h"#,
        tenant,
        frame.start,
        frame.end,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
    )
    .fetch_one(tx.connection())
    .await?;
    let durations = Durations {
        finished: row.finished,
        open: row.open,
        median_seconds: row.median.map(milliseconds),
        p90_seconds: row.p90.map(milliseconds),
        mean_seconds: row.mean.map(milliseconds),
    };
    Ok(TimeToHire { stamp: frame.stamp("activity", None), durations })
}
