//! Published jobs for everybody, written beside the jobs themselves.

use tenancy::JobId;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Brings what everybody sees of a job into line with the job as this transaction has left it. To
/// be called by whatever changes a job, after its places and skills.
pub(crate) async fn reflect(
    tx: &mut TenantTx,
    id: JobId,
    is_published: bool,
) -> Result<(), StoreError> {
    let (tenant, id) = (tx.tenant(), id.as_uuid());
    if !is_published {
        sqlx::query!("DELETE FROM public_jobs WHERE tenant_id = $1 AND job_id = $2", tenant, id)
            .execute(tx.connection())
            .await?;
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO public_jobs (tenant_id, job_id, slug, title, department, employment_type,
             experience_level, workplace, description_text, description_html, lang, locations,
             skills, salary_min, salary_max, salary_currency, salary_period, pay_blurb, openings,
             published_at, valid_through, version, updated_at)
         SELECT j.tenant_id, j.id, j.slug, j.title, j.department, j.employment_type,
                j.experience_level, j.workplace, j.description_text, j.description_html, j.lang,
                (SELECT coalesce(jsonb_agg(jsonb_build_object('country', l.country,
                     'region', l.region, 'city', l.city) ORDER BY l.ord), '[]')
                 FROM job_locations l WHERE l.tenant_id = $1 AND l.job_id = j.id),
                ARRAY(SELECT s.skill FROM job_skills s
                      WHERE s.tenant_id = $1 AND s.job_id = j.id ORDER BY s.ord),
                j.salary_min, j.salary_max, j.salary_currency, j.salary_period, j.pay_blurb,
                j.openings, j.published_at, j.valid_through, j.version, j.updated_at
         FROM jobs j
         WHERE j.tenant_id = $1 AND j.id = $2 AND j.status = 'published'
         ON CONFLICT (tenant_id, job_id) DO UPDATE
         SET slug = excluded.slug, title = excluded.title, department = excluded.department,
             employment_type = excluded.employment_type,
             experience_level = excluded.experience_level, workplace = excluded.workplace,
             description_text = excluded.description_text,
             description_html = excluded.description_html, lang = excluded.lang,
             locations = excluded.locations, skills = excluded.skills,
             salary_min = excluded.salary_min, salary_max = excluded.salary_max,
             salary_currency = excluded.salary_currency, salary_period = excluded.salary_period,
             pay_blurb = excluded.pay_blurb, openings = excluded.openings,
             published_at = excluded.published_at, valid_through = excluded.valid_through,
             version = excluded.version, updated_at = excluded.updated_at",
        tenant,
        id,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
