use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::json;

use super::*;
use crate::dashboard::kinds::{Edited, WriteKind};
use crate::dashboard::tally::Tally;

fn answer(outcome: &'static str, text: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-cache", outcome.parse().unwrap());
    Answer { status: StatusCode::OK, headers, text: text.to_owned() }
}

fn read(recollection: &Recollection, kind: Kind, path: &str, outcome: &'static str, text: &str) {
    let glimpse = recollection.begins(0, "all", kind, path);
    recollection.saw(glimpse, &answer(outcome, text));
}

fn write(recollection: &Recollection, kind: WriteKind, job: &str, is_done: bool) {
    let write = Write {
        kind,
        edited: Some(Edited::Shown),
        path: String::new(),
        body: Value::Null,
        job: Some(job.to_owned()),
    };
    let under_way = recollection.begins_to_write(0, &write);
    let job = json!({"status": "published", "locations": []});
    recollection.has_written(&under_way, is_done.then_some(&job));
}

#[test]
fn misses_are_told_apart_by_what_went_before() {
    let recollection = Recollection::default();
    let list = |outcome, text| read(&recollection, Kind::DefaultList, "/l", outcome, text);
    list("miss", r#"{"as_of":1,"n":1}"#);
    list("hit", "never looked at");
    write(&recollection, WriteKind::Edit, "a", true);
    write(&recollection, WriteKind::Creation, "b", true);
    list("miss", r#"{"as_of":2,"n":1}"#);
    write(&recollection, WriteKind::StatusChange, "a", true);
    list("miss", r#"{"n":2}"#);
    write(&recollection, WriteKind::Edit, "a", false);
    list("miss", r#"{"n":2}"#);
    let expected = Tally {
        reads: 5,
        hits: 1,
        new: 1,
        dropped_by_edit: 1,
        dropped_by_status_change: 1,
        unchanged: 1,
        over: 1,
        ..Tally::default()
    };
    let seen = recollection.count();
    let found = Tally { spared: 0, wrongly_spared: 0, ..seen.reads[&Kind::DefaultList].clone() };
    assert_eq!(found, expected);
    assert_eq!((seen.writes, seen.refused), (3, 1));
}

#[test]
fn a_job_is_dropped_by_its_own_writes() {
    let recollection = Recollection::default();
    let job = |outcome| read(&recollection, Kind::Job, "/api/jobs/a", outcome, "{}");
    job("miss");
    write(&recollection, WriteKind::Edit, "b", true);
    job("miss");
    write(&recollection, WriteKind::Edit, "a", true);
    write(&recollection, WriteKind::Edit, "b", true);
    job("miss");
    let tally = &recollection.count().reads[&Kind::Job];
    assert_eq!((tally.new, tally.over, tally.dropped_by_edit), (1, 1, 1));
}
