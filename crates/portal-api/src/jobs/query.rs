//! What a list of jobs may be asked for: parsed, bounded, and spelled canonically.

use std::str::FromStr;

use employer_store::jobs::{EmploymentType, JobFilter, JobSort, JobStatus, WorkplaceType};
use tenancy::KeyBuilder;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime};
use utoipa::IntoParams;

use super::fields::parse_date_time;
use super::view::SUMMARY_FIELDS;
use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::Limits;

const MAX_TEXT_CHARS: usize = 200;
const MAX_NAME_CHARS: usize = 100;
const MAX_ITEMS: usize = 20;
const MAX_AMOUNT: i64 = 1_000_000_000_000;
const DEFAULT_LIMIT: u16 = 20;

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
    #[param(example = "newest")]
    sort: Option<String>,
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

/// The filters, by name.
pub(super) const FILTER_KEYS: [&str; 10] = [
    "q",
    "status",
    "location",
    "remote",
    "workplace",
    "employment_type",
    "department",
    "skill",
    "salary_min",
    "posted_after",
];

/// The page parameters, by name.
pub(super) const PAGE_KEYS: [&str; 6] = ["sort", "cursor", "skip", "limit", "count", "fields"];

/// One page of a list, as it was asked for.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: JobFilter,
    pub(super) sort: JobSort,
    pub(super) cursor: Option<String>,
    pub(super) skip: u32,
    pub(super) limit: u16,
    pub(super) has_count: bool,
    /// The fields wanted, in the order of [`SUMMARY_FIELDS`].
    pub(super) fields: Option<Vec<&'static str>>,
}

impl ListQuery {
    /// Parses a query string; every fault is named.
    pub(super) fn parse(query: &str, limits: &Limits) -> Result<Self, ApiError> {
        let known = [FILTER_KEYS.as_slice(), PAGE_KEYS.as_slice()].concat();
        let pairs = Pairs::parse(query, &known)?;
        let mut faults = Faults::default();
        let filter = filter_of(&pairs, &mut faults);
        let parsed = Self {
            sort: sort_of(&pairs, filter.text.is_some(), &mut faults),
            cursor: single(&pairs, "cursor", &mut faults).map(str::to_owned),
            skip: skip_of(&pairs, limits, &mut faults),
            limit: number(&pairs, "limit", 1..=i64::from(limits.page_size_max), &mut faults)
                .and_then(|limit| u16::try_from(limit).ok())
                .unwrap_or(DEFAULT_LIMIT.min(limits.page_size_max)),
            has_count: flag(&pairs, "count", &mut faults).unwrap_or(false),
            fields: fields_of(&pairs, &mut faults),
            filter,
        };
        if parsed.cursor.is_some() && parsed.skip > 0 {
            faults.add("query:skip", "contradiction", "not together with cursor");
        }
        if faults.is_empty() { Ok(parsed) } else { Err(refused_parameters(faults)) }
    }
}

/// Parses a query string of filters alone.
pub(super) fn parse_filter(query: &str) -> Result<JobFilter, ApiError> {
    let pairs = Pairs::parse(query, &FILTER_KEYS)?;
    let mut faults = Faults::default();
    let filter = filter_of(&pairs, &mut faults);
    if faults.is_empty() { Ok(filter) } else { Err(refused_parameters(faults)) }
}

/// Appends the filters to a key: every filter has its place, lists are sets.
pub(super) fn append_filter(key: KeyBuilder, filter: &JobFilter) -> KeyBuilder {
    let salary_min = filter.salary_min.map(|amount| amount.to_string());
    let posted_after = filter.posted_after.map(|at| at.unix_timestamp_nanos().to_string());
    key.optional_part(filter.text.as_deref())
        .set_part(filter.statuses.iter().map(|one| one.as_str()))
        .optional_part(filter.location.as_deref())
        .set_part(filter.workplaces.iter().map(|one| one.as_str()))
        .set_part(filter.employment_types.iter().map(|one| one.as_str()))
        .set_part(filter.departments.iter().map(String::as_str))
        .set_part(filter.skills.iter().map(String::as_str))
        .optional_part(salary_min.as_deref())
        .optional_part(posted_after.as_deref())
}

fn filter_of(pairs: &Pairs, faults: &mut Faults) -> JobFilter {
    JobFilter {
        statuses: words(pairs, "status", faults),
        text: text(pairs, "q", MAX_TEXT_CHARS, faults),
        location: text(pairs, "location", MAX_NAME_CHARS, faults),
        workplaces: workplaces_of(pairs, faults),
        employment_types: words(pairs, "employment_type", faults),
        departments: names(pairs, "department", faults),
        skills: names(pairs, "skill", faults),
        salary_min: number(pairs, "salary_min", 0..=MAX_AMOUNT, faults),
        posted_after: instant(pairs, "posted_after", faults),
    }
}

