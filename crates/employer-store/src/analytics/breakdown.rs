//! What happened in a period, by what it happened to.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::counts::{Metric, Totals};
use super::days::parts;
use super::overview::ratio;
use super::question::Question;
use super::stamp::{Frame, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// What groups are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Each job.
    Job,
    /// Where people came from.
    Source,
    /// The part of the company that the job is in today.
    Department,
    /// Where the work is done.
    Workplace,
    /// The kind of contract.
    EmploymentType,
}

impl By {
    /// Everything that groups are made of.
    pub const ALL: [Self; 5] =
        [Self::Job, Self::Source, Self::Department, Self::Workplace, Self::EmploymentType];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Source => "source",
            Self::Department => "department",
            Self::Workplace => "workplace",
            Self::EmploymentType => "employment_type",
        }
    }
}

/// The text names nothing that groups are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of job, source, department, workplace, employment_type")]
pub struct UnknownBy;

impl FromStr for By {
    type Err = UnknownBy;

    fn from_str(text: &str) -> Result<Self, UnknownBy> {
        Self::ALL.into_iter().find(|by| by.as_str() == text).ok_or(UnknownBy)
    }
}

/// What happened, by group.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Breakdown {
    /// Of which moment it is; the rule is `activity`.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What the groups are.
    pub by: By,
    /// The groups with most applications first, then those with most views.
    pub groups: Vec<Group>,
    /// All other groups together; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<Others>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its value, the id where it is a job; none where there is no value.
    pub value: Option<String>,
    /// What a job is called today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened.
    pub totals: Totals,
    /// First applications for each look at the public page.
    pub applications_per_view: Option<f64>,
}

/// The groups that are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Others {
    /// How many.
    pub groups: i64,
    /// What happened in all of them.
    pub totals: Totals,
}

struct Row {
    place: i64,
    groups: i64,
    value: String,
    title: Option<String>,
    views: i64,
    applications: i64,
    resubmissions: i64,
    hires: i64,
    rejections: i64,
    withdrawals: i64,
    revised_at: Option<OffsetDateTime>,
}

impl Row {
    const fn totals(&self) -> Totals {
        Totals {
            views: self.views,
            applications: self.applications,
            resubmissions: self.resubmissions,
            hires: self.hires,
            rejections: self.rejections,
            withdrawals: self.withdrawals,
        }
    }
}

/// What happened in a period, by group; at most `most` of them one by one.
pub async fn breakdown(
    tx: &mut TenantTx,
    question: &Question,
    by: By,
    most: i64,
) -> Result<Breakdown, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let rows = rows(tx, question, &frame, by, most).await?;
    let revised_at = rows.iter().filter_map(|row| row.revised_at).max();
    let (mut groups, mut others) = (Vec::with_capacity(rows.len()), None);
    for row in rows {
        let totals = row.totals();
        if row.place > most {
            others = Some(Others { groups: row.groups, totals });
        } else {
            groups.push(Group {
                value: Some(row.value).filter(|value| !value.is_empty()),
                title: row.title.filter(|_| by == By::Job),
                totals,
                applications_per_view: ratio(totals.applications, totals.views),
            });
        }
    }
    Ok(Breakdown { stamp: frame.stamp("activity", revised_at), by, groups, others })
}

async fn rows(
    tx: &mut TenantTx,
    question: &Question,
    frame: &Frame,
    by: By,
    most: i64,
) -> Result<Vec<Row>, StoreError> {
    let tenant = tx.tenant();
    let parts = parts(tx, question, &[frame.start], frame.end).await?;
    let kinds: Vec<String> = Metric::ALL.iter().map(|one| one.kind().to_owned()).collect();
    // In the order of `Metric::ALL`.
    Ok(sqlx::query_as!(
        Row,
        r#"WITH summed AS (
               SELECT m.job_id, m.source, array_position($2::text[], m.kind) AS metric,
                      sum(m.n) AS n, max(m.revised_at) AS revised_at
               FROM metric_sums($1, false, $2, $3, $4, $11) m
               WHERE ($5::uuid IS NULL OR m.job_id = $5)
                 AND ($6::text IS NULL OR m.source = $6)
                 AND ($7::uuid IS NULL OR m.job_id = ANY(ARRAY(
                     SELECT t.job_id FROM job_team t WHERE t.tenant_id = $1 AND t.user_id = $7)))
               GROUP BY 1, 2, 3
           ), grouped AS (
               SELECT CASE $8
                          WHEN 'job' THEN CASE WHEN $10 AND j.status = 'draft' THEN ''
                                               ELSE s.job_id::text END
                          WHEN 'source' THEN s.source
                          WHEN 'department' THEN coalesce(j.department, '')
                          WHEN 'workplace' THEN coalesce(j.workplace, '')
                          ELSE coalesce(j.employment_type, '')
                      END AS value,
                      max(j.title) FILTER (WHERE NOT ($10 AND j.status = 'draft')) AS title, max(s.revised_at) AS revised_at,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 1), 0) AS views,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 2), 0) AS applications,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 3), 0) AS resubmissions,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 4), 0) AS hires,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 5), 0) AS rejections,
                      coalesce(sum(s.n) FILTER (WHERE s.metric = 6), 0) AS withdrawals
               FROM summed s
               LEFT JOIN jobs j ON j.tenant_id = $1 AND j.id = s.job_id
               GROUP BY 1
           ), ranked AS (
               SELECT g.*, least($9::bigint + 1, row_number() OVER (
                          ORDER BY g.applications DESC, g.views DESC, g.value)) AS place
               FROM grouped g
           )
           SELECT r.place AS "place!", count(*) AS "groups!", min(r.value) AS "value!",
                  min(r.title) AS title, max(r.revised_at) AS revised_at,
                  sum(r.views)::bigint AS "views!",
                  sum(r.applications)::bigint AS "applications!",
                  sum(r.resubmissions)::bigint AS "resubmissions!",
                  sum(r.hires)::bigint AS "hires!", sum(r.rejections)::bigint AS "rejections!",
                  sum(r.withdrawals)::bigint AS "withdrawals!"
           FROM ranked r
           GROUP BY r.place
           ORDER BY r.place"#,
        tenant,
        &kinds,
        &parts.days,
        &parts.gap_starts,
        question.job() as Option<Uuid>,
        question.source.rolled_up() as Option<&str>,
        question.assigned() as Option<Uuid>,
        by.as_str(),
        most,
        question.hides_drafts(),
        &parts.gap_ends,
    )
    .fetch_all(tx.connection())
    .await?)
}
