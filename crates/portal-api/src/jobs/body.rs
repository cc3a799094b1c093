//! Bodies that make or change a job: checked field by field, all faults at once.

use std::collections::HashSet;
use std::time::Duration;

use employer_store::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, Job, JobChanges, JobLocation, NewJob, Salary,
    SalaryPeriod, WorkplaceType,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::codes::{is_country, is_currency};
use super::fields::{Fields, Given, TextRule, checked_text};
use crate::error::{ApiError, ErrorCode, Faults};

const TITLE: TextRule = TextRule::line(3, 200);
const NAME: TextRule = TextRule::line(1, 100);
const SKILL: TextRule = TextRule::line(1, 80);
const PAY_BLURB: TextRule = TextRule::lines(1, 1_000);
const DESCRIPTION: TextRule = TextRule::lines(0, 20_000);
const LANG: TextRule = TextRule::line(2, 35);
const MAX_SKILLS: usize = 30;
const MAX_LOCATIONS: usize = 10;
const MAX_OPENINGS: i64 = 1_000;
const MAX_AMOUNT: i64 = 1_000_000_000_000;
/// A last day further away than this is taken for a slip of the keyboard.
const MAX_VALIDITY: Duration = Duration::from_secs(5 * 366 * 86_400);

/// The fields that a body may set.
pub(crate) const WRITABLE: [&str; 13] = [
    "title",
    "department",
    "employment_type",
    "experience_level",
    "workplace",
    "locations",
    "skills",
    "salary",
    "pay_blurb",
    "openings",
    "valid_through",
    "description",
    "lang",
];

/// Fields that answers show and bodies may not set.
const READ_ONLY: [&str; 14] = [
    "id",
    "slug",
    "requisition",
    "status",
    "published_at",
    "created_at",
    "updated_at",
    "version",
    "description_html",
    "description_text",
    "closed_reason",
    "created_by",
    "team",
    "tenant_id",
];

/// What a body says about a job, each field by itself.
struct Draft {
    title: Given<String>,
    department: Given<String>,
    employment_type: Given<EmploymentType>,
    experience_level: Given<ExperienceLevel>,
    workplace: Given<WorkplaceType>,
    locations: Given<Vec<JobLocation>>,
    skills: Given<Vec<String>>,
    salary: Given<Salary>,
    pay_blurb: Given<String>,
    openings: Given<i32>,
    valid_through: Given<OffsetDateTime>,
    description: Given<String>,
    lang: Given<String>,
}

impl Draft {
    fn parse(object: &Map<String, Value>, now: OffsetDateTime, faults: &mut Faults) -> Self {
        let fields = Fields::of_body(object);
        fields.refuse_others(&WRITABLE, &READ_ONLY, faults);
        Self {
            title: fields.text("title", TITLE, faults),
            department: fields.text("department", NAME, faults),
            employment_type: fields.word("employment_type", faults),
            experience_level: fields.word("experience_level", faults),
            workplace: fields.word("workplace", faults),
            locations: locations_of(&fields, faults),
            skills: skills_of(&fields, faults),
            salary: salary_of(&fields, faults),
            pay_blurb: fields.text("pay_blurb", PAY_BLURB, faults),
            openings: openings_of(&fields, faults),
            valid_through: future_instant(&fields, "valid_through", now, faults),
            description: fields.text("description", DESCRIPTION, faults),
            lang: lang_of(&fields, faults),
        }
    }
}

/// The job that a body describes.
pub(super) fn new_job(
    object: &Map<String, Value>,
    now: OffsetDateTime,
) -> Result<NewJob, ApiError> {
    let mut faults = Faults::default();
    let draft = Draft::parse(object, now, &mut faults);
    let title = draft.title.required("#/title", &mut faults);
    let employment_type = draft.employment_type.required("#/employment_type", &mut faults);
    let workplace = draft.workplace.required("#/workplace", &mut faults);
    let (Some(title), Some(employment_type), Some(workplace), true) =
        (title, employment_type, workplace, faults.is_empty())
    else {
        return Err(invalid(faults));
    };
    Ok(NewJob {
        title,
        department: draft.department.optional(),
        employment_type,
        experience_level: draft.experience_level.optional(),
        workplace,
        locations: draft.locations.optional().unwrap_or_default(),
        skills: draft.skills.optional().unwrap_or_default(),
        salary: draft.salary.optional(),
        pay_blurb: draft.pay_blurb.optional(),
        openings: draft.openings.optional().unwrap_or(1),
        valid_through: draft.valid_through.optional(),
        description: draft.description.optional().unwrap_or_default(),
        lang: draft.lang.optional(),
    })
}

