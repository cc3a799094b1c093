//! The way of rows into the tables: through a temporary one, with the tenant set.

use sqlx::{Connection, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;

use super::copy_text::{COLUMNS, Encoder};
use super::report::{SeedError, SeedReport};
use super::rows::{JobRow, MemberRow, PersonRow, TenantRow};
use crate::database::{self, DatabaseSettings};
use crate::error::StoreError;

/// Jobs that are copied and moved at a time: large enough for the round trips not to count (the
/// end of a copy waits for a delayed acknowledgement, 40 ms on Linux), small enough for what is in
/// flight to fit in a few megabytes.
pub(super) const JOBS_AT_A_TIME: usize = 2_000;

/// Connects in the owner's role, with the temporary table at hand.
pub(super) async fn connect(owner: &DatabaseSettings) -> Result<PgConnection, SeedError> {
    let options = database::connect_options(owner, "portal-seed")?.options([
        // A foreign key is looked up once a row; its plan is made once, not once a row.
        ("plan_cache_mode", "auto"),
        // Moving a batch and the clean-up at the end take longer than a request may.
        ("statement_timeout", "600000"),
        // Words wait in a list before they enter the search index; the longer it may grow, the
        // fewer times the index is gone through.
        ("gin_pending_list_limit", "16384"),
        ("work_mem", "64MB"),
        ("maintenance_work_mem", "256MB"),
        // A crash may lose the last moments. The next run makes them again.
        ("synchronous_commit", "off"),
    ]);
    let mut connection = timeout(owner.acquire_timeout, PgConnection::connect_with(&options))
        .await
        .map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))??;
    let create = format!("CREATE TEMPORARY TABLE seed_jobs ({COLUMNS})");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await?;
    Ok(connection)
}

/// Makes the tenant and sets it in the transaction; false where it exists.
pub(super) async fn insert_tenant(
    connection: &mut PgConnection,
    tenant: &TenantRow,
) -> Result<bool, SeedError> {
    let inserted = sqlx::query(
        "INSERT INTO tenants (id, org_id, slug, name, status, time_zone, locale, currency,
                              pay_range_required)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.id)
    .bind(&tenant.org_id)
    .bind(&tenant.slug)
    .bind(&tenant.name)
    .bind(&tenant.status)
    .bind(&tenant.time_zone)
    .bind(&tenant.locale)
    .bind(&tenant.currency)
    .bind(tenant.pay_range_required)
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    set_tenant(connection, tenant.id).await?;
    Ok(true)
}

