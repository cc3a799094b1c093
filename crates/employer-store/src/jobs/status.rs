//! Moving a job through its life cycle.

use serde_json::json;
use tenancy::{EventKind, JobId, JobView};
use time::OffsetDateTime;

use super::difference::{changed_fields, difference};
use super::lifecycle::publish_blockers;
use super::model::{Job, StatusChange, WriteOutcome};
use super::read::find_job_for_update;
use super::vocabulary::{CloseReason, JobStatus};
use super::write::{Told, get_job, publishing_terms, tell};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Takes a step of the life cycle, where the version is the expected one (any, where none is), the
/// step exists and a job that everybody will see has what that takes.
pub async fn change_status(
    tx: &mut TenantTx,
    id: JobId,
    expected_version: Option<i32>,
    change: &StatusChange,
) -> Result<WriteOutcome<Job>, StoreError> {
    let Some((mut job, _)) = find_job_for_update(tx, JobView::All, id).await? else {
        return Ok(WriteOutcome::NotFound);
    };
    let before = job.clone();
    let from = job.summary.status;
    let current = job.summary.version;
    if expected_version.is_some_and(|expected| expected != current) {
        return Ok(WriteOutcome::VersionMismatch { current });
    }
    let Some(to) = change.leads_to(from) else {
        return Ok(WriteOutcome::TransitionRefused { from, action: change.verb() });
    };
    let terms = publishing_terms(tx).await?;
    take_step(&mut job, change, to, terms.now);
    if to == JobStatus::Published {
        let blockers = publish_blockers(&job, terms.is_pay_range_required, terms.now);
        if !blockers.is_empty() {
            return Ok(WriteOutcome::Unpublishable(blockers));
        }
    }
    save_status(tx, &job).await?;
    let reason = job.closed_reason.filter(|_| to == JobStatus::Closed);
    let detail = json!({ "from": from, "to": to, "reason": reason });
    let payload = json!({ "version": current + 1, "from": from, "to": to, "reason": reason });
    let told = Told { kind: EventKind::JobStatusChanged, action: audit_action(change, to), id };
    let fields = changed_fields(&before, &job);
    tell(tx, told, payload, difference(Some(&before), Some(&job), fields), detail).await?;
    Ok(WriteOutcome::Done(get_job(tx, id).await?))
}

/// The dates and the reason that go with a state. A pause keeps the day of publication, so a job
/// that comes back does not jump the queue; one that was closed is a new posting.
fn take_step(job: &mut Job, change: &StatusChange, to: JobStatus, now: OffsetDateTime) {
    let summary = &mut job.summary;
    let from = summary.status;
    summary.status = to;
    if let Some(last) = change.valid_through() {
        summary.valid_through = Some(last);
    }
    match to {
        JobStatus::Published => {
            if from != JobStatus::Paused || summary.published_at.is_none() {
                summary.published_at = Some(now);
            }
            job.closed_reason = None;
        }
        JobStatus::Closed => {
            job.closed_reason = Some(match change {
                StatusChange::Close { reason } => *reason,
                _ => CloseReason::Other,
            });
        }
        JobStatus::Draft => {
            summary.published_at = None;
            summary.valid_through = summary.valid_through.filter(|last| *last > now);
            job.closed_reason = None;
        }
        JobStatus::Paused | JobStatus::Archived => {}
    }
}

async fn save_status(tx: &mut TenantTx, job: &Job) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    let summary = &job.summary;
    sqlx::query!(
        "UPDATE jobs
         SET status = $3, closed_reason = $4, published_at = $5, valid_through = $6,
             version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
        tenant,
        summary.id.as_uuid(),
        summary.status.as_str(),
        job.closed_reason.map(CloseReason::as_str) as Option<&str>,
        summary.published_at as Option<OffsetDateTime>,
        summary.valid_through as Option<OffsetDateTime>,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

const fn audit_action(change: &StatusChange, to: JobStatus) -> &'static str {
    match (change, to) {
        (StatusChange::Reopen { .. }, _) => "job_reopened",
        (_, JobStatus::Published) => "job_published",
        (_, JobStatus::Paused) => "job_paused",
        (_, JobStatus::Closed) => "job_closed",
        (_, JobStatus::Archived) => "job_archived",
        (_, JobStatus::Draft) => "job_restored",
    }
}
