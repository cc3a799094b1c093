//! Bodies that make or change a job: checked field by field, all faults at once.

mod parts;

use employer_store::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, Job, JobChanges, JobLocation, NewJob, Salary,
    WorkplaceType,
};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::parts::{future_instant, lang_of, locations_of, openings_of, salary_of, skills_of};
use super::fields::{Fields, Given, TextRule};
use crate::error::{ApiError, ErrorCode, Faults};

const TITLE: TextRule = TextRule::line(3, 200);
const NAME: TextRule = TextRule::line(1, 100);
const PAY_BLURB: TextRule = TextRule::lines(1, 1_000);
const DESCRIPTION: TextRule = TextRule::lines(0, 20_000);

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
pub(crate) fn no_fields(object: &Map<String, Value>) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    Fields::of_body(object).refuse_others(&[], &[], &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
}

/// The refusal of a body for what is wrong with its fields.
pub(crate) fn invalid(faults: Faults) -> ApiError {
    let faults = faults.into_vec();
    let detail = match faults.len() {
        1 => "1 field is wrong; see errors.".to_owned(),
        count => format!("{count} fields are wrong; see errors."),
    };
    ApiError::new(ErrorCode::ValidationFailed, detail).with_fields(faults)
}

#[cfg(test)]
mod tests;
