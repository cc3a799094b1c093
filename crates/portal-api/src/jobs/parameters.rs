//! The parameters of lists, described for the OpenAPI document. [`super::query`] reads them.

use employer_store::jobs::{EmploymentType, JobStatus, WorkplaceType};
use utoipa::{IntoParams, ToSchema};

/// Which jobs are wanted. Lists are comma lists, repetitions, or both; values of one parameter are
/// alternatives, parameters narrow each other.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters for the OpenAPI document; a test holds it to FILTER_KEYS"
)]
pub(crate) struct FilterParameters {
    /// Words in title, department, skills, places or description; quotes and minus as in web
    /// search.
    #[param(max_length = 200, example = "data engineer")]
    q: Option<String>,
    /// States.
    #[param(style = Form, explode = false, example = json!(["published"]))]
    status: Option<Vec<JobStatus>>,
    /// City, region or country code, without regard to case.
    #[param(max_length = 100, example = "Berlin")]
    location: Option<String>,
    /// `true`: remote only; `false`: onsite or hybrid.
    remote: Option<bool>,
    /// Workplaces.
    #[param(style = Form, explode = false)]
    workplace: Option<Vec<WorkplaceType>>,
    /// Kinds of contract.
    #[param(style = Form, explode = false)]
    employment_type: Option<Vec<EmploymentType>>,
    /// Departments, as facets name them.
    #[param(style = Form, explode = false)]
    department: Option<Vec<String>>,
    /// Skills, without regard to case.
    #[param(style = Form, explode = false)]
    skill: Option<Vec<String>>,
    /// The upper end of the pay is at least this, in minor units for a year of full-time work.
    #[param(minimum = 0)]
    salary_min: Option<i64>,
    /// Published at or after this date (UTC) or instant (RFC 3339).
    #[param(example = "2026-11-01")]
    posted_after: Option<String>,
}

/// The orders of a list.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a parameter; `ListQuery` reads it")]
enum SortWord {
    Newest,
    Oldest,
    Updated,
    Title,
    Salary,
    Relevance,
}

/// Which part of the list, and how.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters for the OpenAPI document; a test holds it to PAGE_KEYS"
)]
pub(crate) struct PageParameters {
    /// `newest` (default), `oldest`, `updated`, `title`, `salary`, or `relevance` (default with
    /// `q`, and only with it).
    #[param(inline, example = "newest")]
    sort: Option<SortWord>,
    /// Where to go on: `page.next_cursor` of the page before, with the same filters and order.
    cursor: Option<String>,
    /// How many jobs to pass over; not together with `cursor`.
    #[param(minimum = 0, maximum = 10_000)]
    skip: Option<u32>,
    /// How many jobs at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
    /// Whether `total` is wanted.
    count: Option<bool>,
    /// The only fields wanted of each job.
    #[param(style = Form, explode = false, example = json!(["id", "title"]))]
    fields: Option<Vec<String>>,
}
