//! `GET /api/jobs/stats/overview` and `GET /api/jobs/facets`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::jobs::{JobFacets, JobsOverview, job_facets, jobs_overview};
use tenant_cache::{Loaded, Operation};

use super::FilterParameters;
use super::query::{append_filter, parse_filter};
use super::read::{Read, Representation, read_through};
use crate::auth::JobsRead;
use crate::error::ApiError;
use crate::extract::{EntityTag, Gated, IfNoneMatch, NoQuery};
use crate::state::PortalState;

/// The jobs that the caller sees, in figures.
#[utoipa::path(
    get, path = "/api/jobs/stats/overview", tag = "jobs", operation_id = "getJobsOverview",
    responses((status = 200, description = "Figures", body = JobsOverview)),
)]
pub(crate) async fn get_overview(
    state: web::Data<PortalState>,
    Gated(access, (if_none_match, _)): Gated<JobsRead, (IfNoneMatch, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let view = access.view;
    let read = Read {
        scope: &access.scope,
        operation: Operation::JobsStats,
        key: Operation::JobsStats.key(&access.scope).part(&view.key_part()).build(),
        entities: &[],
    };
    let answer = read_through(&state, read, move |mut tx| async move {
        Ok(Some(Loaded::new(jobs_overview(&mut tx, view).await?)))
    });
    let answer = answer.await?.ok_or_else(ApiError::not_found)?;
    let (tag, body) = (EntityTag::quoted(&answer.etag), answer.body.clone());
    Ok(Representation { answer: &answer, tag, body, next: None }.respond(&if_none_match))
}

/// Which values the jobs under a filter have, and how often.
#[utoipa::path(
    get, path = "/api/jobs/facets", tag = "jobs", operation_id = "getJobFacets",
    params(FilterParameters),
    responses((status = 200, description = "Counts by value", body = JobFacets)),
)]
pub(crate) async fn get_facets(
    state: web::Data<PortalState>,
    Gated(access, if_none_match): Gated<JobsRead, IfNoneMatch>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (view, filter) = (access.view, parse_filter(request.query_string())?);
    let key = Operation::JobFacets.key(&access.scope).part(&view.key_part());
    let read = Read {
        scope: &access.scope,
        operation: Operation::JobFacets,
        key: append_filter(key, &filter).build(),
        entities: &[],
    };
    let answer = read_through(&state, read, move |mut tx| async move {
        Ok(Some(Loaded::new(job_facets(&mut tx, view, &filter).await?)))
    });
    let answer = answer.await?.ok_or_else(ApiError::not_found)?;
    let (tag, body) = (EntityTag::quoted(&answer.etag), answer.body.clone());
    Ok(Representation { answer: &answer, tag, body, next: None }.respond(&if_none_match))
}
