//! The way of invented applicants into the tables, with the figures that they make.

use sqlx::PgConnection;
use uuid::Uuid;

use super::applicants::Applicants;
use super::report::SeedError;
use super::{rows, writer};
use crate::applications::StageKind;

/// Stores all who apply to a tenant whose jobs are stored; answers how many applications.
pub(super) async fn insert(
    connection: &mut PgConnection,
    tenant: Uuid,
    applicants: &Applicants,
) -> Result<u64, SeedError> {
    if applicants.applications.is_empty() {
        return Ok(0);
    }
    writer::set_tenant(connection, tenant).await?;
    sqlx::query("SELECT ensure_own_pipeline($1)").bind(tenant).execute(&mut *connection).await?;
    insert_candidates(connection, tenant, applicants).await?;
    let inserted = insert_applications(connection, tenant, applicants).await?;
    insert_moves(connection, tenant, applicants).await?;
    for statement in [SUBMISSIONS, EVENTS, FIGURES] {
        sqlx::query(statement).bind(tenant).execute(&mut *connection).await?;
    }
    Ok(inserted)
}

async fn insert_candidates(
    connection: &mut PgConnection,
    tenant: Uuid,
    Applicants { candidates, applications }: &Applicants,
) -> Result<(), SeedError> {
    let first = |candidate: Uuid| {
        let of_theirs = applications.iter().filter(|one| one.candidate == candidate);
        of_theirs.filter_map(|one| one.moves.first()).map(|step| step.at).min()
    };
    sqlx::query(
        "INSERT INTO candidates (tenant_id, id, email_norm, name, phone, locale, created_at,
             updated_at)
         SELECT $1, c.id, c.email, c.name, c.phone, 'en', coalesce(c.at, now()),
                coalesce(c.at, now())
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
              AS c (id, email, name, phone, at)",
    )
    .bind(tenant)
    .bind(candidates.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind(candidates.iter().map(|one| one.email.clone()).collect::<Vec<_>>())
    .bind(candidates.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
    .bind(candidates.iter().map(|one| one.phone.clone()).collect::<Vec<_>>())
    .bind(candidates.iter().map(|one| first(one.id)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_applications(
    connection: &mut PgConnection,
    tenant: Uuid,
    Applicants { applications, .. }: &Applicants,
) -> Result<u64, SeedError> {
    let steps = |one: &super::applicants::ApplicationRow| i32::try_from(one.moves.len());
    let inserted = sqlx::query(
        "INSERT INTO applications (tenant_id, id, job_id, candidate_id, stage_id, stage, status,
             source, submitted_at, stage_since, updated_at, version)
         SELECT $1, a.id, a.job, a.candidate, s.id, a.stage, a.status, a.source, a.first, a.last,
                a.last, a.steps
         FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[], $9::timestamptz[], $10::int[])
              AS a (id, job, candidate, stage, status, source, first, last, steps)
         JOIN job_stages s ON s.tenant_id = $1 AND s.job_id IS NULL AND s.kind = a.stage",
    )
    .bind(tenant)
    .bind(applications.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.job).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.candidate).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.stage().as_str()).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.status().as_str()).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.source).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.moves.first().map(|m| m.at)).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| one.moves.last().map(|m| m.at)).collect::<Vec<_>>())
    .bind(applications.iter().map(|one| steps(one).unwrap_or(1)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

async fn insert_moves(
    connection: &mut PgConnection,
    tenant: Uuid,
    Applicants { applications, .. }: &Applicants,
) -> Result<(), SeedError> {
    let steps: Vec<_> = applications
        .iter()
        .flat_map(|one| one.moves.iter().enumerate().map(move |(nth, step)| (one, nth, step)))
        .collect();
    let id = |of: Uuid, nth: usize| rows::id_of(&format!("move/{of}/{nth}"));
    let actor = |by: Option<Uuid>| by.map_or("system:apply".to_owned(), |by| format!("user:{by}"));
    sqlx::query(
        "INSERT INTO stage_moves (tenant_id, id, application_id, job_id, action, from_stage,
             to_stage, from_kind, to_kind, actor, at)
         SELECT $1, m.id, m.application, m.job, m.action, f.id, t.id, m.from_kind, m.to_kind,
                m.actor, m.at
         FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::timestamptz[])
              AS m (id, application, job, action, from_kind, to_kind, actor, at)
         LEFT JOIN job_stages f ON f.tenant_id = $1 AND f.job_id IS NULL AND f.kind = m.from_kind
         LEFT JOIN job_stages t ON t.tenant_id = $1 AND t.job_id IS NULL AND t.kind = m.to_kind",
    )
    .bind(tenant)
    .bind(steps.iter().map(|(one, nth, _)| id(one.id, *nth)).collect::<Vec<_>>())
    .bind(steps.iter().map(|(one, ..)| one.id).collect::<Vec<_>>())
    .bind(steps.iter().map(|(one, ..)| one.job).collect::<Vec<_>>())
    .bind(steps.iter().map(|(.., step)| step.action.as_str()).collect::<Vec<_>>())
    .bind(steps.iter().map(|(.., step)| step.from.map(StageKind::as_str)).collect::<Vec<_>>())
    .bind(steps.iter().map(|(.., step)| step.to.map(StageKind::as_str)).collect::<Vec<_>>())
    .bind(steps.iter().map(|(.., step)| actor(step.by)).collect::<Vec<_>>())
    .bind(steps.iter().map(|(.., step)| step.at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What they said: nothing but who they are.
const SUBMISSIONS: &str = "
    INSERT INTO application_submissions (tenant_id, id, application_id, name, phone, source, at)
    SELECT $1, gen_random_uuid(), a.id, c.name, c.phone, a.source, a.submitted_at
    FROM applications a
    JOIN candidates c ON c.tenant_id = $1 AND c.id = a.candidate_id
    WHERE a.tenant_id = $1";

/// The log of events as if each had been told when it happened, but to nobody.
const EVENTS: &str = "
    INSERT INTO event_log (tenant_id, event_id, kind, subject, job_id, application_id, actor,
        stage_from, stage_to, source, occurred_at, received_at)
    SELECT $1, m.id,
           CASE m.action WHEN 'submit' THEN 'application.submitted'
                ELSE 'application.stage_changed' END,
           m.application_id, m.job_id, m.application_id,
           CASE WHEN starts_with(m.actor, 'user:') THEN substr(m.actor, 6)::uuid END,
           m.from_kind, m.to_kind, a.source, m.at, m.at
    FROM stage_moves m
    JOIN applications a ON a.tenant_id = $1 AND a.id = m.application_id
    WHERE m.tenant_id = $1";

/// The figures that the log comes to, by the rule of the statement that tells of events.
const FIGURES: &str = "
    INSERT INTO metric_hours (tenant_id, job_id, source, kind, bucket, n)
    SELECT $1, l.job_id, coalesce(l.source, ''), metric.kind,
           date_bin('15 minutes', l.occurred_at, '2000-01-01 00:00+00'), count(*)
    FROM event_log l
    CROSS JOIN LATERAL (
        VALUES (l.kind),
               ('entered.' || coalesce(l.stage_to,
                   CASE WHEN l.stage_from IS NOT NULL THEN 'withdrawn' END)),
               ('left.' || l.stage_from)
    ) AS metric (kind)
    WHERE l.tenant_id = $1 AND metric.kind IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5";
