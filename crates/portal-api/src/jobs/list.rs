//! `GET /api/jobs`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::TenantTx;
use employer_store::jobs::{JobCursor, JobQuery, count_jobs, list_jobs as list_in_store};
use tenancy::{JobView, TenantKey, TenantScope};
use tenant_cache::{CachedAnswer, Loaded, Operation};
use url::form_urlencoded;

use super::cursor::CursorKey;
use super::query::{FILTER_KEYS, ListQuery, PAGE_KEYS, append_filter};
use super::read::{LoadError, Read, Representation, hash_of, read_through};
use super::slice::{sharing_view, tags};
use super::view::{JobsPage, PageInfo, next_cursor, project};
use super::{FilterParameters, PageParameters};
use crate::auth::JobsRead;
use crate::error::ApiError;
use crate::extract::{EntityTag, Gated, Pairs, ReadHeaders};
use crate::state::PortalState;

/// Lists and searches jobs.
///
/// What is listed depends on the role: hiring managers see the jobs whose team they are on,
/// viewers all but drafts, the others all. Answers are cached for 120 seconds and dropped by every
/// change to a job that they may show; `X-Cache` and `Age` tell.
#[utoipa::path(
    get, path = "/api/jobs", tag = "jobs", operation_id = "listJobs",
    params(FilterParameters, PageParameters),
    responses((status = 200, description = "A page of jobs", body = JobsPage)),
)]
pub(crate) async fn list_jobs(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<JobsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), &state.settings.limits)?;
    let answer = read_page(&state, &access.scope, access.view, &query).await?;
    let next = next_cursor(&answer.body).map_err(ApiError::internal)?;
    let next = next.map(|cursor| next_page(request.query_string(), &cursor));
    let part = wanted_part(&answer, query.fields.as_deref())?;
    Ok(Representation { next, ..part }.respond(&headers))
}

/// A page of the jobs in `view`.
pub(super) async fn read_page(
    state: &PortalState,
    scope: &TenantScope,
    view: JobView,
    query: &ListQuery,
) -> Result<CachedAnswer, ApiError> {
    let list = List::new(scope, view, query);
    let page = list.page(&state.settings.cursor_key)?;
    let (operation, key) = (Operation::JobsList, list.page_key());
    let tags = tags(operation, list.view, &query.filter);
    let read = Read { scope, operation, key, tags: &tags };
    let answer = read_through(state, read, move |tx| page.load(tx)).await?;
    answer.ok_or_else(ApiError::not_found)
}

/// A list as one caller asked for it.
struct List<'a> {
    scope: &'a TenantScope,
    view: JobView,
    query: &'a ListQuery,
}

impl<'a> List<'a> {
    fn new(scope: &'a TenantScope, view: JobView, query: &'a ListQuery) -> Self {
        Self { scope, view: sharing_view(view, &query.filter), query }
    }

    /// The list itself, whichever page of it: what a cursor is good for.
    fn name(&self) -> TenantKey {
        let query = self.query;
        let key = Operation::JobsList.key(self.scope).part(&self.view.key_part());
        append_filter(key.part(query.sort.as_str()), &query.filter).build()
    }

