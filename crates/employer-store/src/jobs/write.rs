//! Making, changing, copying and deleting jobs. Each writes its event and its audit row in the
//! same transaction.

use serde_json::{Value, json};
use tenancy::{EventKind, JobChange, JobId, JobState, JobView};
use time::OffsetDateTime;

use super::description::description_html;
use super::difference::{changed_fields, difference};
use super::input::{JobChanges, NewJob};
use super::lifecycle::publish_blockers;
use super::model::{Job, WriteOutcome};
use super::read::{find_job, find_job_for_update};
use super::rows::{distinct, insert_draft, replace_locations, replace_skills, save};
use super::vocabulary::JobStatus;
use crate::audit;
use crate::error::StoreError;
use crate::outbox::CHANGE;
use crate::public_board::reflect;
use crate::tenant_db::TenantTx;

/// Makes a draft.
pub async fn create_job(tx: &mut TenantTx, new: &NewJob) -> Result<Job, StoreError> {
    let id = insert_draft(tx, new).await?;
    let job = get_job(tx, id).await?;
    let detail = json!({ "requisition": job.summary.requisition });
    let told = Told { kind: EventKind::JobCreated, action: "job_created", id };
    tell(tx, told, json!({ "version": 1 }), difference(None, Some(&job), Vec::new()), detail)
        .await?;
    Ok(job)
}

/// Changes fields of a job. Changes that change nothing leave it, its version included, as it is.
/// A published job must stay one that could be published.
pub async fn update_job(
    tx: &mut TenantTx,
    id: JobId,
    expected_version: i32,
    changes: &JobChanges,
) -> Result<WriteOutcome<Job>, StoreError> {
    let Some((before, _)) = find_job_for_update(tx, JobView::All, id).await? else {
        return Ok(WriteOutcome::NotFound);
    };
    if before.summary.version != expected_version {
        return Ok(WriteOutcome::VersionMismatch { current: before.summary.version });
    }
    let mut after = before.clone();
    apply(changes.clone(), &mut after);
    let fields = changed_fields(&before, &after);
    if fields.is_empty() {
        return Ok(WriteOutcome::Done(before));
    }
    if after.summary.status == JobStatus::Published {
        let terms = publishing_terms(tx).await?;
        let blockers = publish_blockers(&after, terms.is_pay_range_required, terms.now);
        if !blockers.is_empty() {
            return Ok(WriteOutcome::Unpublishable(blockers));
        }
    }
    save(tx, &after).await?;
    if before.summary.locations != after.summary.locations {
        replace_locations(tx, id, &after.summary.locations).await?;
    }
    if before.summary.skills != after.summary.skills {
        replace_skills(tx, id, &after.summary.skills).await?;
    }
    let payload = json!({ "version": expected_version + 1, "fields": fields });
    let detail = json!({ "fields": fields });
    let told = Told { kind: EventKind::JobUpdated, action: "job_updated", id };
    tell(tx, told, payload, difference(Some(&before), Some(&after), fields), detail).await?;
    Ok(WriteOutcome::Done(get_job(tx, id).await?))
}

/// Makes a draft with the texts, places, skills, pay and team of another job, without its dates.
pub async fn duplicate_job(tx: &mut TenantTx, id: JobId) -> Result<WriteOutcome<Job>, StoreError> {
    let Some(original) = find_job(tx, JobView::All, id).await? else {
        return Ok(WriteOutcome::NotFound);
    };
    let summary = original.summary;
    let copy = insert_draft(
        tx,
        &NewJob {
            title: summary.title,
            department: summary.department,
            employment_type: summary.employment_type,
            experience_level: summary.experience_level,
            workplace: summary.workplace,
            locations: summary.locations,
            skills: summary.skills,
            salary: summary.salary,
            pay_blurb: original.pay_blurb,
            openings: summary.openings,
            valid_through: None,
            description: original.description_text,
            lang: Some(original.lang),
        },
    )
    .await?;
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO job_team (tenant_id, job_id, user_id, access)
         SELECT tenant_id, $3, user_id, access FROM job_team
         WHERE tenant_id = $1 AND job_id = $2",
        tenant,
        id.as_uuid(),
        copy.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    let job = get_job(tx, copy).await?;
    let payload = json!({ "version": 1, "copy_of": id });
    let change = difference(None, Some(&job), Vec::new());
    let told = Told { kind: EventKind::JobCreated, action: "job_duplicated", id: copy };
    tell(tx, told, payload, change, json!({ "copy_of": id })).await?;
    Ok(WriteOutcome::Done(job))
}

