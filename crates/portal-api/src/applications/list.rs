//! `GET /api/applications` and `GET /api/jobs/{id}/applications`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::TenantTx;
use employer_store::applications::{
    ApplicationCursor, ApplicationQuery, ApplicationSummary, count_applications,
    list_applications as list_in_store,
};
use employer_store::jobs::find_job;
use serde::Serialize;
use tenancy::{JobId, JobView, TenantKey};
use tenant_cache::{Loaded, Operation};
use url::form_urlencoded;
use utoipa::ToSchema;

use super::query::{KEYS, ListParameters, ListQuery, append_filter};
use crate::auth::{ApplicationsRead, Authorized};
use crate::error::ApiError;
use crate::extract::{EntityTag, Gated, JobPath, Pairs, ReadHeaders};
use crate::jobs::read::{LoadError, Read, Representation, read_through};
use crate::jobs::{CursorKey, PageInfo, next_cursor};
use crate::state::PortalState;

const OPERATION: Operation = Operation::ApplicationsList;

/// One page of applications.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationsPage {
    /// The applications, in the order asked for.
    data: Vec<ApplicationSummary>,
    /// How it goes on.
    page: PageInfo,
    /// How many there are under these filters; only with `count=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

/// Lists applications for all jobs.
///
/// Hiring managers see those for the jobs whose team they are on. Answers are cached for 30 seconds,
/// sealed, and dropped by every application for a job that they may show.
#[utoipa::path(
    get, path = "/api/applications", tag = "applications", operation_id = "listApplications",
    params(("job" = Option<uuid::Uuid>, Query, description = "For this job"), ListParameters),
    responses((status = 200, description = "A page of applications", body = ApplicationsPage)),
)]
pub(crate) async fn list_applications(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<ApplicationsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), None, &state.settings.limits)?;
    respond(&state, &access, &query, &request, &headers).await
}

/// Lists the applications for a job.
///
/// A job that the caller does not see is 404. Answers are cached as those of all jobs are.
#[utoipa::path(
    get, path = "/api/jobs/{id}/applications", tag = "applications",
    operation_id = "listApplicationsOfJob",
    params(("id" = uuid::Uuid, Path, description = "The job"), ListParameters),
    responses((status = 200, description = "A page of applications", body = ApplicationsPage)),
)]
pub(crate) async fn list_applications_of_job(
    state: web::Data<PortalState>,
    Gated(access, (id, headers)): Gated<ApplicationsRead, (JobPath, ReadHeaders)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), Some(id.0), &state.settings.limits)?;
    respond(&state, &access, &query, &request, &headers).await
}

async fn respond(
    state: &PortalState,
    access: &Authorized<ApplicationsRead>,
    query: &ListQuery,
    request: &HttpRequest,
    headers: &ReadHeaders,
) -> Result<HttpResponse, ApiError> {
    let list = List { access, query };
    let page = list.page(&state.settings.cursor_key)?;
    let tags = OPERATION.tags_of_applications(query.filter.job);
    let read =
        Read { scope: &access.scope, operation: OPERATION, key: list.page_key(), tags: &tags };
    let answer = read_through(state, read, move |tx| page.load(tx)).await?;
    let answer = answer.ok_or_else(ApiError::not_found)?;
    let next = next_cursor(&answer.body).map_err(ApiError::internal)?;
    let next = next.map(|cursor| next_page(request, &cursor));
    let whole = Representation::whole(&answer, EntityTag::quoted(&answer.etag));
    Ok(Representation { next, ..whole }.respond(headers))
}

/// A list as one caller asked for it.
struct List<'a> {
    access: &'a Authorized<ApplicationsRead>,
    query: &'a ListQuery,
}

impl List<'_> {
    /// The list itself, whichever page of it: what a cursor is good for.
    fn name(&self) -> TenantKey {
        let key = OPERATION.key(&self.access.scope).part(&self.access.view.key_part());
        append_filter(key.part(self.query.sort.as_str()), &self.query.filter).build()
    }

    /// One page of it: what is cached.
    fn page_key(&self) -> TenantKey {
        let query = self.query;
        let key = OPERATION
            .key(&self.access.scope)
            .part(&self.access.view.key_part())
            .part(&query.skip.to_string())
            .part(&query.limit.to_string())
            .optional_part(query.cursor.as_deref())
            .optional_part(query.has_count.then_some("count"))
            .part(query.sort.as_str());
        append_filter(key, &query.filter).build()
    }

    /// The page that was asked for, its cursor checked.
    fn page(&self, key: &CursorKey) -> Result<Page, ApiError> {
        let (name, query) = (self.name(), self.query);
        let after: Option<ApplicationCursor> = match &query.cursor {
            Some(cursor) => Some(key.open(name.as_str(), cursor)?),
            None => None,
        };
        Ok(Page {
            key: key.clone(),
            list: name,
            has_count: query.has_count,
            query: ApplicationQuery {
                view: self.access.view,
                filter: query.filter.clone(),
                sort: query.sort,
                after,
                skip: query.skip,
                limit: query.limit,
            },
        })
    }
}

/// A page that is to be loaded.
struct Page {
    key: CursorKey,
    list: TenantKey,
    has_count: bool,
    query: ApplicationQuery,
}

impl Page {
    async fn load(self, mut tx: TenantTx) -> Result<Option<Loaded<ApplicationsPage>>, LoadError> {
        let (view, filter) = (self.query.view, &self.query.filter);
        if let Some(job) = filter.job
            && !is_seen(&mut tx, view, job).await?
        {
            return Ok(None);
        }
        let found = list_in_store(&mut tx, &self.query).await?;
        let total = if self.has_count {
            Some(count_applications(&mut tx, view, filter).await?)
        } else {
            None
        };
        let next_cursor = match &found.next {
            Some(position) => Some(self.key.sign(self.list.as_str(), position)?),
            None => None,
        };
        let page = PageInfo { has_more: next_cursor.is_some(), next_cursor };
        Ok(Some(Loaded::new(ApplicationsPage { data: found.applications, page, total })))
    }
}

/// Whether the view shows the job.
async fn is_seen(tx: &mut TenantTx, view: JobView, job: JobId) -> Result<bool, LoadError> {
    Ok(find_job(tx, view, job).await?.is_some())
}

/// Where the next page is: the same question, with the cursor instead of a place.
fn next_page(request: &HttpRequest, cursor: &str) -> String {
    let mut next = form_urlencoded::Serializer::new(String::new());
    for (key, value) in Pairs::parse(request.query_string(), &KEYS).unwrap_or_default().iter() {
        if key != "cursor" && key != "skip" {
            next.append_pair(key, value);
        }
    }
    next.append_pair("cursor", cursor);
    format!("{}?{}", request.path(), next.finish())
}