/// The changes that a merge patch makes to `current`.
pub(super) fn changes(
    patch: &Map<String, Value>,
    current: &Job,
    now: OffsetDateTime,
) -> Result<JobChanges, ApiError> {
    let mut faults = Faults::default();
    let mut patch = patch.clone();
    merge_salary(&mut patch, current);
    drop_unchanged_last_day(&mut patch, current);
    let draft = Draft::parse(&patch, now, &mut faults);
    let changes = JobChanges {
        title: draft.title.change("#/title", &mut faults),
        department: draft.department.clearable(),
        employment_type: draft.employment_type.change("#/employment_type", &mut faults),
        experience_level: draft.experience_level.clearable(),
        workplace: draft.workplace.change("#/workplace", &mut faults),
        locations: draft.locations.emptied_by_null().change("#/locations", &mut faults),
        skills: draft.skills.emptied_by_null().change("#/skills", &mut faults),
        salary: draft.salary.clearable(),
        pay_blurb: draft.pay_blurb.clearable(),
        openings: draft.openings.change("#/openings", &mut faults),
        valid_through: draft.valid_through.clearable(),
        description: draft.description.emptied_by_null().change("#/description", &mut faults),
        lang: draft.lang.change("#/lang", &mut faults),
    };
    if faults.is_empty() { Ok(changes) } else { Err(invalid(faults)) }
}

impl<T: Default> Given<T> {
    /// `null` empties what has an empty value.
    fn emptied_by_null(self) -> Self {
        if matches!(self, Self::Null) { Self::Value(T::default()) } else { self }
    }
}

/// The pay range is an object, so a merge patch may name some of its members only (RFC 7396).
fn merge_salary(patch: &mut Map<String, Value>, current: &Job) {
    let Some(Value::Object(members)) = patch.get_mut("salary") else { return };
    let Some(Ok(Value::Object(known))) = current.summary.salary.as_ref().map(serde_json::to_value)
    else {
        return;
    };
    for (name, value) in known {
        members.entry(name).or_insert(value);
    }
    // `null` removes a member; a pay range without it is then refused by name.
    members.retain(|_, value| !value.is_null());
}

/// A last day that is sent back as it was read is no change, even where it has passed.
fn drop_unchanged_last_day(patch: &mut Map<String, Value>, current: &Job) {
    let given = patch.get("valid_through").and_then(Value::as_str);
    let given = given.and_then(super::fields::parse_date_time);
    if given.is_some() && given == current.summary.valid_through {
        patch.remove("valid_through");
    }
}

/// The optional body of `publish` and `reopen`.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(crate) struct PublishBody {
    /// A new last day; the one that the job has where absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_through: Option<OffsetDateTime>,
}

/// The body of `close`.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(crate) struct CloseBody {
    /// Why the job is closed.
    reason: CloseReason,
}

/// The new last day in the body of `publish` and `reopen`, where there is one.
pub(super) fn last_day(
    object: &Map<String, Value>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, ApiError> {
    let mut faults = Faults::default();
    let fields = Fields::of_body(object);
    fields.refuse_others(&["valid_through"], &[], &mut faults);
    let last_day = future_instant(&fields, "valid_through", now, &mut faults);
    if faults.is_empty() { Ok(last_day.optional()) } else { Err(invalid(faults)) }
}

/// The reason in the body of `close`.
pub(super) fn close_reason(object: &Map<String, Value>) -> Result<CloseReason, ApiError> {
    let mut faults = Faults::default();
    let fields = Fields::of_body(object);
    fields.refuse_others(&["reason"], &[], &mut faults);
    let reason = fields.word("reason", &mut faults).required("#/reason", &mut faults);
    match reason {
        Some(reason) if faults.is_empty() => Ok(reason),
        _ => Err(invalid(faults)),
    }
}

/// Refuses any field in the body of an action that takes none.
pub(super) fn no_fields(object: &Map<String, Value>) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    Fields::of_body(object).refuse_others(&[], &[], &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
}

fn invalid(faults: Faults) -> ApiError {
    let faults = faults.into_vec();
    let detail = match faults.len() {
        1 => "1 field is wrong; see errors.".to_owned(),
        count => format!("{count} fields are wrong; see errors."),
    };
    ApiError::new(ErrorCode::ValidationFailed, detail).with_fields(faults)
}

fn locations_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Vec<JobLocation>> {
    let items = match fields.list("locations", MAX_LOCATIONS, faults) {
        Given::Value(items) => items,
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Faulty => return Given::Faulty,
    };
    let mut locations = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let pointer = fields.pointer(&format!("locations/{index}"));
        match item {
            Value::Object(object) => {
                locations.extend(location_of(&Fields::at(object, pointer), faults));
            }
            _ => faults.add(pointer, "wrong_type", "has to be an object"),
        }
    }
    Given::Value(locations)
}

