//! How things are now: what an overview ends with, and what is shown live.

use serde::{Deserialize, Serialize};
use tenancy::JobId;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::calendar::{Days, Zone, instant};
use super::counts::{Metric, Totals, counted};
use super::question::Question;
use super::stamp::{Frame, moment};
use crate::applications::{ApplicationStatus, StageKind};
use crate::error::StoreError;
use crate::jobs::word;
use crate::tenant_db::TenantTx;

/// How things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// All applications, by where they are now.
    pub now: Standing,
    /// What happened since the last midnight of the zone.
    pub today: Totals,
}

/// Applications, by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Those that nothing is decided about.
    pub open: i64,
    /// The same, by stage.
    pub open_by_stage: OpenByStage,
    /// Those taken on.
    pub hired: i64,
    /// Those turned down.
    pub rejected: i64,
    /// Those taken back.
    pub withdrawn: i64,
}

/// Open applications, by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenByStage {
    /// Nobody has taken them further.
    pub applied: i64,
    /// Looked through.
    pub screen: i64,
    /// In interviews.
    pub interview: i64,
    /// Somebody has an offer.
    pub offer: i64,
}

impl Standing {
    fn add(&mut self, stage: StageKind, status: ApplicationStatus, n: i64) {
        match status {
            ApplicationStatus::Hired => self.hired += n,
            ApplicationStatus::Rejected => self.rejected += n,
            ApplicationStatus::Withdrawn => self.withdrawn += n,
            ApplicationStatus::Active => {
                self.open += n;
                match stage {
                    StageKind::Applied => self.open_by_stage.applied += n,
                    StageKind::Screen => self.open_by_stage.screen += n,
                    StageKind::Interview => self.open_by_stage.interview += n,
                    StageKind::Offer => self.open_by_stage.offer += n,
                    // No open one stands there: the table refuses it.
                    StageKind::Hired | StageKind::Rejected => {}
                }
            }
        }
    }
}

/// How things are with what the question is about, whatever its days.
pub(super) async fn live_of(
    tx: &mut TenantTx,
    question: &Question,
    frame: &Frame,
) -> Result<Live, StoreError> {
    let (start, end) = today(&frame.zone, frame.moment.as_of);
    let mut live = Live::default();
    for row in counted(tx, question, Metric::ALL, &[start], end).await? {
        live.today.add(&row.kind, row.n);
    }
    live.now = standing(tx, question).await?;
    Ok(live)
}

/// Where applications are.
pub(super) async fn standing(
    tx: &mut TenantTx,
    question: &Question,
) -> Result<Standing, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"SELECT a.stage, a.status, count(*) AS "n!"
           FROM applications a
           WHERE a.tenant_id = $1
             AND ($2::uuid IS NULL OR a.job_id = $2)
             AND ($3::text IS NULL OR coalesce(a.source, '') = $3)
             AND ($4::uuid IS NULL OR a.job_id = ANY(ARRAY(
                 SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $4)))
           GROUP BY a.stage, a.status"#,
        tenant,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut standing = Standing::default();
    for row in rows {
        standing.add(word(&row.stage)?, word(&row.status)?, row.n);
    }
    Ok(standing)
}

/// Of whom live figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveOf {
    /// Of the whole tenant.
    Tenant,
    /// Of one job.
    Job(JobId),
}

/// How things are with each of these, all at one moment; with its number, and nothing of jobs that
/// there are not.
pub async fn live(
    tx: &mut TenantTx,
    subjects: &[LiveOf],
) -> Result<(OffsetDateTime, i64, Vec<(LiveOf, Live)>), StoreError> {
    let moment = moment(tx).await?;
    let (start, end) = today(&moment.zone, moment.as_of);
    let jobs: Vec<Uuid> = subjects
        .iter()
        .filter_map(|subject| match subject {
            LiveOf::Job(job) => Some(job.as_uuid()),
            LiveOf::Tenant => None,
        })
        .collect();
    let has_tenant = subjects.contains(&LiveOf::Tenant);
    let kinds: Vec<String> = Metric::ALL.iter().map(|one| one.kind().to_owned()).collect();
    let rows = counts_of(tx, has_tenant, &jobs, &kinds, (start, end)).await?;
    let mut answers: Vec<(LiveOf, Live)> = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let job = match subject {
            LiveOf::Job(job) => Some(job.as_uuid()),
            LiveOf::Tenant => None,
        };
        let mut live = Live::default();
        let mut is_there = job.is_none();
        for row in rows.iter().filter(|row| row.job == job) {
            match (row.kind.as_deref(), row.stage.as_deref(), row.status.as_deref()) {
                (Some(kind), ..) => live.today.add(kind, row.n),
                (None, Some(stage), Some(status)) => {
                    live.now.add(word(stage)?, word(status)?, row.n);
                }
                _ => is_there = true,
            }
        }
        if is_there {
            answers.push((*subject, live));
        }
    }
    Ok((moment.as_of, moment.version, answers))
}

struct LiveRow {
    /// None: of the whole tenant.
    job: Option<Uuid>,
    stage: Option<String>,
    status: Option<String>,
    kind: Option<String>,
    n: i64,
}

/// One statement for all subjects, however many there are.
async fn counts_of(
    tx: &mut TenantTx,
    has_tenant: bool,
    jobs: &[Uuid],
    kinds: &[String],
    (start, end): (OffsetDateTime, OffsetDateTime),
) -> Result<Vec<LiveRow>, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        LiveRow,
        r#"SELECT j.id AS job, NULL::text AS stage, NULL::text AS status, NULL::text AS kind,
                  0::bigint AS "n!"
           FROM jobs j WHERE j.tenant_id = $1 AND j.id = ANY($3)
           UNION ALL
           SELECT NULL, a.stage, a.status, NULL, count(*)
           FROM applications a WHERE a.tenant_id = $1 AND $2
           GROUP BY a.stage, a.status
           UNION ALL
           SELECT a.job_id, a.stage, a.status, NULL, count(*)
           FROM applications a WHERE a.tenant_id = $1 AND a.job_id = ANY($3)
           GROUP BY a.job_id, a.stage, a.status
           UNION ALL
           SELECT NULL, NULL, NULL, m.kind, sum(m.n)::bigint
           FROM metric_hours m
           WHERE m.tenant_id = $1 AND $2 AND m.kind = ANY($4) AND m.bucket >= $5 AND m.bucket < $6
           GROUP BY m.kind
           UNION ALL
           SELECT m.job_id, NULL, NULL, m.kind, sum(m.n)::bigint
           FROM metric_hours m
           WHERE m.tenant_id = $1 AND m.job_id = ANY($3) AND m.kind = ANY($4)
             AND m.bucket >= $5 AND m.bucket < $6
           GROUP BY m.job_id, m.kind"#,
        tenant,
        has_tenant,
        jobs,
        kinds,
        start,
        end,
    )
    .fetch_all(tx.connection())
    .await?)
}

fn today(zone: &Zone, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
    let today = zone.today(now);
    let days = Days { first: today, last: today };
    (instant(zone.start_of(today)), instant(zone.end_of(days)))
}
