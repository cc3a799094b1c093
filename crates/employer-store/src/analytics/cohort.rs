//! Where the applications of a period came to.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::counts::{Metric, counted};
use super::overview::ratio;
use super::question::Question;
use super::stamp::{Frame, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Sources that are told apart; whoever applies names them, so there may be any number.
const MOST_SOURCES: i64 = 100;

/// How many came to a stage or past it. Stages that were passed over count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reached {
    /// All.
    pub applied: i64,
    /// Looked through.
    pub screen: i64,
    /// In interviews.
    pub interview: i64,
    /// Had an offer.
    pub offer: i64,
    /// Taken on.
    pub hired: i64,
}

/// One step of a funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunnelStep {
    /// Its name.
    pub step: String,
    /// How many came as far.
    pub reached: i64,
    /// Those of the step before that did not.
    pub lost: i64,
    /// How large a part of the first step came as far.
    pub of_first: Option<f64>,
    /// How large a part of the step before did.
    pub of_previous: Option<f64>,
}

/// The applications of a period, followed until now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CohortFunnel {
    /// Of which moment it is; the rule is `cohort`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Looks at public pages in the period. They are no people, so no step of the funnel.
    pub views: i64,
    /// From all to those taken on.
    pub steps: Vec<FunnelStep>,
    /// Those that nothing is decided about.
    pub open: i64,
    /// Those turned down.
    pub rejected: i64,
    /// Those taken back.
    pub withdrawn: i64,
}

/// Where applications came from, and how far they came.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Sources {
    /// Of which moment it is; the rule is `cohort`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The sources with most applications, at most 100.
    pub sources: Vec<SourceRow>,
    /// All others together; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<SourceFigures>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceRow {
    /// Its name; none for those of whom nobody knows.
    pub source: Option<String>,
    /// What came from there.
    #[serde(flatten)]
    pub figures: SourceFigures,
}

/// What came from a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceFigures {
    /// The applications of the period, by how far they came until now.
    pub reached: Reached,
    /// How large a part of them was taken on.
    pub hire_rate: Option<f64>,
}

#[derive(Debug)]
struct CohortRow {
    place: i64,
    source: String,
    applied: i64,
    screen: i64,
    interview: i64,
    offer: i64,
    hired: i64,
    open: i64,
    rejected: i64,
    withdrawn: i64,
}

impl CohortRow {
    const fn reached(&self) -> Reached {
        Reached {
            applied: self.applied,
            screen: self.screen,
            interview: self.interview,
            offer: self.offer,
            hired: self.hired,
        }
    }
}

/// The cohort by source, those past `most` sources together.
async fn cohort(
    tx: &mut TenantTx,
    question: &Question,
    (start, end): (OffsetDateTime, OffsetDateTime),
    most: i64,
) -> Result<Vec<CohortRow>, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        CohortRow,
        r#"WITH people AS MATERIALIZED (
               SELECT coalesce(a.source, '') AS source, a.status,
                      (SELECT max(array_position(
                                  ARRAY['applied', 'screen', 'interview', 'offer', 'hired'],
                                  m.to_kind))
                       FROM stage_moves m
                       WHERE m.tenant_id = $1 AND m.application_id = a.id) AS stage
               FROM applications a
               WHERE a.tenant_id = $1 AND a.submitted_at >= $2 AND a.submitted_at < $3
                 AND ($4::uuid IS NULL OR a.job_id = $4)
                 AND ($5::text IS NULL OR coalesce(a.source, '') = $5)
                 AND ($6::uuid IS NULL OR a.job_id = ANY(ARRAY(
                     SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $6)))
           ), grouped AS (
               SELECT p.source, count(*) AS applied,
                      count(*) FILTER (WHERE p.stage >= 2) AS screen,
                      count(*) FILTER (WHERE p.stage >= 3) AS interview,
                      count(*) FILTER (WHERE p.stage >= 4) AS offer,
                      count(*) FILTER (WHERE p.stage >= 5) AS hired,
                      count(*) FILTER (WHERE p.status = 'active') AS open,
                      count(*) FILTER (WHERE p.status = 'rejected') AS rejected,
                      count(*) FILTER (WHERE p.status = 'withdrawn') AS withdrawn
               FROM people p
               GROUP BY p.source
           ), ranked AS (
               SELECT g.*, least(row_number() OVER (ORDER BY g.applied DESC, g.source), $7::bigint + 1)
                          AS place
               FROM grouped g
           )
           SELECT r.place AS "place!", min(r.source) AS "source!",
                  sum(r.applied)::bigint AS "applied!", sum(r.screen)::bigint AS "screen!",
                  sum(r.interview)::bigint AS "interview!", sum(r.offer)::bigint AS "offer!",
                  sum(r.hired)::bigint AS "hired!", sum(r.open)::bigint AS "open!",
                  sum(r.rejected)::bigint AS "rejected!", sum(r.withdrawn)::bigint AS "withdrawn!"
           FROM ranked r
           GROUP BY r.place
           ORDER BY r.place"#,
        tenant,
        start,
        end,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
        most,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// How far the applications of a period came.
pub(super) async fn cohort_funnel(
    tx: &mut TenantTx,
    question: &Question,
) -> Result<CohortFunnel, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let rows = cohort(tx, question, (frame.start, frame.end), 0).await?;
    let all = rows.first();
    let reached = all.map(CohortRow::reached).unwrap_or_default();
    let views = counted(tx, question, &[Metric::Views], &[frame.start], frame.end).await?;
    Ok(CohortFunnel {
        stamp: frame.stamp("cohort", None),
        views: views.iter().map(|row| row.n).sum(),
        steps: steps(reached),
        open: all.map_or(0, |row| row.open),
        rejected: all.map_or(0, |row| row.rejected),
        withdrawn: all.map_or(0, |row| row.withdrawn),
    })
}

fn steps(reached: Reached) -> Vec<FunnelStep> {
    let first = reached.applied;
    let all = [
        ("applied", reached.applied),
        ("screen", reached.screen),
        ("interview", reached.interview),
        ("offer", reached.offer),
        ("hired", reached.hired),
    ];
    let mut before: Option<i64> = None;
    all.into_iter()
        .map(|(step, reached)| {
            let previous = before.replace(reached);
            FunnelStep {
                step: step.to_owned(),
                reached,
                lost: previous.map_or(0, |previous| previous - reached),
                of_first: ratio(reached, first),
                of_previous: previous.and_then(|previous| ratio(reached, previous)),
            }
        })
        .collect()
}

/// How far the applications of a period came, by where they came from.
pub async fn sources(tx: &mut TenantTx, question: &Question) -> Result<Sources, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let rows = cohort(tx, question, (frame.start, frame.end), MOST_SOURCES).await?;
    let mut answer =
        Sources { stamp: frame.stamp("cohort", None), sources: Vec::new(), others: None };
    for row in rows {
        let reached = row.reached();
        let figures = SourceFigures { reached, hire_rate: ratio(reached.hired, reached.applied) };
        if row.place > MOST_SOURCES {
            answer.others = Some(figures);
        } else {
            let source = Some(row.source).filter(|source| !source.is_empty());
            answer.sources.push(SourceRow { source, figures });
        }
    }
    Ok(answer)
}
