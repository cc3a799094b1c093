use employer_store::jobs::{Change, JobStatus, JobSummary, SalaryPeriod};
use serde_json::json;
use tenancy::JobId;
use time::macros::datetime;
use uuid::Uuid;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-20 08:00 UTC);

fn minimal() -> Value {
    json!({"title": "Nurse", "employment_type": "full_time", "workplace": "onsite"})
}

/// `minimal`, with `fields` put over it.
fn with(fields: &Value) -> Map<String, Value> {
    let mut body = minimal().as_object().unwrap().clone();
    body.extend(fields.as_object().unwrap().clone());
    body
}

fn faults_of(body: &Map<String, Value>) -> Vec<(String, &'static str)> {
    let error = new_job(body, NOW).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationFailed);
    error.errors().iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
}

fn current() -> Job {
    Job {
        summary: JobSummary {
            id: JobId::from_uuid(Uuid::nil()),
            slug: "nurse".to_owned(),
            requisition: "REQ-000001".to_owned(),
            title: "Nurse".to_owned(),
            status: JobStatus::Published,
            department: Some("Ward 7".to_owned()),
            employment_type: EmploymentType::FullTime,
            experience_level: None,
            workplace: WorkplaceType::Onsite,
            locations: Vec::new(),
            skills: Vec::new(),
            salary: Some(Salary {
                min: 300_000,
                max: 400_000,
                currency: "EUR".to_owned(),
                period: SalaryPeriod::Month,
            }),
            openings: 1,
            published_at: Some(NOW),
            valid_through: Some(datetime!(2026-11-01 00:00 UTC)),
            created_at: NOW,
            updated_at: NOW,
            version: 3,
        },
        description_html: String::new(),
        description_text: String::new(),
        pay_blurb: None,
        lang: "en".to_owned(),
        closed_reason: None,
        created_by: None,
        team: Vec::new(),
    }
}

fn patched(patch: &Value) -> Result<JobChanges, ApiError> {
    changes(patch.as_object().unwrap(), &current(), NOW)
}

#[test]
fn a_whole_job_is_understood() {
    let body = with(&json!({
        "department": "Ward 7", "experience_level": "senior",
        "locations": [{"country": "DE", "region": "Berlin", "city": "Berlin"}, {"country": "FR"}],
        "skills": ["First aid", "German"],
        "salary": {"min": 100, "max": 100, "currency": "EUR", "period": "hour"},
        "pay_blurb": "Night shifts\nare paid extra.", "openings": 2,
        "valid_through": "2026-12-31T23:59:59+01:00",
        "description": "Line one\n\n- item", "lang": "pt-BR",
    }));
    let job = new_job(&body, NOW).unwrap();
    assert_eq!(job.locations.len(), 2);
    assert_eq!(job.valid_through, Some(datetime!(2026-12-31 22:59:59 UTC)));
    assert_eq!(job.problems(), [], "what passes here, the store takes");
    let job = new_job(minimal().as_object().unwrap(), NOW).unwrap();
    assert_eq!((job.openings, job.description.as_str(), job.lang), (1, "", None));
}