/// `workplace`, narrowed by `remote`.
fn workplaces_of(pairs: &Pairs, faults: &mut Faults) -> Vec<WorkplaceType> {
    let mut workplaces: Vec<WorkplaceType> = words(pairs, "workplace", faults);
    let Some(is_remote) = flag(pairs, "remote", faults) else { return workplaces };
    if workplaces.is_empty() {
        workplaces = WorkplaceType::ALL.to_vec();
    }
    workplaces.retain(|one| (*one == WorkplaceType::Remote) == is_remote);
    if workplaces.is_empty() {
        faults.add("query:remote", "contradiction", "contradicts workplace");
    }
    workplaces
}

fn sort_of(pairs: &Pairs, has_text: bool, faults: &mut Faults) -> JobSort {
    match single(pairs, "sort", faults) {
        None if has_text => JobSort::Relevance,
        None | Some("newest") => JobSort::Newest,
        Some("oldest") => JobSort::Oldest,
        Some("updated") => JobSort::Updated,
        Some("title") => JobSort::Title,
        Some("salary") => JobSort::SalaryHigh,
        Some("relevance") => {
            if !has_text {
                faults.add("query:sort", "contradiction", "relevance needs q");
            }
            JobSort::Relevance
        }
        Some(_) => {
            let detail = "one of newest, oldest, updated, title, salary, relevance";
            faults.add("query:sort", "unknown_word", detail);
            JobSort::Newest
        }
    }
}

fn skip_of(pairs: &Pairs, limits: &Limits, faults: &mut Faults) -> u32 {
    let skip = number(pairs, "skip", 0..=i64::from(u32::MAX), faults).unwrap_or(0);
    let skip = u32::try_from(skip).unwrap_or(0);
    if skip > limits.skip_max {
        let most = limits.skip_max;
        faults.add(
            "query:skip",
            "too_large",
            format!("at most {most}; go on with page.next_cursor"),
        );
    }
    skip
}

fn fields_of(pairs: &Pairs, faults: &mut Faults) -> Option<Vec<&'static str>> {
    let wanted = pairs.list("fields", SUMMARY_FIELDS.len(), faults);
    if wanted.is_empty() {
        return None;
    }
    if wanted.iter().any(|field| !SUMMARY_FIELDS.contains(field)) {
        let detail = format!("each one of {}", SUMMARY_FIELDS.join(", "));
        faults.add("query:fields", "unknown_word", detail);
    }
    Some(SUMMARY_FIELDS.into_iter().filter(|field| wanted.contains(field)).collect())
}

/// A parameter that says nothing is as good as absent: that is how forms send an empty box.
fn single<'a>(pairs: &'a Pairs, key: &str, faults: &mut Faults) -> Option<&'a str> {
    pairs.single(key, faults).filter(|value| !value.is_empty())
}

fn text(pairs: &Pairs, key: &str, most: usize, faults: &mut Faults) -> Option<String> {
    let value = single(pairs, key, faults).filter(|value| !value.trim().is_empty())?;
    if value.chars().count() > most {
        faults.add(format!("query:{key}"), "too_long", format!("at most {most} characters"));
    }
    Some(value.to_owned())
}

fn names(pairs: &Pairs, key: &str, faults: &mut Faults) -> Vec<String> {
    let items = pairs.list(key, MAX_ITEMS, faults);
    if items.iter().any(|item| item.chars().count() > MAX_NAME_CHARS) {
        let detail = format!("each at most {MAX_NAME_CHARS} characters");
        faults.add(format!("query:{key}"), "too_long", detail);
    }
    items.into_iter().map(str::to_owned).collect()
}

fn words<T>(pairs: &Pairs, key: &str, faults: &mut Faults) -> Vec<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let mut parsed = Vec::new();
    for item in pairs.list(key, MAX_ITEMS, faults) {
        match item.parse::<T>() {
            Ok(word) => parsed.push(word),
            Err(error) => {
                faults.add(format!("query:{key}"), "unknown_word", error.to_string());
                break;
            }
        }
    }
    parsed
}

fn flag(pairs: &Pairs, key: &str, faults: &mut Faults) -> Option<bool> {
    match single(pairs, key, faults)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            faults.add(format!("query:{key}"), "unknown_word", "true or false");
            None
        }
    }
}

fn number(
    pairs: &Pairs,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
    faults: &mut Faults,
) -> Option<i64> {
    let digits = single(pairs, key, faults)?;
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| is_number && range.contains(number));
    if number.is_none() {
        let detail = format!("a whole number from {} to {}", range.start(), range.end());
        faults.add(format!("query:{key}"), "out_of_range", detail);
    }
    number
}