/// Deletes a draft for good.
pub async fn delete_draft(
    tx: &mut TenantTx,
    id: JobId,
    expected_version: i32,
) -> Result<WriteOutcome<()>, StoreError> {
    let Some((job, _)) = find_job_for_update(tx, JobView::All, id).await? else {
        return Ok(WriteOutcome::NotFound);
    };
    let change = difference(Some(&job), None, Vec::new());
    let summary = job.summary;
    if summary.version != expected_version {
        return Ok(WriteOutcome::VersionMismatch { current: summary.version });
    }
    if summary.status != JobStatus::Draft {
        return Ok(WriteOutcome::TransitionRefused { from: summary.status, action: "delete" });
    }
    let tenant = tx.tenant();
    // A job that was published once may be a draft again.
    let has_applications = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM applications WHERE tenant_id = $1 AND job_id = $2)
               AS "has!""#,
        tenant,
        id.as_uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if has_applications {
        return Ok(WriteOutcome::HasApplications);
    }
    sqlx::query!("DELETE FROM jobs WHERE tenant_id = $1 AND id = $2", tenant, id.as_uuid())
        .execute(tx.connection())
        .await?;
    let detail = json!({ "requisition": summary.requisition, "title": summary.title });
    let told = Told { kind: EventKind::JobDeleted, action: "job_deleted", id };
    tell(tx, told, json!({}), change, detail).await?;
    Ok(WriteOutcome::Done(()))
}

/// What decides whether a job may be published.
pub(super) struct PublishingTerms {
    pub(super) is_pay_range_required: bool,
    /// The instant that this transaction writes.
    pub(super) now: OffsetDateTime,
}

pub(super) async fn publishing_terms(tx: &mut TenantTx) -> Result<PublishingTerms, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        PublishingTerms,
        r#"SELECT pay_range_required AS is_pay_range_required, now() AS "now!"
           FROM tenants WHERE id = $1"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?)
}

/// Reads a job that this transaction has just written.
pub(super) async fn get_job(tx: &mut TenantTx, id: JobId) -> Result<Job, StoreError> {
    Ok(find_job(tx, JobView::All, id).await?.ok_or(sqlx::Error::RowNotFound)?)
}

/// What was done to which job.
pub(super) struct Told {
    pub(super) kind: EventKind,
    /// As the audit trail has it.
    pub(super) action: &'static str,
    pub(super) id: JobId,
}

/// The event and the audit row of a change, and what everybody sees of the job after it.
pub(super) async fn tell(
    tx: &mut TenantTx,
    Told { kind, action, id }: Told,
    mut payload: Value,
    change: JobChange,
    detail: Value,
) -> Result<(), StoreError> {
    // What was not published and is not has nothing to show to everybody.
    let is_published = change.after == Some(JobState::Published);
    if is_published || change.before == Some(JobState::Published) {
        reflect(tx, id, is_published).await?;
    }
    let inconsistent = || StoreError::inconsistent("change of a job");
    let change = serde_json::to_value(change).map_err(|_| inconsistent())?;
    payload.as_object_mut().ok_or_else(inconsistent)?.insert(CHANGE.to_owned(), change);
    tx.emit(kind, Some(id.as_uuid()), payload).await?;
    audit::record(tx, action, &format!("job:{id}"), detail, None).await.map(drop)
}

fn apply(changes: JobChanges, job: &mut Job) {
    let summary = &mut job.summary;
    changes.title.apply(&mut summary.title);
    summary.title = summary.title.trim().to_owned();
    changes.department.apply(&mut summary.department);
    changes.employment_type.apply(&mut summary.employment_type);
    changes.experience_level.apply(&mut summary.experience_level);
    changes.workplace.apply(&mut summary.workplace);
    changes.locations.apply(&mut summary.locations);
    changes.skills.apply(&mut summary.skills);
    summary.skills = distinct(&summary.skills);
    changes.salary.apply(&mut summary.salary);
    changes.openings.apply(&mut summary.openings);
    changes.valid_through.apply(&mut summary.valid_through);
    changes.pay_blurb.apply(&mut job.pay_blurb);
    changes.lang.apply(&mut job.lang);
    changes.description.apply(&mut job.description_text);
    job.description_html = description_html(&job.description_text);
}
