//! `GET /api/jobs/stats/overview` and `GET /api/jobs/facets`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::jobs::{JobFacets, JobsOverview, job_facets, jobs_overview};
use tenancy::{JobView, TenantScope};
use tenant_cache::{CachedAnswer, JobSlice, Loaded, Operation};

use super::FilterParameters;
use super::query::{append_filter, parse_filter};
use super::read::{Read, Representation, read_through};
use super::slice::{sharing_view, tags};
use crate::auth::JobsRead;
use crate::error::ApiError;
use crate::extract::{EntityTag, Gated, NoQuery, ReadHeaders};
use crate::state::PortalState;

/// The jobs that the caller sees, in figures.
#[utoipa::path(
    get, path = "/api/jobs/stats/overview", tag = "jobs", operation_id = "getJobsOverview",
    responses((status = 200, description = "Figures", body = JobsOverview)),
)]
pub(crate) async fn get_overview(
    state: web::Data<PortalState>,
    Gated(access, (headers, _)): Gated<JobsRead, (ReadHeaders, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let answer = read_overview(&state, &access.scope, access.view).await?;
    Ok(respond(&answer, &headers))
}

/// The figures of the jobs in `view`.
pub(super) async fn read_overview(
    state: &PortalState,
    scope: &TenantScope,
    view: JobView,
) -> Result<CachedAnswer, ApiError> {
    let operation = Operation::JobsStats;
    let key = operation.key(scope).part(&view.key_part()).build();
    let read = Read { scope, operation, key, tags: &operation.tags(&JobSlice::of(view)) };
    let answer = read_through(state, read, move |mut tx| async move {
        Ok(Some(Loaded::new(jobs_overview(&mut tx, view).await?)))
    });
    answer.await?.ok_or_else(ApiError::not_found)
}

/// Which values the jobs under a filter have, and how often.
#[utoipa::path(
    get, path = "/api/jobs/facets", tag = "jobs", operation_id = "getJobFacets",
    params(FilterParameters),
    responses((status = 200, description = "Counts by value", body = JobFacets)),
)]
pub(crate) async fn get_facets(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<JobsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let answer = read_facets(&state, &access.scope, access.view, query).await?;
    Ok(respond(&answer, &headers))
}

/// The facets of the jobs in `view`, under the filters of a query string.
pub(super) async fn read_facets(
    state: &PortalState,
    scope: &TenantScope,
    view: JobView,
    query: &str,
) -> Result<CachedAnswer, ApiError> {
    let filter = parse_filter(query)?;
    let view = sharing_view(view, &filter);
    let operation = Operation::JobFacets;
    let key = append_filter(operation.key(scope).part(&view.key_part()), &filter).build();
    let read = Read { scope, operation, key, tags: &tags(operation, view, &filter) };
    let answer = read_through(state, read, move |mut tx| async move {
        Ok(Some(Loaded::new(job_facets(&mut tx, view, &filter).await?)))
    });
    answer.await?.ok_or_else(ApiError::not_found)
}

fn respond(answer: &CachedAnswer, headers: &ReadHeaders) -> HttpResponse {
    Representation::whole(answer, EntityTag::quoted(&answer.etag)).respond(headers)
}
