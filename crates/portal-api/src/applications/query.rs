//! What a list of applications may be asked for: parsed, bounded, and spelled canonically.

use employer_store::applications::{
    ApplicationFilter, ApplicationSort, ApplicationStatus, StageKind,
};
use tenancy::{JobId, KeyBuilder};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::jobs::query::{DEFAULT_LIMIT, flag, instant, names, number, single, skip_of, words};
use crate::state::Limits;

/// The parameters of a list of all applications.
pub(super) const KEYS: [&str; 10] = [
    "job",
    "stage",
    "status",
    "source",
    "submitted_after",
    "sort",
    "cursor",
    "skip",
    "limit",
    "count",
];

/// One page of a list, as it was asked for.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: ApplicationFilter,
    pub(super) sort: ApplicationSort,
    pub(super) cursor: Option<String>,
    pub(super) skip: u32,
    pub(super) limit: u16,
    pub(super) has_count: bool,
}

impl ListQuery {
    /// Parses a query string; every fault is named. Where the path names a job, the query may not.
    pub(super) fn parse(query: &str, of: Option<JobId>, limits: &Limits) -> Result<Self, ApiError> {
        let known: &[&str] = if of.is_some() { KEYS.get(1..).unwrap_or_default() } else { &KEYS };
        let pairs = Pairs::parse(query, known)?;
        let mut faults = Faults::default();
        let job = of.or_else(|| job_of(&pairs, &mut faults));
        let filter = ApplicationFilter {
            job,
            stages: words::<StageKind>(&pairs, "stage", &mut faults),
            statuses: words::<ApplicationStatus>(&pairs, "status", &mut faults),
            sources: names(&pairs, "source", &mut faults),
            submitted_after: instant(&pairs, "submitted_after", &mut faults),
        };
        let parsed = Self {
            filter,
            sort: sort_of(&pairs, &mut faults),
            cursor: single(&pairs, "cursor", &mut faults).map(str::to_owned),
            skip: skip_of(&pairs, limits, &mut faults),
            limit: number(&pairs, "limit", 1..=i64::from(limits.page_size_max), &mut faults)
                .and_then(|limit| u16::try_from(limit).ok())
                .unwrap_or(DEFAULT_LIMIT.min(limits.page_size_max)),
            has_count: flag(&pairs, "count", &mut faults).unwrap_or(false),
        };
        if parsed.cursor.is_some() && parsed.skip > 0 {
            faults.add("query:skip", "contradiction", "not together with cursor");
        }
        if faults.is_empty() { Ok(parsed) } else { Err(refused_parameters(faults)) }
    }
}

/// Appends the filters to a key: every filter has its place, lists are sets.
pub(super) fn append_filter(key: KeyBuilder, filter: &ApplicationFilter) -> KeyBuilder {
    let job = filter.job.map(|job| job.to_string());
    let after = filter.submitted_after.map(|at| at.unix_timestamp_nanos().to_string());
    key.optional_part(job.as_deref())
        .set_part(filter.stages.iter().map(|one| one.as_str()))
        .set_part(filter.statuses.iter().map(|one| one.as_str()))
        .set_part(filter.sources.iter().map(String::as_str))
        .optional_part(after.as_deref())
}

fn job_of(pairs: &Pairs, faults: &mut Faults) -> Option<JobId> {
    let text = single(pairs, "job", faults)?;
    let id = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
    if id.is_none() {
        faults.add("query:job", "malformed", "the id of a job");
    }
    id.map(JobId::from_uuid)
}

fn sort_of(pairs: &Pairs, faults: &mut Faults) -> ApplicationSort {
    match single(pairs, "sort", faults).map(str::parse) {
        None => ApplicationSort::Newest,
        Some(Ok(sort)) => sort,
        Some(Err(_)) => {
            faults.add("query:sort", "unknown_word", "newest or oldest");
            ApplicationSort::Newest
        }
    }
}

/// Which applications are wanted, and which part of them. Values of one parameter are
/// alternatives, parameters narrow each other.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; a test holds it to KEYS")]
pub(crate) struct ListParameters {
    /// Kinds of stages.
    #[param(style = Form, explode = false, example = json!(["interview"]))]
    stage: Option<Vec<StageKind>>,
    /// States.
    #[param(style = Form, explode = false, example = json!(["active"]))]
    status: Option<Vec<ApplicationStatus>>,
    /// Where the people came from when they applied first.
    #[param(style = Form, explode = false)]
    source: Option<Vec<String>>,
    /// Submitted first at or after this date (UTC) or instant (RFC 3339).
    #[param(example = "2026-11-01")]
    submitted_after: Option<String>,
    /// `newest` (default) or `oldest`.
    #[param(inline)]
    sort: Option<ApplicationSort>,
    /// Where to go on: `page.next_cursor` of the page before, with the same filters and order.
    cursor: Option<String>,
    /// How many to pass over; not together with `cursor`.
    #[param(minimum = 0, maximum = 10_000)]
    skip: Option<u32>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
    /// Whether `total` is wanted.
    count: Option<bool>,
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::ParameterIn;

    use super::*;

    fn parse(query: &str) -> Result<ListQuery, ApiError> {
        ListQuery::parse(query, None, &Limits::default())
    }

    #[test]
    fn every_parameter_is_described() {
        let described: Vec<String> = ListParameters::into_params(|| Some(ParameterIn::Query))
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(described, KEYS[1..]);
    }

    #[test]
    fn faults_are_named_all_at_once() {
        let refused = parse("stage=nowhere&status=x&sort=z&limit=0&job=7").unwrap_err();
        let pointers: Vec<&str> =
            refused.errors().iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["query:job", "query:stage", "query:status", "query:sort", "query:limit"]
        );
        assert!(parse("nonsense=1").is_err());
        assert!(parse("cursor=a&skip=1").is_err());
    }

    #[test]
    fn a_path_that_names_a_job_says_which() {
        let job = JobId::from_uuid(Uuid::nil());
        let of = |query| ListQuery::parse(query, Some(job), &Limits::default());
        assert_eq!(of("stage=screen").unwrap().filter.job, Some(job));
        assert!(of(&format!("job={job}")).is_err());
        assert_eq!(parse(&format!("job={job}")).unwrap().filter.job, Some(job));
    }
}
