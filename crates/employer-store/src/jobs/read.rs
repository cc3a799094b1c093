//! Single jobs.

use std::str::FromStr;

use sqlx::types::Json;
use tenancy::{JobId, JobView, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Job, JobLocation, JobSummary, Person, Salary, TeamMember};
use super::vocabulary::UnknownWord;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// The job, where the tenant has it and the view shows it.
pub async fn find_job(
    tx: &mut TenantTx,
    view: JobView,
    id: JobId,
) -> Result<Option<Job>, StoreError> {
    let (tenant, without_drafts, assigned) = (tx.tenant(), without_drafts(view), assigned(view));
    let row = sqlx::query_as!(
        JobRow,
        r#"SELECT j.id, j.slug, j.requisition, j.title, j.status, j.department, j.employment_type,
                  j.experience_level, j.workplace, j.salary_min, j.salary_max, j.salary_currency,
                  j.salary_period, j.openings, j.published_at, j.valid_through, j.created_at,
                  j.updated_at, j.version, j.description_html, j.description_text, j.pay_blurb,
                  j.lang, j.closed_reason, j.created_by,
                  (SELECT u.name FROM users u WHERE u.id = j.created_by) AS created_by_name,
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'country', l.country, 'region', l.region, 'city', l.city)
                       ORDER BY l.ord), '[]')
                   FROM job_locations l WHERE l.tenant_id = $1 AND l.job_id = j.id
                  ) AS "locations!: Json<Vec<JobLocation>>",
                  ARRAY(SELECT s.skill FROM job_skills s
                        WHERE s.tenant_id = $1 AND s.job_id = j.id ORDER BY s.ord) AS "skills!",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'user_id', m.user_id, 'name', p.name, 'access', m.access)
                       ORDER BY p.name, m.user_id), '[]')
                   FROM job_team m JOIN users p ON p.id = m.user_id
                   WHERE m.tenant_id = $1 AND m.job_id = j.id
                  ) AS "team!: Json<Vec<TeamMember>>"
           FROM jobs j
           WHERE j.tenant_id = $1 AND j.id = $2
             AND (NOT $3::bool OR j.status <> 'draft')
             AND ($4::uuid IS NULL OR EXISTS (
                 SELECT 1 FROM job_team m
                 WHERE m.tenant_id = $1 AND m.job_id = j.id AND m.user_id = $4))"#,
        tenant,
        id.as_uuid(),
        without_drafts,
        assigned as Option<Uuid>,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Job::try_from).transpose()
}

/// As [`find_job`], and nobody else changes the job until the transaction ends. Beside it:
/// whether the transaction's actor is on the job's team as an editor.
pub async fn find_job_for_update(
    tx: &mut TenantTx,
    view: JobView,
    id: JobId,
) -> Result<Option<(Job, bool)>, StoreError> {
    let tenant = tx.tenant();
    let actor = tx.actor().user().map(UserId::as_uuid);
    // Locked by a statement of its own: the one that reads then sees what the last holder of the
    // lock has committed, places and skills included.
    let may_edit = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM job_team m
               WHERE m.tenant_id = $1 AND m.job_id = j.id AND m.user_id = $3
                 AND m.access = 'edit') AS "may_edit!"
           FROM jobs j WHERE j.tenant_id = $1 AND j.id = $2 FOR UPDATE"#,
        tenant,
        id.as_uuid(),
        actor as Option<Uuid>,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(may_edit) = may_edit else { return Ok(None) };
    Ok(find_job(tx, view, id).await?.map(|job| (job, may_edit)))
}

fn without_drafts(view: JobView) -> bool {
    view == JobView::Published
}

const fn assigned(view: JobView) -> Option<Uuid> {
    match view {
        JobView::Assigned(user) => Some(user.as_uuid()),
        JobView::All | JobView::Published => None,
    }
}

#[derive(Debug)]
struct JobRow {
    id: Uuid,
    slug: String,
    requisition: String,
    title: String,
    status: String,
    department: Option<String>,
    employment_type: String,
    experience_level: Option<String>,
    workplace: String,
    salary_min: Option<i64>,
    salary_max: Option<i64>,
    salary_currency: Option<String>,
    salary_period: Option<String>,
    openings: i32,
    published_at: Option<OffsetDateTime>,
    valid_through: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i32,
    description_html: String,
    description_text: String,
    pay_blurb: Option<String>,
    lang: String,
    closed_reason: Option<String>,
    created_by: Option<Uuid>,
    created_by_name: Option<String>,
    locations: Json<Vec<JobLocation>>,
    skills: Vec<String>,
    team: Json<Vec<TeamMember>>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        Ok(Self {
            summary: JobSummary {
                id: JobId::from_uuid(row.id),
                slug: row.slug,
                requisition: row.requisition,
                title: row.title,
                status: word(&row.status)?,
                department: row.department,
                employment_type: word(&row.employment_type)?,
                experience_level: row.experience_level.as_deref().map(word).transpose()?,
                workplace: word(&row.workplace)?,
                locations: row.locations.0,
                skills: row.skills,
                salary: salary(
                    row.salary_min,
                    row.salary_max,
                    row.salary_currency,
                    row.salary_period,
                )?,
                openings: row.openings,
                published_at: row.published_at,
                valid_through: row.valid_through,
                created_at: row.created_at,
                updated_at: row.updated_at,
                version: row.version,
            },
            description_html: row.description_html,
            description_text: row.description_text,
            pay_blurb: row.pay_blurb,
            lang: row.lang,
            closed_reason: row.closed_reason.as_deref().map(word).transpose()?,
            created_by: row
                .created_by
                .zip(row.created_by_name)
                .map(|(id, name)| Person { id: UserId::from_uuid(id), name }),
            team: row.team.0,
        })
    }
}

/// Reads a word of a vocabulary back from its column.
pub(crate) fn word<T: FromStr<Err = UnknownWord>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error: UnknownWord| StoreError::inconsistent(error.vocabulary))
}

/// A pay range from its four columns, which are all set or all not.
pub(super) fn salary(
    min: Option<i64>,
    max: Option<i64>,
    currency: Option<String>,
    period: Option<String>,
) -> Result<Option<Salary>, StoreError> {
    let (Some(min), Some(max), Some(currency), Some(period)) = (min, max, currency, period) else {
        return Ok(None);
    };
    Ok(Some(Salary { min, max, currency, period: word(&period)? }))
}
