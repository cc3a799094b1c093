//! `GET /api/jobs/{id}`.

use actix_web::{HttpResponse, web};
use employer_store::jobs::{Job, JobStatus, find_job};
use serde::Deserialize;
use tenancy::Tag;
use tenant_cache::{Loaded, Operation};

use super::read::{Read, Representation, job_tag, read_through};
use crate::auth::JobsRead;
use crate::error::ApiError;
use crate::extract::{Gated, JobPath, NoQuery, ReadHeaders};
use crate::state::PortalState;

/// The part of a job that its tag is made from.
#[derive(Deserialize)]
struct VersionOnly {
    version: i32,
}

/// Reads a job.
///
/// The `ETag` begins with the version; send it back as `If-Match` with a change.
#[utoipa::path(
    get, path = "/api/jobs/{id}", tag = "jobs", operation_id = "getJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job)),
)]
pub(crate) async fn get_job(
    state: web::Data<PortalState>,
    Gated(access, (id, headers, _)): Gated<JobsRead, (JobPath, ReadHeaders, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let (id, view) = (id.0, access.view);
    let read = Read {
        scope: &access.scope,
        operation: Operation::JobsItem,
        key: Operation::JobsItem
            .key(&access.scope)
            .part(&view.key_part())
            .part(&id.to_string())
            .build(),
        entities: &[Tag::entity("job", id.as_uuid())],
    };
    let answer = read_through(&state, read, move |mut tx| async move {
        let job = find_job(&mut tx, view, id).await?;
        Ok(job.map(|job| {
            // A published job is another one after its last day, whoever gets to say so first.
            let is_open = job.summary.status == JobStatus::Published;
            let last_day = job.summary.valid_through.filter(|_| is_open);
            Loaded::until(job, last_day)
        }))
    });
    let answer = answer.await?.ok_or_else(ApiError::not_found)?;
    let VersionOnly { version } =
        serde_json::from_slice(&answer.body).map_err(ApiError::internal)?;
    let tag = job_tag(version, &answer.etag);
    Ok(Representation::whole(&answer, tag).respond(&headers))
}
