//! `POST /api/jobs`, `PATCH`, `PUT` and `DELETE /api/jobs/{id}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::TenantTx;
use employer_store::jobs::{
    Job, PublishBlocker, WriteOutcome, create_job as create_in_store, delete_draft,
    find_job_for_update, update_job as update_in_store,
};
use tenancy::{Grant, JobId};

use super::body::{changes, new_job};
use super::read::{hash_of, job_tag};
use super::{JobDraft, JobPatch};
use crate::auth::{Authorized, JobsDelete, JobsEdit, JobsWrite, Needs};
use crate::error::{ApiError, ErrorCode};
use crate::extract::{
    Gated, IdempotencyKey, IfMatch, JobPath, Json, JsonBody, MergePatch, NoQuery,
};
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

/// Makes a job, as a draft.
#[utoipa::path(
    post, path = "/api/jobs", tag = "jobs", operation_id = "createJob",
    request_body(content = JobDraft, content_type = "application/json", example = json!({
        "title": "Data Engineer",
        "employment_type": "full_time",
        "workplace": "hybrid",
        "locations": [{"country": "DE", "city": "Berlin"}],
        "skills": ["SQL", "Rust"],
        "salary": {"min": 6_500_000, "max": 8_000_000, "currency": "EUR", "period": "year"},
        "description": "You build the pipelines that our hospitals rely on.",
    })),
    responses((status = 201, description = "The draft; `Location` says where", body = Job)),
)]
pub(crate) async fn create_job(
    state: web::Data<PortalState>,
    Gated(access, (key, body, _)): Gated<JobsWrite, (IdempotencyKey, JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let new = new_job(&body.object, state.clock.now())?;
    let attempt = attempt(&access, &request, &key, body.digest);
    write_once(&state, attempt, async |tx| {
        let job = create_in_store(tx, &new).await?;
        created(&job)
    })
    .await
}

/// Changes fields of a job: a JSON Merge Patch, `null` clears an optional field.
///
/// Hiring managers change the jobs that they edit.
#[utoipa::path(
    patch, path = "/api/jobs/{id}", tag = "jobs", operation_id = "updateJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    request_body(content(
        (JobPatch = "application/merge-patch+json", example = json!({"title": "Data Engineer II"})),
        (JobPatch = "application/json"),
    )),
    responses((status = 200, description = "The changed job", body = Job)),
)]
pub(crate) async fn update_job(
    state: web::Data<PortalState>,
    Gated(access, (id, if_match, body, _)): Gated<
        JobsEdit,
        (JobPath, IfMatch, JsonBody<MergePatch>, NoQuery),
    >,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (now, no_key) = (state.clock.now(), IdempotencyKey(None));
    let attempt = attempt(&access, &request, &no_key, body.digest);
    write_once(&state, attempt, async |tx| {
        let job = job_to_change(tx, &access, id.0).await?;
        if_match.require()?;
        if_match.check(job.summary.version)?;
        let changes = changes(&body.object, &job, now)?;
        let outcome = update_in_store(tx, id.0, job.summary.version, &changes).await?;
        changed(&done(outcome)?)
    })
    .await
}

/// The same as `PATCH`.
#[utoipa::path(
    put, path = "/api/jobs/{id}", tag = "jobs", operation_id = "putJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    request_body(content = JobPatch, content_type = "application/json"),
    responses((status = 200, description = "The changed job", body = Job)),
)]
pub(crate) async fn put_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsEdit, (JobPath, IfMatch, JsonBody<MergePatch>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    update_job(state, gated, request).await
}

/// Deletes a draft for good. What was published once is archived instead.
#[utoipa::path(
    delete, path = "/api/jobs/{id}", tag = "jobs", operation_id = "deleteDraft",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_job(
    state: web::Data<PortalState>,
    Gated(access, (id, if_match, _)): Gated<JobsDelete, (JobPath, IfMatch, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let no_key = IdempotencyKey(None);
    let attempt = attempt(&access, &request, &no_key, [0; 32]);
    write_once(&state, attempt, async |tx| {
        let job = job_to_change(tx, &access, id.0).await?;
        if_match.require()?;
        if_match.check(job.summary.version)?;
        done(delete_draft(tx, id.0, job.summary.version).await?)?;
        Ok(Answer::no_content())
    })
    .await
}

/// Who wants to change what, under which name.
pub(crate) fn attempt<'a, P: Needs>(
    access: &'a Authorized<P>,
    request: &HttpRequest,
    key: &'a IdempotencyKey,
    digest: [u8; 32],
) -> Attempt<'a> {
    Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {}", request.method(), request.path()),
        key,
        digest,
    }
}

