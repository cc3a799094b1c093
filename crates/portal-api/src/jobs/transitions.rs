//! `POST /api/jobs/{id}/…`: the steps of a job's life.
//!
//! Every step takes an optional `If-Match` and an optional `Idempotency-Key`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::jobs::{Job, StatusChange, change_status, duplicate_job as duplicate_in_store};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::body::{close_reason, last_day, no_fields};
use super::write::{attempt, changed, created, done, job_to_change};
use super::{CloseBody, PublishBody};
use crate::auth::{JobsArchive, JobsWrite, Needs};
use crate::error::ApiError;
use crate::extract::{Gated, IdempotencyKey, IfMatch, JobPath, JsonBody, NoQuery, OptionalJson};
use crate::state::PortalState;
use crate::writes::write_once;

/// What a step takes from its request.
type StepInput = (JobPath, IfMatch, IdempotencyKey, JsonBody<OptionalJson>, NoQuery);

/// Publishes a draft or paused job.
#[utoipa::path(
    post, path = "/api/jobs/{id}/publish", tag = "jobs", operation_id = "publishJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    request_body(content = Option<PublishBody>, content_type = "application/json"),
    responses((status = 200, description = "The published job", body = Job)),
)]
pub(crate) async fn publish_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, now| {
        Ok(StatusChange::Publish { valid_through: last_day(body, now)? })
    })
    .await
}

/// Takes a published job off for a while.
#[utoipa::path(
    post, path = "/api/jobs/{id}/pause", tag = "jobs", operation_id = "pauseJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 200, description = "The paused job", body = Job)),
)]
pub(crate) async fn pause_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, _| no_fields(body).map(|()| StatusChange::Pause)).await
}

/// Closes a published or paused job, for a reason.
#[utoipa::path(
    post, path = "/api/jobs/{id}/close", tag = "jobs", operation_id = "closeJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    request_body(content = CloseBody, content_type = "application/json"),
    responses((status = 200, description = "The closed job", body = Job)),
)]
pub(crate) async fn close_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, _| Ok(StatusChange::Close { reason: close_reason(body)? }))
        .await
}

/// Publishes a closed job again, or makes an archived one a draft again.
#[utoipa::path(
    post, path = "/api/jobs/{id}/reopen", tag = "jobs", operation_id = "reopenJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    request_body(content = Option<PublishBody>, content_type = "application/json"),
    responses((status = 200, description = "The reopened job", body = Job)),
)]
pub(crate) async fn reopen_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, now| {
        Ok(StatusChange::Reopen { valid_through: last_day(body, now)? })
    })
    .await
}

/// Moves a draft, paused or closed job to the archive.
#[utoipa::path(
    post, path = "/api/jobs/{id}/archive", tag = "jobs", operation_id = "archiveJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 200, description = "The archived job", body = Job)),
)]
pub(crate) async fn archive_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsArchive, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, _| no_fields(body).map(|()| StatusChange::Archive)).await
}

/// Pauses a published job, publishes a draft or paused one.
#[utoipa::path(
    post, path = "/api/jobs/{id}/toggle", tag = "jobs", operation_id = "toggleJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 200, description = "The job in its other state", body = Job)),
)]
pub(crate) async fn toggle_job(
    state: web::Data<PortalState>,
    gated: Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body, _| no_fields(body).map(|()| StatusChange::Toggle)).await
}

/// Makes a new draft like this job, without its dates.
#[utoipa::path(
    post, path = "/api/jobs/{id}/duplicate", tag = "jobs", operation_id = "duplicateJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 201, description = "The new draft; `Location` says where", body = Job)),
)]
pub(crate) async fn duplicate_job(
    state: web::Data<PortalState>,
    Gated(access, (id, if_match, key, body, _)): Gated<JobsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let attempt = attempt(&access, &request, &key, body.digest);
    write_once(&state, attempt, async |tx| {
        let job = job_to_change(tx, &access, id.0).await?;
        if_match.check(job.summary.version)?;
        no_fields(&body.object)?;
        created(&done(duplicate_in_store(tx, id.0).await?)?)
    })
    .await
}

/// Takes one step: find the job, check the version, understand the body, move.
async fn step<P: Needs>(
    state: &PortalState,
    Gated(access, (id, if_match, key, body, _)): Gated<P, StepInput>,
    request: &HttpRequest,
    change_of: impl FnOnce(&Map<String, Value>, OffsetDateTime) -> Result<StatusChange, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now();
    let attempt = attempt(&access, request, &key, body.digest);
    write_once(state, attempt, async |tx| {
        let job = job_to_change(tx, &access, id.0).await?;
        let version = job.summary.version;
        if_match.check(version)?;
        let change = change_of(&body.object, now)?;
        changed(&done(change_status(tx, id.0, Some(version), &change).await?)?)
    })
    .await
}