    /// One page of it: what is cached.
    fn page_key(&self) -> TenantKey {
        let query = self.query;
        let key = Operation::JobsList
            .key(self.scope)
            .part(&self.view.key_part())
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
        let after: Option<JobCursor> = match &query.cursor {
            Some(cursor) => Some(key.open(name.as_str(), cursor)?),
            None => None,
        };
        Ok(Page {
            key: key.clone(),
            list: name,
            has_count: query.has_count,
            query: JobQuery {
                view: self.view,
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
    query: JobQuery,
}

impl Page {
    async fn load(self, mut tx: TenantTx) -> Result<Option<Loaded<JobsPage>>, LoadError> {
        let found = list_in_store(&mut tx, &self.query).await?;
        let total = if self.has_count {
            Some(count_jobs(&mut tx, self.query.view, &self.query.filter).await?)
        } else {
            None
        };
        let next_cursor = match &found.next {
            Some(position) => Some(self.key.sign(self.list.as_str(), position)?),
            None => None,
        };
        let page = PageInfo { has_more: next_cursor.is_some(), next_cursor };
        Ok(Some(Loaded::new(JobsPage { data: found.jobs, page, total })))
    }
}

/// What the caller wants of the page.
fn wanted_part<'a>(
    answer: &'a CachedAnswer,
    fields: Option<&[&str]>,
) -> Result<Representation<'a>, ApiError> {
    let Some(fields) = fields else {
        return Ok(Representation::whole(answer, EntityTag::quoted(&answer.etag)));
    };
    let body = project(&answer.body, fields).map_err(ApiError::internal)?;
    let tag = EntityTag::quoted(&format!("\"{}\"", hash_of(&body)));
    Ok(Representation { answer, tag, body: body.into(), gzip: None, next: None })
}

/// Where the next page is: the same question, with the cursor instead of a place.
fn next_page(query: &str, cursor: &str) -> String {
    let known = [FILTER_KEYS.as_slice(), PAGE_KEYS.as_slice()].concat();
    let mut next = form_urlencoded::Serializer::new(String::new());
    for (key, value) in Pairs::parse(query, &known).unwrap_or_default().iter() {
        if key != "cursor" && key != "skip" {
            next.append_pair(key, value);
        }
    }
    next.append_pair("cursor", cursor);
    format!("/api/jobs?{}", next.finish())
}

#[cfg(test)]
mod tests {
    use tenancy::{Evidence, TenantId, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::state::Limits;

    fn scope(org: &str) -> TenantScope {
        #[expect(clippy::disallowed_methods, reason = "there is nothing to verify in a unit test")]
        TenantScope::from_verified(
            TenantId::from_uuid(Uuid::nil()),
            org.parse().unwrap(),
            Evidence::SystemTask("test"),
        )
    }

    fn names(org: &str, view: JobView, query: &str) -> (String, String) {
        let query = ListQuery::parse(query, &Limits::default()).unwrap();
        let scope = scope(org);
        let list = List::new(&scope, view, &query);
        (list.name().as_str().to_owned(), list.page_key().as_str().to_owned())
    }

    #[test]
    fn spelling_does_not_matter_and_meaning_does() {
        let all = |query: &str| names("org_a", JobView::All, query);
        assert_eq!(all("status=draft,paused&q=a%20b"), all("q=a+b&status=paused&status=draft"));
        assert_eq!(all("limit=20&skip=0&fields=id"), all(""));
        assert_ne!(all("location=a%3Ab"), all("location=a&department=b"));
        assert_ne!(all("q=None"), all(""));
        for other in ["skip=20", "limit=21", "count=true"] {
            assert_eq!(all(other).0, all("").0, "the same list: {other}");
            assert_ne!(all(other).1, all("").1, "another page: {other}");
        }
        for other in ["sort=title", "q=a", "remote=true", "salary_min=1", "posted_after=2026-11-01"]
        {
            assert_ne!(all(other).0, all("").0, "another list: {other}");
        }
    }

    #[test]
    fn tenants_and_views_have_lists_of_their_own() {
        let user = UserId::from_uuid(Uuid::nil());
        let mut seen = vec![names("org_b", JobView::All, "")];
        for view in [JobView::All, JobView::Published, JobView::Assigned(user)] {
            let own = names("org_a", view, "");
            assert!(!seen.contains(&own));
            seen.push(own);
        }
        let without_drafts = |view| names("org_a", view, "status=paused,closed");
        assert_eq!(without_drafts(JobView::All), without_drafts(JobView::Published));
    }

    #[test]
    fn the_documented_key() {
        let (_, key) = names("org_9f2cA1", JobView::All, "q=rust&location=berlin");
        assert_eq!(key, "tenant:{org_9f2cA1:jobs}:list:all:0:20:::relevance:rust::berlin::::::");
    }

    #[test]
    fn the_next_page_asks_the_same_question() {
        assert_eq!(next_page("", "c-1"), "/api/jobs?cursor=c-1");
        assert_eq!(
            next_page("status=draft,paused&q=a%26b&skip=20&cursor=old", "new"),
            "/api/jobs?status=draft%2Cpaused&q=a%26b&cursor=new"
        );
    }
}
