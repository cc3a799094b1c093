//! What a list of jobs may be asked for: parsed, bounded, and spelled canonically.

use std::str::FromStr;

use employer_store::jobs::{JobFilter, JobSort, WorkplaceType};
use tenancy::KeyBuilder;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::fields::parse_date_time;
use super::view::SUMMARY_FIELDS;
use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::Limits;

const MAX_TEXT_CHARS: usize = 200;
const MAX_NAME_CHARS: usize = 100;
const MAX_ITEMS: usize = 20;
const MAX_AMOUNT: i64 = 1_000_000_000_000;
pub(crate) const DEFAULT_LIMIT: u16 = 20;
const CALENDAR_DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

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

pub(crate) fn skip_of(pairs: &Pairs, limits: &Limits, faults: &mut Faults) -> u32 {
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
pub(crate) fn single<'a>(pairs: &'a Pairs, key: &str, faults: &mut Faults) -> Option<&'a str> {
    pairs.single(key, faults).filter(|value| !value.is_empty())
}

pub(crate) fn text(pairs: &Pairs, key: &str, most: usize, faults: &mut Faults) -> Option<String> {
    let value = single(pairs, key, faults).filter(|value| !value.trim().is_empty())?;
    if value.chars().count() > most {
        faults.add(format!("query:{key}"), "too_long", format!("at most {most} characters"));
    }
    Some(value.to_owned())
}

pub(crate) fn names(pairs: &Pairs, key: &str, faults: &mut Faults) -> Vec<String> {
    let items = pairs.list(key, MAX_ITEMS, faults);
    if items.iter().any(|item| item.chars().count() > MAX_NAME_CHARS) {
        let detail = format!("each at most {MAX_NAME_CHARS} characters");
        faults.add(format!("query:{key}"), "too_long", detail);
    }
    items.into_iter().map(str::to_owned).collect()
}

pub(crate) fn words<T>(pairs: &Pairs, key: &str, faults: &mut Faults) -> Vec<T>
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

pub(crate) fn flag(pairs: &Pairs, key: &str, faults: &mut Faults) -> Option<bool> {
    match single(pairs, key, faults)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            faults.add(format!("query:{key}"), "unknown_word", "true or false");
            None
        }
    }
}

pub(crate) fn number(
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

pub(crate) fn instant(pairs: &Pairs, key: &str, faults: &mut Faults) -> Option<OffsetDateTime> {
    let value = single(pairs, key, faults)?;
    let instant = match Date::parse(value, CALENDAR_DATE) {
        Ok(date) => Some(date.midnight().assume_utc()),
        Err(_) => parse_date_time(value),
    };
    if instant.is_none() {
        let detail = "a date (2026-11-01) or an instant (2026-11-01T08:00:00Z), + written as %2B";
        faults.add(format!("query:{key}"), "malformed", detail);
    }
    instant
}

#[cfg(test)]
mod tests;
