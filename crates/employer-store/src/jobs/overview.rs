//! A tenant's jobs in figures.

use std::str::FromStr;

use tenancy::JobView;
use time::OffsetDateTime;

use super::figures::{
    EmploymentTypeCount, JobsOverview, SalaryMedian, StatusCount, ValueCount, WorkplaceCount,
};
use super::read::word;
use super::vocabulary::{EmploymentType, JobStatus, UnknownWord, WorkplaceType};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Departments, and pairs of currency and period, that the overview shows.
const MAX_GROUPS: usize = 10;

/// Takes the figures of the jobs that the view shows, in one statement and so at one instant.
pub async fn jobs_overview(tx: &mut TenantTx, view: JobView) -> Result<JobsOverview, StoreError> {
    let rows = count(tx, view).await?;
    let group = |name: &'static str| rows.iter().filter(move |row| row.section == name);
    let all = group("all").next().ok_or(sqlx::Error::RowNotFound)?;
    let departments = group("department").take(MAX_GROUPS);
    Ok(JobsOverview {
        total: all.count,
        by_status: counts(group("status"), JobStatus::ALL, |status, count| StatusCount {
            status,
            count,
        })?,
        by_employment_type: counts(
            group("employment_type"),
            EmploymentType::ALL,
            |employment_type, count| EmploymentTypeCount { employment_type, count },
        )?,
        by_workplace: counts(group("workplace"), WorkplaceType::ALL, |workplace, count| {
            WorkplaceCount { workplace, count }
        })?,
        by_department: departments
            .filter_map(|row| Some(ValueCount { value: row.value.clone()?, count: row.count }))
            .collect(),
        published_last_7_days: all.published_last_7_days.unwrap_or_default(),
        published_last_30_days: all.published_last_30_days.unwrap_or_default(),
        expiring_within_7_days: all.expiring_within_7_days.unwrap_or_default(),
        salary_medians: group("salary").take(MAX_GROUPS).map(median).collect::<Result<_, _>>()?,
        as_of: all.as_of,
    })
}

#[derive(Debug)]
struct FigureRow {
    section: String,
    value: Option<String>,
    count: i64,
    published_last_7_days: Option<i64>,
    published_last_30_days: Option<i64>,
    expiring_within_7_days: Option<i64>,
    period: Option<String>,
    median_min: Option<i64>,
    median_max: Option<i64>,
    as_of: OffsetDateTime,
}

async fn count(tx: &mut TenantTx, view: JobView) -> Result<Vec<FigureRow>, StoreError> {
    let tenant = tx.tenant();
    let assigned = match view {
        JobView::Assigned(user) => Some(user.as_uuid()),
        JobView::All | JobView::Published => None,
    };
    // `jobs_figures_idx` holds every column named here: the wide rows stay untouched. Jobs are
    // counted once by all four properties; what is shown is summed up from those few rows.
    Ok(sqlx::query_as!(
        FigureRow,
        r#"WITH visible AS NOT MATERIALIZED (
               SELECT j.status, j.employment_type, j.workplace, j.department, j.published_at,
                      j.valid_through, j.salary_min, j.salary_max, j.salary_currency,
                      j.salary_period
               FROM jobs j
               WHERE j.tenant_id = $1
                 AND (NOT $2::bool OR j.status <> 'draft')
                 AND ($3::uuid IS NULL OR j.id = ANY(ARRAY(
                     SELECT m.job_id FROM job_team m WHERE m.tenant_id = $1 AND m.user_id = $3)))
           ), combined AS (
               SELECT v.status, v.employment_type, v.workplace, v.department,
                      count(*) AS jobs,
                      count(*) FILTER (WHERE v.published_at >= now() - interval '7 days') AS week,
                      count(*) FILTER (WHERE v.published_at >= now() - interval '30 days') AS month,
                      count(*) FILTER (WHERE v.status = 'published' AND v.valid_through > now()
                          AND v.valid_through <= now() + interval '7 days') AS expiring
               FROM visible v
               GROUP BY v.status, v.employment_type, v.workplace, v.department
           ), counted AS (
               SELECT CASE grouping(c.status, c.employment_type, c.workplace, c.department)
                          WHEN 7 THEN 'status' WHEN 11 THEN 'employment_type'
                          WHEN 13 THEN 'workplace' WHEN 14 THEN 'department' ELSE 'all'
                      END AS section,
                      coalesce(c.status, c.employment_type, c.workplace, c.department) AS value,
                      coalesce(sum(c.jobs), 0)::int8 AS count,
                      sum(c.week)::int8 AS published_last_7_days,
                      sum(c.month)::int8 AS published_last_30_days,
                      sum(c.expiring)::int8 AS expiring_within_7_days,
                      NULL::text AS period, NULL::int8 AS median_min, NULL::int8 AS median_max
               FROM combined c
               GROUP BY GROUPING SETS
                   ((), (c.status), (c.employment_type), (c.workplace), (c.department))
               UNION ALL
               SELECT 'salary', v.salary_currency, count(*), NULL, NULL, NULL, v.salary_period,
                      percentile_disc(0.5) WITHIN GROUP (ORDER BY v.salary_min),
                      percentile_disc(0.5) WITHIN GROUP (ORDER BY v.salary_max)
               FROM visible v
               WHERE v.status = 'published' AND v.salary_min IS NOT NULL
               GROUP BY v.salary_currency, v.salary_period
           )
           SELECT c.section AS "section!", c.value, c.count AS "count!", c.published_last_7_days,
                  c.published_last_30_days, c.expiring_within_7_days, c.period, c.median_min,
                  c.median_max, now() AS "as_of!"
           FROM counted c
           ORDER BY c.section, c.count DESC, c.value"#,
        tenant,
        view == JobView::Published,
        assigned as Option<uuid::Uuid>,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// The counts of a vocabulary in its own order, 0 where no job has the word.
fn counts<'a, W, C>(
    rows: impl Iterator<Item = &'a FigureRow> + Clone,
    words: &[W],
    build: impl Fn(W, i64) -> C,
) -> Result<Vec<C>, StoreError>
where
    W: Copy + PartialEq + FromStr<Err = UnknownWord>,
{
    let mut found = Vec::new();
    for row in rows {
        if let Some(value) = &row.value {
            found.push((word::<W>(value)?, row.count));
        }
    }
    let count_of =
        |wanted: W| found.iter().find(|(word, _)| *word == wanted).map_or(0, |(_, count)| *count);
    Ok(words.iter().map(|word| build(*word, count_of(*word))).collect())
}

fn median(row: &FigureRow) -> Result<SalaryMedian, StoreError> {
    let missing = || StoreError::inconsistent("median without its parts");
    Ok(SalaryMedian {
        currency: row.value.clone().ok_or_else(missing)?,
        period: word(row.period.as_deref().ok_or_else(missing)?)?,
        min: row.median_min.ok_or_else(missing)?,
        max: row.median_max.ok_or_else(missing)?,
        jobs: row.count,
    })
}