/// Makes the people that do not exist yet; returns how many.
pub(super) async fn insert_people(
    connection: &mut PgConnection,
    people: &[PersonRow],
) -> Result<u64, SeedError> {
    let column = |value: fn(&PersonRow) -> &String| people.iter().map(value).collect::<Vec<_>>();
    let inserted = sqlx::query(
        "INSERT INTO users (id, subject, name, email_norm)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
         ON CONFLICT DO NOTHING",
    )
    .bind(people.iter().map(|person| person.id).collect::<Vec<_>>())
    .bind(column(|person| &person.subject))
    .bind(column(|person| &person.name))
    .bind(column(|person| &person.email))
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

/// Makes people members of the tenant that is set.
pub(super) async fn insert_members(
    connection: &mut PgConnection,
    tenant: Uuid,
    members: &[MemberRow],
) -> Result<u64, SeedError> {
    let inserted = sqlx::query(
        "INSERT INTO memberships (tenant_id, user_id, role)
         SELECT $1, m.user_id, m.role FROM unnest($2::uuid[], $3::text[]) AS m (user_id, role)",
    )
    .bind(tenant)
    .bind(members.iter().map(|member| member.user).collect::<Vec<_>>())
    .bind(members.iter().map(|member| member.role.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

/// Jobs on their way: encoded, copied to the temporary table, and moved from there to the tables,
/// some thousand at a time.
///
/// A tenant has few jobs and a copy costs round trips, so jobs of many tenants travel together.
#[derive(Debug, Default)]
pub(super) struct Stage {
    encoder: Encoder,
    /// Whose jobs are waiting, each tenant once.
    tenants: Vec<Uuid>,
    rows: usize,
}

impl Stage {
    /// Takes on a job of a tenant of this transaction; stores what is waiting when that is enough.
    pub(super) async fn add(
        &mut self,
        connection: &mut PgConnection,
        tenant: Uuid,
        job: &JobRow,
        report: &mut SeedReport,
    ) -> Result<(), SeedError> {
        self.encoder.job(tenant, job);
        self.rows += 1;
        if self.tenants.last() != Some(&tenant) {
            self.tenants.push(tenant);
        }
        if self.rows >= JOBS_AT_A_TIME {
            self.flush(connection, report).await?;
        }
        Ok(())
    }

    /// Stores all that is waiting. To be called before the transaction commits.
    pub(super) async fn flush(
        &mut self,
        connection: &mut PgConnection,
        report: &mut SeedReport,
    ) -> Result<(), SeedError> {
        let mut copy = connection.copy_in_raw("COPY seed_jobs FROM STDIN").await?;
        copy.send(self.encoder.take()).await?;
        copy.finish().await?;
        for tenant in self.tenants.drain(..) {
            set_tenant(connection, tenant).await?;
            report.jobs += moved(connection, tenant, JOBS).await?;
            report.locations += moved(connection, tenant, LOCATIONS).await?;
            report.skills += moved(connection, tenant, SKILLS).await?;
            report.team += moved(connection, tenant, TEAM).await?;
            moved(connection, tenant, PUBLIC).await?;
        }
        self.rows = 0;
        sqlx::query("TRUNCATE seed_jobs").execute(connection).await?;
        Ok(())
    }
}

/// Lets the tenant go on counting where its seeded jobs end.
pub(super) async fn insert_counter(
    connection: &mut PgConnection,
    tenant: Uuid,
    last_number: usize,
) -> Result<(), SeedError> {
    sqlx::query(
        "INSERT INTO tenant_counters (tenant_id, name, value) VALUES ($1, 'requisition', $2)",
    )
    .bind(tenant)
    .bind(i64::try_from(last_number).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn set_tenant(
    connection: &mut PgConnection,
    tenant: Uuid,
) -> Result<(), SeedError> {
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
        .bind(tenant.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn moved(
    connection: &mut PgConnection,
    tenant: Uuid,
    statement: &'static str,
) -> Result<u64, SeedError> {
    Ok(sqlx::query(statement).bind(tenant).execute(connection).await?.rows_affected())
}

const JOBS: &str = "
    INSERT INTO jobs (tenant_id, id, slug, requisition, title, department, employment_type,
        experience_level, workplace, description_text, description_html, search_terms, salary_min,
        salary_max, salary_currency, salary_period, pay_blurb, openings, status, closed_reason,
        published_at, valid_through, created_by, created_at, updated_at)
    SELECT $1, s.id, s.slug, s.requisition, s.title, s.department, s.employment_type,
        s.experience_level, s.workplace, s.description_text, s.description_html, s.search_terms,
        s.salary_min, s.salary_max, s.salary_currency, s.salary_period, s.pay_blurb, s.openings,
        s.status, s.closed_reason, to_timestamp(s.published_at), to_timestamp(s.valid_through),
        s.created_by, to_timestamp(s.created_at), to_timestamp(s.updated_at)
    FROM seed_jobs s WHERE s.tenant_id = $1";

const LOCATIONS: &str = "
    INSERT INTO job_locations (tenant_id, job_id, ord, country, region, city)
    SELECT $1, s.id, l.ord - 1, l.country, l.region, l.city
    FROM seed_jobs s, unnest(s.countries, s.regions, s.cities) WITH ORDINALITY
        AS l (country, region, city, ord)
    WHERE s.tenant_id = $1";

const SKILLS: &str = "
    INSERT INTO job_skills (tenant_id, job_id, ord, skill)
    SELECT $1, s.id, k.ord - 1, k.skill
    FROM seed_jobs s, unnest(s.skills) WITH ORDINALITY AS k (skill, ord)
    WHERE s.tenant_id = $1";

const TEAM: &str = "
    INSERT INTO job_team (tenant_id, job_id, user_id, access)
    SELECT $1, s.id, t.user_id, t.access
    FROM seed_jobs s, unnest(s.team, s.access) AS t (user_id, access)
    WHERE s.tenant_id = $1";

/// What everybody may see, as the transactions that change jobs write it.
const PUBLIC: &str = "
    INSERT INTO public_jobs (tenant_id, job_id, slug, title, department, employment_type,
        experience_level, workplace, description_text, description_html, lang, locations, skills,
        salary_min, salary_max, salary_currency, salary_period, pay_blurb, openings, published_at,
        valid_through, version, updated_at)
    SELECT $1, j.id, j.slug, j.title, j.department, j.employment_type, j.experience_level,
        j.workplace, j.description_text, j.description_html, j.lang,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('country', l.country, 'region', l.region,
             'city', l.city) ORDER BY l.ord), '[]')
         FROM job_locations l WHERE l.tenant_id = $1 AND l.job_id = j.id),
        ARRAY(SELECT k.skill FROM job_skills k
              WHERE k.tenant_id = $1 AND k.job_id = j.id ORDER BY k.ord),
        j.salary_min, j.salary_max, j.salary_currency, j.salary_period, j.pay_blurb, j.openings,
        j.published_at, j.valid_through, j.version, j.updated_at
    FROM seed_jobs s
    JOIN jobs j ON j.tenant_id = $1 AND j.id = s.id
    WHERE s.tenant_id = $1 AND j.status = 'published'";

/// Tells the planner about the new rows, and the visibility map, without which a scan of an index
/// would look up each row after all.
pub(super) async fn vacuum(connection: &mut PgConnection) -> Result<(), SeedError> {
    sqlx::raw_sql(
        "VACUUM (ANALYZE) tenants, users, memberships, jobs, job_locations, job_skills, job_team,
             tenant_counters, public_jobs, candidates, applications, application_submissions,
             stage_moves, event_log, metric_hours, metric_days, metric_day_totals",
    )
    .execute(connection)
    .await?;
    Ok(())
}
