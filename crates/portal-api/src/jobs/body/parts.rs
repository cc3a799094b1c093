//! The fields of a job that are more than one word or number.

use std::collections::HashSet;
use std::time::Duration;

use employer_store::jobs::{JobLocation, Salary, SalaryPeriod};
use serde_json::Value;
use time::OffsetDateTime;

use super::super::codes::{is_country, is_currency};
use super::super::fields::{Fields, Given, TextRule, checked_text};
use super::NAME;
use crate::error::Faults;

const SKILL: TextRule = TextRule::line(1, 80);
const LANG: TextRule = TextRule::line(2, 35);
const MAX_SKILLS: usize = 30;
const MAX_LOCATIONS: usize = 10;
const MAX_OPENINGS: i64 = 1_000;
const MAX_AMOUNT: i64 = 1_000_000_000_000;
/// A last day further away than this is taken for a slip of the keyboard.
const MAX_VALIDITY: Duration = Duration::from_secs(5 * 366 * 86_400);

pub(super) fn locations_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Vec<JobLocation>> {
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

pub(super) fn skills_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Vec<String>> {
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

pub(super) fn salary_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<Salary> {
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

pub(super) fn openings_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<i32> {
    match fields.integer("openings", 1..=MAX_OPENINGS, faults) {
        Given::Value(openings) => i32::try_from(openings).map_or(Given::Faulty, Given::Value),
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Faulty => Given::Faulty,
    }
}

pub(super) fn future_instant(
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
pub(super) fn lang_of(fields: &Fields<'_>, faults: &mut Faults) -> Given<String> {
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