fn location_of(fields: &Fields<'_>, faults: &mut Faults) -> Option<JobLocation> {
    fields.refuse_others(&["country", "region", "city"], &[], faults);
    let pointer = fields.pointer("country");
    let country = fields.text("country", TextRule::line(2, 2), faults).required(&pointer, faults);
    let region = fields.text("region", NAME, faults).optional();
    let city = fields.text("city", NAME, faults).optional();
    let country = country?;
    if !is_country(&country) {
        faults.add(pointer, "unknown_word", "a country code of ISO 3166-1, such as DE");
    }
    Some(JobLocation { country, region, city })
}

fn skills_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Vec<String>> {
    let items = match fields.list("skills", MAX_SKILLS, faults) {
        Given::Value(items) => items,
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Faulty => return Given::Faulty,
    };
    let mut skills = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let pointer = fields.pointer(&format!("skills/{index}"));
        let Some(skill) = checked_text(item, SKILL, &pointer, faults) else { continue };
        if seen.insert(skill.to_lowercase()) {
            skills.push(skill);
        } else {
            faults.add(pointer, "repeated", "stands in the list already");
        }
    }
    Given::Value(skills)
}

fn salary_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Salary> {
    let fields = match fields.object("salary", faults) {
        Given::Value(fields) => fields,
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Faulty => return Given::Faulty,
    };
    fields.refuse_others(&["min", "max", "currency", "period"], &[], faults);
    let at = |name: &str| fields.pointer(name);
    let min = fields.integer("min", 0..=MAX_AMOUNT, faults).required(&at("min"), faults);
    let max = fields.integer("max", 0..=MAX_AMOUNT, faults).required(&at("max"), faults);
    let currency =
        fields.text("currency", TextRule::line(3, 3), faults).required(&at("currency"), faults);
    let period: Option<SalaryPeriod> =
        fields.word("period", faults).required(&at("period"), faults);
    if matches!((min, max), (Some(min), Some(max)) if min > max) {
        faults.add(at("max"), "out_of_range", "not below min");
    }
    if currency.as_deref().is_some_and(|code| !is_currency(code)) {
        faults.add(at("currency"), "unknown_word", "a currency code of ISO 4217, such as EUR");
    }
    match (min, max, currency, period) {
        (Some(min), Some(max), Some(currency), Some(period)) => {
            Given::Value(Salary { min, max, currency, period })
        }
        _ => Given::Faulty,
    }
}

fn openings_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<i32> {
    match fields.integer("openings", 1..=MAX_OPENINGS, faults) {
        Given::Value(openings) => i32::try_from(openings).map_or(Given::Faulty, Given::Value),
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Faulty => Given::Faulty,
    }
}

fn future_instant(
    fields: &Fields<'_>,
    name: &str,
    now: OffsetDateTime,
    faults: &mut Faults,
) -> Given<OffsetDateTime> {
    let given = fields.instant(name, faults);
    let Given::Value(instant) = given else { return given };
    if instant <= now {
        faults.add(fields.pointer(name), "in_the_past", "has to be in the future");
        return Given::Faulty;
    }
    if instant - now > MAX_VALIDITY {
        faults.add(fields.pointer(name), "out_of_range", "at most 5 years from now");
        return Given::Faulty;
    }
    given
}

/// A BCP 47 tag by its shape: `en`, `pt-BR`, `zh-Hant-TW`.
fn lang_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<String> {
    let given = fields.text("lang", LANG, faults);
    let Given::Value(tag) = &given else { return given };
    let mut parts = tag.split('-');
    let is_language = parts.next().is_some_and(|first| {
        (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_lowercase())
    });
    let are_subtags = parts.all(|part| {
        (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_language && are_subtags {
        return given;
    }
    faults.add(fields.pointer("lang"), "malformed", "a language tag such as en or pt-BR");
    Given::Faulty
}

#[cfg(test)]
mod tests;
