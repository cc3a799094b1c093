use std::collections::BTreeSet;

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::jobs::{FilterParameters, PageParameters};

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
    let many = format!("skill={}", (0..21).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
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
        ("posted_after=2026-W45-1", "query:posted_after", "malformed"),
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
    let filters = names(<FilterParameters as utoipa::IntoParams>::into_params(location));
    assert_eq!(filters, FILTER_KEYS.iter().map(ToString::to_string).collect());
    let pages = names(<PageParameters as utoipa::IntoParams>::into_params(location));
    assert_eq!(pages, PAGE_KEYS.iter().map(ToString::to_string).collect());
}

proptest! {
    #[test]
    fn no_query_string_panics(query in "[a-z_]{0,12}=?[ -~]{0,40}(&[a-z_]{1,12}=[%0-9A-Za-z,+.:-]{0,20}){0,5}") {
        let _ = parse(&query);
    }
}
