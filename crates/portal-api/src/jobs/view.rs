//! What answers about jobs look like.

use employer_store::jobs::JobSummary;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The fields of a job in a list, in their order; what `fields` may name.
pub(super) const SUMMARY_FIELDS: [&str; 18] = [
    "id",
    "slug",
    "requisition",
    "title",
    "status",
    "department",
    "employment_type",
    "experience_level",
    "workplace",
    "locations",
    "skills",
    "salary",
    "openings",
    "published_at",
    "valid_through",
    "created_at",
    "updated_at",
    "version",
];

/// One page of jobs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JobsPage {
    /// The jobs, in the order asked for.
    pub(super) data: Vec<JobSummary>,
    /// How it goes on.
    pub(super) page: PageInfo,
    /// How many jobs there are under these filters; only with `count=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<i64>,
}

/// How a list goes on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PageInfo {
    /// Where the next page begins; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
    /// Whether there is a next page.
    pub(crate) has_more: bool,
}

/// The part of a page that its `Link` header is made from.
#[derive(Deserialize)]
struct PageOnly {
    page: PageInfo,
}

/// The cursor of the next page, read from a page's JSON.
pub(crate) fn next_cursor(body: &[u8]) -> Result<Option<String>, serde_json::Error> {
    Ok(serde_json::from_slice::<PageOnly>(body)?.page.next_cursor)
}

/// A page with only `fields` of each job.
pub(super) fn project(body: &[u8], fields: &[&str]) -> Result<Vec<u8>, serde_json::Error> {
    let mut page: Map<String, Value> = serde_json::from_slice(body)?;
    if let Some(Value::Array(jobs)) = page.get_mut("data") {
        for job in jobs.iter_mut().filter_map(Value::as_object_mut) {
            job.retain(|name, _| fields.contains(&name.as_str()));
        }
    }
    serde_json::to_vec(&page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn the_fields_are_those_that_a_summary_has() {
        let schema = serde_json::to_value(JobSummary::schema()).unwrap();
        let documented: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(documented, BTreeSet::from(SUMMARY_FIELDS));
    }

    #[test]
    fn a_projection_keeps_the_page() {
        let page = json!({
            "data": [{"id": 1, "title": "a", "skills": []}, {"id": 2, "title": "b", "skills": []}],
            "page": {"next_cursor": "c", "has_more": true},
            "total": 7,
        });
        let projected = project(page.to_string().as_bytes(), &["title"]).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&projected).unwrap(),
            json!({
                "data": [{"title": "a"}, {"title": "b"}],
                "page": {"next_cursor": "c", "has_more": true},
                "total": 7,
            })
        );
        assert_eq!(next_cursor(&projected).unwrap().as_deref(), Some("c"));
    }
}
