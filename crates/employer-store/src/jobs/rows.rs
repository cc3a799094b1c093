//! A job's rows: the job itself, its places and its skills.

use tenancy::{JobId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::description::description_html;
use super::input::NewJob;
use super::model::{Job, JobLocation};
use super::slug::{new_slug, requisition, search_terms};
use super::vocabulary::ExperienceLevel;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// A slug that is taken is drawn anew; more often than this it is not bad luck.
const SLUG_ATTEMPTS: usize = 5;

/// A new draft with a number and a slug of its own.
pub(super) async fn insert_draft(tx: &mut TenantTx, new: &NewJob) -> Result<JobId, StoreError> {
    let id = JobId::from_uuid(Uuid::now_v7());
    let number = next_requisition(tx).await?;
    let skills = distinct(&new.skills);
    let mut attempts = 0..SLUG_ATTEMPTS;
    while !insert_row(tx, id, number, &skills, new).await? {
        if attempts.next().is_none() {
            return Err(StoreError::inconsistent("slug for every draw"));
        }
    }
    replace_locations(tx, id, &new.locations).await?;
    replace_skills(tx, id, &skills).await?;
    Ok(id)
}

/// False where the slug that was drawn is taken.
async fn insert_row(
    tx: &mut TenantTx,
    id: JobId,
    number: i64,
    skills: &[String],
    new: &NewJob,
) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let created_by = tx.actor().user().map(UserId::as_uuid);
    let salary = new.salary.as_ref();
    let inserted = sqlx::query!(
        "INSERT INTO jobs (
             tenant_id, id, slug, requisition, title, department, employment_type,
             experience_level, workplace, description_text, description_html, lang,
             search_terms, salary_min, salary_max, salary_currency, salary_period, pay_blurb,
             openings, valid_through, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                 coalesce($12, (SELECT locale FROM tenants WHERE id = $1)),
                 $13, $14, $15, $16, $17, $18, $19, $20, $21)
         ON CONFLICT (tenant_id, slug) DO NOTHING",
        tenant,
        id.as_uuid(),
        new_slug(&new.title),
        requisition(number),
        new.title.trim(),
        new.department.as_deref() as Option<&str>,
        new.employment_type.as_str(),
        new.experience_level.map(ExperienceLevel::as_str) as Option<&str>,
        new.workplace.as_str(),
        new.description,
        description_html(&new.description),
        new.lang.as_deref() as Option<&str>,
        search_terms(skills, &new.locations),
        salary.map(|s| s.min) as Option<i64>,
        salary.map(|s| s.max) as Option<i64>,
        salary.map(|s| s.currency.as_str()) as Option<&str>,
        salary.map(|s| s.period.as_str()) as Option<&str>,
        new.pay_blurb.as_deref() as Option<&str>,
        new.openings,
        new.valid_through as Option<OffsetDateTime>,
        created_by as Option<Uuid>,
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The next number of the tenant. Others who make jobs in the tenant wait until this transaction
/// ends, so no number is lost or given twice.
async fn next_requisition(tx: &mut TenantTx) -> Result<i64, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        "INSERT INTO tenant_counters (tenant_id, name, value) VALUES ($1, 'requisition', 1)
         ON CONFLICT (tenant_id, name) DO UPDATE SET value = tenant_counters.value + 1
         RETURNING value",
        tenant,
    )
    .fetch_one(tx.connection())
    .await?)
}

pub(super) async fn save(tx: &mut TenantTx, job: &Job) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    let summary = &job.summary;
    let salary = summary.salary.as_ref();
    sqlx::query!(
        "UPDATE jobs
         SET title = $3, department = $4, employment_type = $5, experience_level = $6,
             workplace = $7, description_text = $8, description_html = $9, lang = $10,
             search_terms = $11, salary_min = $12, salary_max = $13, salary_currency = $14,
             salary_period = $15, pay_blurb = $16, openings = $17, valid_through = $18,
             version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
        tenant,
        summary.id.as_uuid(),
        summary.title,
        summary.department.as_deref() as Option<&str>,
        summary.employment_type.as_str(),
        summary.experience_level.map(ExperienceLevel::as_str) as Option<&str>,
        summary.workplace.as_str(),
        job.description_text,
        job.description_html,
        job.lang,
        search_terms(&summary.skills, &summary.locations),
        salary.map(|s| s.min) as Option<i64>,
        salary.map(|s| s.max) as Option<i64>,
        salary.map(|s| s.currency.as_str()) as Option<&str>,
        salary.map(|s| s.period.as_str()) as Option<&str>,
        job.pay_blurb.as_deref() as Option<&str>,
        summary.openings,
        summary.valid_through as Option<OffsetDateTime>,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

pub(super) async fn replace_locations(
    tx: &mut TenantTx,
    id: JobId,
    locations: &[JobLocation],
) -> Result<(), StoreError> {
    let (tenant, id) = (tx.tenant(), id.as_uuid());
    sqlx::query!("DELETE FROM job_locations WHERE tenant_id = $1 AND job_id = $2", tenant, id)
        .execute(tx.connection())
        .await?;
    let countries: Vec<&str> = locations.iter().map(|l| l.country.as_str()).collect();
    let regions: Vec<Option<&str>> = locations.iter().map(|l| l.region.as_deref()).collect();
    let cities: Vec<Option<&str>> = locations.iter().map(|l| l.city.as_deref()).collect();
    sqlx::query!(
        "INSERT INTO job_locations (tenant_id, job_id, ord, country, region, city)
         SELECT $1, $2, ord, country, region, city
         FROM unnest($3::text[], $4::text[], $5::text[])
              WITH ORDINALITY AS given (country, region, city, ord)",
        tenant,
        id,
        &countries as &[&str],
        &regions as &[Option<&str>],
        &cities as &[Option<&str>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

pub(super) async fn replace_skills(
    tx: &mut TenantTx,
    id: JobId,
    skills: &[String],
) -> Result<(), StoreError> {
    let (tenant, id) = (tx.tenant(), id.as_uuid());
    sqlx::query!("DELETE FROM job_skills WHERE tenant_id = $1 AND job_id = $2", tenant, id)
        .execute(tx.connection())
        .await?;
    sqlx::query!(
        "INSERT INTO job_skills (tenant_id, job_id, ord, skill)
         SELECT $1, $2, ord, skill FROM unnest($3::text[]) WITH ORDINALITY AS given (skill, ord)
         ON CONFLICT (tenant_id, job_id, skill_key) DO NOTHING",
        tenant,
        id,
        skills,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Skills trimmed and without repetitions, case disregarded; the first spelling stays.
pub(super) fn distinct(skills: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    skills
        .iter()
        .map(|skill| skill.trim())
        .filter(|skill| seen.insert(skill.to_lowercase()))
        .map(str::to_owned)
        .collect()
}