#[test]
fn every_fault_has_a_pointer_and_a_code() {
    let long = "x".repeat(20_001);
    let skills: Vec<String> = (0..31).map(|n| format!("skill {n}")).collect();
    let places = vec![json!({"country": "DE"}); 11];
    let pay = |min: Value, max: Value, currency: &str, period: &str| json!({"salary": {"min": min, "max": max, "currency": currency, "period": period}});
    let table = [
        (json!({"title": "ab"}), "#/title", "too_short"),
        (json!({"title": "x".repeat(201)}), "#/title", "too_long"),
        (json!({"title": "nul\u{0}"}), "#/title", "control_character"),
        (json!({"title": " Nurse"}), "#/title", "surrounding_space"),
        (json!({"title": 7}), "#/title", "wrong_type"),
        (json!({"title": null}), "#/title", "null"),
        (json!({"colour": "red"}), "#/colour", "unknown"),
        (json!({"status": "published"}), "#/status", "read_only"),
        (json!({"department": ""}), "#/department", "too_short"),
        (json!({"employment_type": "Full-time"}), "#/employment_type", "unknown_word"),
        (json!({"experience_level": 3}), "#/experience_level", "wrong_type"),
        (json!({"workplace": "moon"}), "#/workplace", "unknown_word"),
        (json!({"description": long}), "#/description", "too_long"),
        (json!({"description": "a\u{8}"}), "#/description", "control_character"),
        (json!({"skills": skills}), "#/skills", "too_many"),
        (json!({"skills": "SQL"}), "#/skills", "wrong_type"),
        (json!({"skills": ["SQL", "sql"]}), "#/skills/1", "repeated"),
        (json!({"skills": ["SQL", "y".repeat(81)]}), "#/skills/1", "too_long"),
        (json!({"skills": [null]}), "#/skills/0", "wrong_type"),
        (json!({"locations": places}), "#/locations", "too_many"),
        (json!({"locations": ["DE"]}), "#/locations/0", "wrong_type"),
        (json!({"locations": [{"country": "de"}]}), "#/locations/0/country", "unknown_word"),
        (json!({"locations": [{"city": "Berlin"}]}), "#/locations/0/country", "required"),
        (json!({"locations": [{"country": "DE", "zip": "1"}]}), "#/locations/0/zip", "unknown"),
        (pay(json!(2), json!(1), "EUR", "year"), "#/salary/max", "out_of_range"),
        (pay(json!(-1), json!(1), "EUR", "year"), "#/salary/min", "out_of_range"),
        (pay(json!(0.5), json!(1), "EUR", "year"), "#/salary/min", "out_of_range"),
        (pay(json!("1"), json!(1), "EUR", "year"), "#/salary/min", "wrong_type"),
        (pay(json!(1), json!(2), "EUX", "year"), "#/salary/currency", "unknown_word"),
        (pay(json!(1), json!(2), "EUR", "week"), "#/salary/period", "unknown_word"),
        (json!({"salary": [1, 2]}), "#/salary", "wrong_type"),
        (json!({"openings": 0}), "#/openings", "out_of_range"),
        (json!({"openings": 1_001}), "#/openings", "out_of_range"),
        (json!({"valid_through": "2026-11-20T08:00:00Z"}), "#/valid_through", "in_the_past"),
        (json!({"valid_through": "2099-01-01T00:00:00Z"}), "#/valid_through", "out_of_range"),
        (json!({"valid_through": "tomorrow"}), "#/valid_through", "malformed"),
        (json!({"valid_through": 1_800_000_000}), "#/valid_through", "malformed"),
        (json!({"lang": "english"}), "#/lang", "malformed"),
        (json!({"pay_blurb": " "}), "#/pay_blurb", "too_short"),
    ];
    for (fields, pointer, code) in table {
        assert_eq!(faults_of(&with(&fields)), [(pointer.to_owned(), code)], "{fields:.80}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_not_without_end() {
    let body = json!({"title": "", "openings": "many", "salary": {"min": 1}, "x": 1});
    let pointers: Vec<String> =
        faults_of(body.as_object().unwrap()).into_iter().map(|(pointer, _)| pointer).collect();
    for pointer in [
        "#/x",
        "#/title",
        "#/openings",
        "#/salary/max",
        "#/salary/currency",
        "#/salary/period",
        "#/employment_type",
        "#/workplace",
    ] {
        assert!(pointers.iter().any(|one| one == pointer), "{pointer}");
    }
    let many: Map<String, Value> = (0..1_000).map(|n| (format!("k{n}"), json!(1))).collect();
    assert_eq!(faults_of(&many).len(), 50);
}

#[test]
fn a_patch_changes_what_it_names() {
    let changes =
        patched(&json!({"title": "Head nurse", "department": null, "skills": null})).unwrap();
    assert_eq!(changes.title, Change::Set("Head nurse".to_owned()));
    assert_eq!(changes.department, Change::Set(None));
    assert_eq!(changes.skills, Change::Set(Vec::new()));
    assert_eq!(changes.salary, Change::Keep);
    assert_eq!(patched(&json!({})).unwrap(), JobChanges::default());
}

#[test]
fn a_patch_may_name_a_part_of_the_pay_range() {
    let changes = patched(&json!({"salary": {"max": 450_000}})).unwrap();
    let Change::Set(Some(salary)) = changes.salary else { panic!("a new pay range") };
    assert_eq!((salary.min, salary.max, salary.currency.as_str()), (300_000, 450_000, "EUR"));
    assert_eq!(patched(&json!({"salary": null})).unwrap().salary, Change::Set(None));
    let pointers = |patch: Value| -> Vec<String> {
        let error = patched(&patch).unwrap_err();
        error.errors().iter().map(|fault| fault.pointer.clone()).collect()
    };
    assert_eq!(pointers(json!({"salary": {"min": 500_000}})), ["#/salary/max"]);
    assert_eq!(pointers(json!({"salary": {"currency": null}})), ["#/salary/currency"]);
}

#[test]
fn a_patch_may_not_clear_what_a_job_cannot_be_without() {
    for field in ["title", "employment_type", "workplace", "openings", "lang"] {
        let error = patched(&json!({ field: null })).unwrap_err();
        assert_eq!(error.errors()[0].code, "null", "{field}");
    }
}

#[test]
fn a_last_day_that_has_passed_can_be_sent_back_unchanged() {
    let changes = patched(&json!({"valid_through": "2026-11-01T01:00:00+01:00"})).unwrap();
    assert_eq!(changes.valid_through, Change::Keep);
    assert!(patched(&json!({"valid_through": "2026-11-02T00:00:00Z"})).is_err());
}

#[test]
fn actions_take_what_they_name() {
    let object = |value: Value| value.as_object().unwrap().clone();
    assert_eq!(last_day(&Map::new(), NOW).unwrap(), None);
    assert!(last_day(&object(json!({"valid_through": "2026-12-01T00:00:00Z"})), NOW).is_ok());
    assert!(last_day(&object(json!({"until": 1})), NOW).is_err());
    assert_eq!(close_reason(&object(json!({"reason": "filled"}))).unwrap(), CloseReason::Filled);
    for refused in [json!({}), json!({"reason": "x"}), json!({"reason": null})] {
        assert!(close_reason(&object(refused)).is_err());
    }
    assert!(no_fields(&object(json!({"a": 1}))).is_err());
    assert!(no_fields(&Map::new()).is_ok());
}
