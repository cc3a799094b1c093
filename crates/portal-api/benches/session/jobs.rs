//! What is read: a job, and a page of twenty.

use std::convert::Infallible;

use employer_store::jobs::JobSort;
use serde_json::{Value, json};
use tenancy::{JobView, Tag, TenantKey, TenantScope};
use tenant_cache::{JobSlice, Loaded, Operation, TenantCache};
use uuid::Uuid;

use crate::Outcome;

/// The job that is read.
const JOB: Uuid = Uuid::from_u128(0x0191_f1c0_5a5a_7000_8000_0000_0000_abcd);
/// Jobs on a page.
const PAGE: u128 = 20;
/// Where the next page begins; a signed cursor is about as long.
const CURSOR: &str = "WyIyMDI2LTEwLTEyVDA5OjE0OjA3LjEyMzQ1NloiLCIwMTkxZjFjMC01YTVhLTcwMDAtODAwMC0w\
                      MDAwMDAwMGFiZTAiXS4wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg";
/// No choice among the values of a filter.
const NOTHING: [&str; 0] = [];

/// A read that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Job,
    Jobs,
}

impl Route {
    pub(crate) const ALL: [Self; 2] = [Self::Job, Self::Jobs];

    pub(crate) fn path(self) -> String {
        match self {
            Self::Job => format!("/api/jobs/{JOB}"),
            Self::Jobs => "/api/jobs".to_owned(),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Job => "GET /api/jobs/{id}",
            Self::Jobs => "GET /api/jobs",
        }
    }
}

/// Puts both answers into the cache, under the keys that the routes look them up by.
pub(crate) async fn fill(cache: &TenantCache, scope: &TenantScope) -> Outcome<()> {
    let job = [Tag::entity("job", JOB)];
    put(cache, scope, Operation::JobsItem, job_key(scope), &job, whole_job()).await?;
    let jobs: Vec<Value> = (0..PAGE).map(summary).collect();
    let more = json!({ "next_cursor": CURSOR, "has_more": true });
    let page = json!({ "data": jobs, "page": more });
    let tags = Operation::JobsList.tags(&JobSlice::of(JobView::All));
    put(cache, scope, Operation::JobsList, page_key(scope), &tags, page).await
}

async fn put(
    cache: &TenantCache,
    scope: &TenantScope,
    operation: Operation,
    key: TenantKey,
    tags: &[Tag],
    value: Value,
) -> Outcome<()> {
    let load = move || async move { Ok::<_, Infallible>(Some(Loaded::new(value))) };
    let answer = cache.get_or_load(scope, operation, key, tags, load).await?;
    answer.map(drop).ok_or_else(|| "nothing was stored".into())
}

fn job_key(scope: &TenantScope) -> TenantKey {
    let key = Operation::JobsItem.key(scope).part(&JobView::All.key_part());
    key.part(&JOB.to_string()).build()
}

/// The first page without a filter, the newest first.
fn page_key(scope: &TenantScope) -> TenantKey {
    let page = Operation::JobsList
        .key(scope)
        .part(&JobView::All.key_part())
        .part("0")
        .part(&PAGE.to_string())
        .optional_part(None)
        .optional_part(None)
        .part(JobSort::Newest.as_str());
    let words = page.optional_part(None).set_part(NOTHING).optional_part(None);
    let choices = words.set_part(NOTHING).set_part(NOTHING).set_part(NOTHING).set_part(NOTHING);
    choices.optional_part(None).optional_part(None).build()
}

fn summary(number: u128) -> Value {
    let id = Uuid::from_u128(JOB.as_u128() + number);
    json!({
        "id": id,
        "slug": format!("registered-nurse-intensive-care-{number}"),
        "requisition": format!("REQ-{:06}", 10_000 + 37 * number),
        "title": "Registered Nurse, Intensive Care",
        "status": "published",
        "department": "Care",
        "employment_type": "full_time",
        "experience_level": "mid",
        "workplace": "on_site",
        "locations": [{ "country": "DE", "region": "Berlin", "city": "Berlin" }],
        "skills": ["ICU", "German C1", "HSE"],
        "salary": { "min": 4_800_000, "max": 6_200_000, "currency": "EUR", "period": "year" },
        "openings": 1 + number % 4,
        "published_at": "2026-10-12T09:14:07.123456Z",
        "valid_through": "2026-12-24T22:59:59Z",
        "created_at": "2026-09-30T08:02:51.654321Z",
        "updated_at": "2026-10-12T09:14:07.123456Z",
        "version": 3 + number % 9,
    })
}

/// A job with 1.5 KiB of description in each form, and three people on its team.
fn whole_job() -> Value {
    let text = "You look after patients in intensive care, in a team that has time for them. ";
    let text = text.repeat(20);
    let person = |number: u128| json!({ "id": Uuid::from_u128(number), "name": "Ada Example" });
    let member = |number: u128, access: &str| {
        let user = Uuid::from_u128(number);
        json!({ "user_id": user, "name": "Ada Example", "access": access })
    };
    let mut job = summary(0);
    if let Some(fields) = job.as_object_mut() {
        let more = json!({
            "description_html": format!("<p>{text}</p>"),
            "description_text": text,
            "pay_blurb": null,
            "lang": "en",
            "closed_reason": null,
            "created_by": person(1),
            "team": [member(1, "edit"), member(2, "edit"), member(3, "view")],
        });
        fields.extend(more.as_object().cloned().unwrap_or_default());
    }
    job
}