/// The job, locked: 404 where the caller does not see it, 403 where they see it but may not
/// change it.
pub(super) async fn job_to_change<P: Needs>(
    tx: &mut TenantTx,
    access: &Authorized<P>,
    id: JobId,
) -> Result<Job, ApiError> {
    let found = find_job_for_update(tx, access.view, id).await?;
    let (job, is_editor) = found.ok_or_else(ApiError::not_found)?;
    if access.grant == Grant::All || is_editor {
        return Ok(job);
    }
    Err(ApiError::new(ErrorCode::Forbidden, "You are on this job's team, but not as an editor."))
}

/// The answer with a job that has just been made.
pub(super) fn created(job: &Job) -> Result<Answer, ApiError> {
    let location = format!("/api/jobs/{}", job.summary.id);
    Ok(with_tag(StatusCode::CREATED, job)?.with_header("Location", location))
}

/// The answer with a job that has just been changed.
pub(super) fn changed(job: &Job) -> Result<Answer, ApiError> {
    with_tag(StatusCode::OK, job)
}

/// The same bytes, and so the same tag, as the next read has.
fn with_tag(status: StatusCode, job: &Job) -> Result<Answer, ApiError> {
    let answer = Answer::json(status, job)?;
    let tag = job_tag(job.summary.version, &hash_of(answer.body()));
    Ok(answer.with_header("ETag", tag.as_str()))
}

/// What a change came to, or why it was refused.
pub(super) fn done<T>(outcome: WriteOutcome<T>) -> Result<T, ApiError> {
    match outcome {
        WriteOutcome::Done(value) => Ok(value),
        WriteOutcome::NotFound => Err(ApiError::not_found()),
        WriteOutcome::VersionMismatch { current } => Err(IfMatch::mismatch(current)),
        WriteOutcome::TransitionRefused { from, action } => {
            let detail = format!("Cannot {action} a job that is {from}.");
            Err(ApiError::new(ErrorCode::TransitionRefused, detail))
        }
        WriteOutcome::HasApplications => Err(ApiError::new(
            ErrorCode::TransitionRefused,
            "People have applied for this job: archive it instead.",
        )),
        WriteOutcome::Unpublishable(blockers) => Err(not_publishable(&blockers)),
    }
}

fn not_publishable(blockers: &[PublishBlocker]) -> ApiError {
    let error = ApiError::new(
        ErrorCode::NotPublishable,
        "The job lacks what a published job needs; see errors.",
    );
    blockers.iter().fold(error, |error, blocker| {
        let (pointer, detail) = match blocker {
            PublishBlocker::DescriptionMissing => ("#/description", "is needed to publish"),
            PublishBlocker::LocationMissing => {
                ("#/locations", "one is needed to publish, unless the job is remote")
            }
            PublishBlocker::PayRangeMissing => {
                ("#/salary", "is needed to publish, by your company's policy")
            }
            PublishBlocker::ValidThroughPassed => {
                ("#/valid_through", "has passed; give a later one")
            }
        };
        error.with_field(pointer, blocker.as_str(), detail)
    })
}

#[cfg(test)]
mod tests {
    use employer_store::jobs::JobStatus;

    use super::*;

    #[test]
    fn refusals_have_codes_of_their_own() {
        let refused = |outcome: WriteOutcome<()>| done(outcome).unwrap_err();
        assert_eq!(refused(WriteOutcome::NotFound).code(), ErrorCode::NotFound);
        let mismatch = refused(WriteOutcome::VersionMismatch { current: 4 });
        assert_eq!(mismatch.code(), ErrorCode::PreconditionFailed);
        let transition =
            refused(WriteOutcome::TransitionRefused { from: JobStatus::Draft, action: "pause" });
        assert_eq!(transition.code(), ErrorCode::TransitionRefused);
        assert_eq!(transition.detail(), "Cannot pause a job that is draft.");
        let blockers = PublishBlocker::ALL.to_vec();
        let unpublishable = refused(WriteOutcome::Unpublishable(blockers));
        assert_eq!(unpublishable.errors().len(), PublishBlocker::ALL.len());
        assert_eq!(unpublishable.errors()[0].code, "description_missing");
    }
}
