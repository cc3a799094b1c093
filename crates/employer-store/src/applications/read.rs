//! Single applications.

use sqlx::types::Json;
use tenancy::{ApplicationId, JobId, JobView};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{
    Applicant, Application, ApplicationSummary, FileInfo, JobName, StageMove, Submission,
};
use crate::error::StoreError;
use crate::jobs::word;
use crate::tenant_db::TenantTx;

/// The application, where the tenant has it and the view shows its job.
pub async fn find_application(
    tx: &mut TenantTx,
    view: JobView,
    id: ApplicationId,
) -> Result<Option<Application>, StoreError> {
    let (tenant, assigned) = (tx.tenant(), assigned(view));
    let row = sqlx::query_as!(
        ApplicationRow,
        r#"SELECT a.id, a.job_id, j.title, a.candidate_id, c.name, c.email_norm, c.phone, c.locale,
                  a.stage, a.status, a.reject_reason, a.source, a.submissions, a.submitted_at,
                  a.resubmitted_at, a.stage_since, a.updated_at, a.version,
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'reference', s.id, 'at', s.at, 'name', s.name, 'phone', s.phone,
                       'message', s.message, 'source', s.source, 'utm', s.utm,
                       'consent', s.consent) ORDER BY s.at, s.id), '[]')
                   FROM application_submissions s
                   WHERE s.tenant_id = $1 AND s.application_id = a.id
                  ) AS "submitted!: Json<Vec<Submission>>",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'id', f.id, 'reference', f.submission_id, 'name', f.file_name,
                       'mime', f.mime, 'bytes', f.bytes, 'scan_state', f.scan_state)
                       ORDER BY f.created_at, f.id), '[]')
                   FROM candidate_files f
                   WHERE f.tenant_id = $1 AND f.application_id = a.id
                  ) AS "attachments!: Json<Vec<FileInfo>>",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'action', m.action, 'from', m.from_kind, 'to', m.to_kind,
                       'reason', m.reason, 'actor', m.actor, 'at', m.at) ORDER BY m.at, m.id), '[]')
                   FROM stage_moves m
                   WHERE m.tenant_id = $1 AND m.application_id = a.id
                  ) AS "history!: Json<Vec<StageMove>>"
           FROM applications a
           JOIN jobs j ON j.tenant_id = $1 AND j.id = a.job_id
           JOIN candidates c ON c.tenant_id = $1 AND c.id = a.candidate_id
           WHERE a.tenant_id = $1 AND a.id = $2
             AND ($3::uuid IS NULL OR EXISTS (
                 SELECT 1 FROM job_team t
                 WHERE t.tenant_id = $1 AND t.job_id = a.job_id AND t.user_id = $3))"#,
        tenant,
        id.as_uuid(),
        assigned as Option<Uuid>,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Application::try_from).transpose()
}

/// As [`find_application`], and nobody else changes it until the transaction ends.
pub async fn find_application_for_update(
    tx: &mut TenantTx,
    view: JobView,
    id: ApplicationId,
) -> Result<Option<Application>, StoreError> {
    let tenant = tx.tenant();
    // Locked by a statement of its own: the one that reads then sees what the last holder of the
    // lock has committed, its steps included.
    let found = sqlx::query_scalar!(
        "SELECT id FROM applications WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    if found.is_none() {
        return Ok(None);
    }
    find_application(tx, view, id).await
}

pub(crate) const fn assigned(view: JobView) -> Option<Uuid> {
    match view {
        JobView::Assigned(user) => Some(user.as_uuid()),
        JobView::All | JobView::Published => None,
    }
}

#[derive(Debug)]
struct ApplicationRow {
    id: Uuid,
    job_id: Uuid,
    title: String,
    candidate_id: Uuid,
    name: String,
    email_norm: String,
    phone: Option<String>,
    locale: Option<String>,
    stage: String,
    status: String,
    reject_reason: Option<String>,
    source: Option<String>,
    submissions: i32,
    submitted_at: OffsetDateTime,
    resubmitted_at: Option<OffsetDateTime>,
    stage_since: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i32,
    submitted: Json<Vec<Submission>>,
    attachments: Json<Vec<FileInfo>>,
    history: Json<Vec<StageMove>>,
}

impl TryFrom<ApplicationRow> for Application {
    type Error = StoreError;

    fn try_from(row: ApplicationRow) -> Result<Self, StoreError> {
        Ok(Self {
            summary: ApplicationSummary {
                id: ApplicationId::from_uuid(row.id),
                job: JobName { id: JobId::from_uuid(row.job_id), title: row.title },
                candidate: Applicant {
                    id: row.candidate_id,
                    name: row.name,
                    email: row.email_norm,
                    phone: row.phone,
                    locale: row.locale,
                },
                stage: word(&row.stage)?,
                status: word(&row.status)?,
                reject_reason: row.reject_reason.as_deref().map(word).transpose()?,
                source: row.source,
                submissions: row.submissions,
                files: i64::try_from(row.attachments.len()).unwrap_or(i64::MAX),
                submitted_at: row.submitted_at,
                resubmitted_at: row.resubmitted_at,
                stage_since: row.stage_since,
                updated_at: row.updated_at,
                version: row.version,
            },
            submitted: row.submitted.0,
            attachments: row.attachments.0,
            history: row.history.0,
        })
    }
}