fn instant(pairs: &Pairs, key: &str, faults: &mut Faults) -> Option<OffsetDateTime> {
    let value = single(pairs, key, faults)?;
    let instant = match Date::parse(value, &Iso8601::DATE) {
        Ok(date) if value.len() == "2026-11-01".len() => Some(date.midnight().assume_utc()),
        _ => parse_date_time(value),
    };
    if instant.is_none() {
        let detail = "a date (2026-11-01) or an instant (2026-11-01T08:00:00Z), + written as %2B";
        faults.add(format!("query:{key}"), "malformed", detail);
    }
    instant
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn parse(query: &str) -> Result<ListQuery, ApiError> {
        ListQuery::parse(query, &Limits::default())
    }

    fn fault_of(query: &str) -> (String, &'static str) {
        let error = parse(query).unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::InvalidParameter, "{query}");
        assert_eq!(error.errors().len(), 1, "{query}: {:?}", error.errors());
        (error.errors()[0].pointer.clone(), error.errors()[0].code)
    }

    #[test]
    fn every_parameter_is_understood() {
        let query = parse(
            "q=rust&status=draft,paused&status=published&location=Berlin&remote=false\
             &employment_type=full_time&department=R%26D&skill=SQL,Go&salary_min=5000000\
             &posted_after=2026-11-01&sort=salary&skip=40&limit=100&count=true&fields=title,id",
        )
        .unwrap();
        let filter = &query.filter;
        assert_eq!(filter.text.as_deref(), Some("rust"));
        assert_eq!(filter.statuses.len(), 3);
        assert_eq!(filter.workplaces, [WorkplaceType::Onsite, WorkplaceType::Hybrid]);
        assert_eq!(filter.departments, ["R&D"]);
        assert_eq!(filter.skills, ["SQL", "Go"]);
        assert_eq!(filter.salary_min, Some(5_000_000));
        assert_eq!(filter.posted_after, Some(datetime!(2026-11-01 00:00 UTC)));
        assert_eq!(query.sort, JobSort::SalaryHigh);
        assert_eq!((query.skip, query.limit, query.has_count), (40, 100, true));
        assert_eq!(query.fields, Some(vec!["id", "title"]));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let query = parse("").unwrap();
        assert_eq!(query.filter, JobFilter::default());
        assert_eq!((query.skip, query.limit, query.has_count), (0, 20, false));
        assert_eq!(query.sort, JobSort::Newest);
        assert_eq!(parse("q=x").unwrap().sort, JobSort::Relevance);
        assert_eq!(parse("q=+&location=&status=&sort=").unwrap().filter, JobFilter::default());
        let instant = parse("posted_after=2026-11-01T09:00:00%2B01:00").unwrap();
        assert_eq!(instant.filter.posted_after, Some(datetime!(2026-11-01 08:00 UTC)));
    }

    #[test]
    fn every_fault_has_a_pointer() {
        let long = format!("q={}", "x".repeat(201));
        let many =
            format!("skill={}", (0..21).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        let table = [
            ("colour=red", "query:colour", "unknown"),
            ("q=a&q=b", "query:q", "repeated"),
            (&long, "query:q", "too_long"),
            ("q=a%00b", "query:q", "control_character"),
            ("status=open", "query:status", "unknown_word"),
            ("status=Draft", "query:status", "unknown_word"),
            ("remote=yes", "query:remote", "unknown_word"),
            ("remote=true&workplace=onsite", "query:remote", "contradiction"),
            (&many, "query:skill", "too_many"),
            ("salary_min=-1", "query:salary_min", "out_of_range"),
            ("salary_min=1e6", "query:salary_min", "out_of_range"),
            ("posted_after=yesterday", "query:posted_after", "malformed"),
            ("posted_after=2026-11-31", "query:posted_after", "malformed"),
            ("posted_after=9999-12-31T23:59:59-23:59", "query:posted_after", "malformed"),
            ("sort=pay", "query:sort", "unknown_word"),
            ("sort=relevance", "query:sort", "contradiction"),
            ("limit=0", "query:limit", "out_of_range"),
            ("limit=101", "query:limit", "out_of_range"),
            ("limit=99999999999999999999", "query:limit", "out_of_range"),
            ("skip=10001", "query:skip", "too_large"),
            ("skip=1&cursor=x", "query:skip", "contradiction"),
            ("count=1", "query:count", "unknown_word"),
            ("fields=title,password", "query:fields", "unknown_word"),
        ];
        for (query, pointer, code) in table {
            assert_eq!(fault_of(query), (pointer.to_owned(), code), "{query}");
        }
        assert_eq!(parse("limit=0&skip=x&sort=y").unwrap_err().errors().len(), 3);
    }

    #[test]
    fn the_document_names_the_same_parameters() {
        let names = |parameters: Vec<utoipa::openapi::path::Parameter>| -> BTreeSet<String> {
            parameters.into_iter().map(|parameter| parameter.name).collect()
        };
        let location = || Some(utoipa::openapi::path::ParameterIn::Query);
        let filters = names(FilterParameters::into_params(location));
        assert_eq!(filters, FILTER_KEYS.iter().map(ToString::to_string).collect());
        let pages = names(PageParameters::into_params(location));
        assert_eq!(pages, PAGE_KEYS.iter().map(ToString::to_string).collect());
    }

    proptest! {
        #[test]
        fn no_query_string_panics(query in "[a-z_]{0,12}=?[ -~]{0,40}(&[a-z_]{1,12}=[%0-9A-Za-z,+.:-]{0,20}){0,5}") {
            let _ = parse(&query);
        }
    }
}
