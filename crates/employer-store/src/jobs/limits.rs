//! How long and how many: what a job may hold, checked before it reaches a table.
//!
//! The CHECK constraints of `migrations/` say the same; they are the wall behind this one.

use super::input::{Change, JobChanges, NewJob};
use super::model::{JobLocation, Salary};

/// Characters of a title.
pub const MAX_TITLE_CHARS: usize = 200;
/// Characters of a department, a skill, a region or a city.
pub const MAX_NAME_CHARS: usize = 100;
/// Characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 50_000;
/// Characters of the words about pay.
pub const MAX_PAY_BLURB_CHARS: usize = 1_000;
/// Places of one job.
pub const MAX_LOCATIONS: usize = 20;
/// Skills of one job.
pub const MAX_SKILLS: usize = 50;
/// People sought by one job.
pub const MAX_OPENINGS: i32 = 10_000;
/// The highest amount of pay, in minor units.
pub const MAX_SALARY: i64 = 1_000_000_000_000;
/// Characters of a search text that are looked at.
pub const MAX_TEXT_CHARS: usize = 200;

/// A field that may not be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// JSON pointer to the field, such as `/locations/0/country`.
    pub pointer: String,
    /// What it takes.
    pub detail: String,
}

#[derive(Default)]
struct Problems(Vec<FieldProblem>);

impl Problems {
    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldProblem { pointer: pointer.into(), detail: detail.into() });
    }

    fn text(&mut self, pointer: impl Into<String>, text: &str, min: usize, max: usize) {
        let chars = text.chars().count();
        if chars > max {
            self.add(pointer, format!("at most {max} characters"));
        } else if text.trim().chars().count() < min {
            self.add(pointer, "must not be blank");
        } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(pointer, "must not contain control characters");
        }
    }

    fn title(&mut self, title: &str) {
        self.text("/title", title, 1, MAX_TITLE_CHARS);
    }

    fn name(&mut self, pointer: impl Into<String>, name: Option<&str>) {
        if let Some(name) = name {
            self.text(pointer, name, 1, MAX_NAME_CHARS);
        }
    }

    fn locations(&mut self, locations: &[JobLocation]) {
        if locations.len() > MAX_LOCATIONS {
            self.add("/locations", format!("at most {MAX_LOCATIONS} locations"));
            return;
        }
        for (index, location) in locations.iter().enumerate() {
            if location.country.len() != 2
                || !location.country.bytes().all(|b| b.is_ascii_uppercase())
            {
                self.add(
                    format!("/locations/{index}/country"),
                    "two upper-case letters, as ISO 3166-1 has them",
                );
            }
            self.name(format!("/locations/{index}/region"), location.region.as_deref());
            self.name(format!("/locations/{index}/city"), location.city.as_deref());
        }
    }

    fn skills(&mut self, skills: &[String]) {
        if skills.len() > MAX_SKILLS {
            self.add("/skills", format!("at most {MAX_SKILLS} skills"));
            return;
        }
        for (index, skill) in skills.iter().enumerate() {
            self.name(format!("/skills/{index}"), Some(skill));
        }
    }

    fn salary(&mut self, salary: Option<&Salary>) {
        let Some(salary) = salary else { return };
        if salary.min < 0 {
            self.add("/salary/min", "must not be negative");
        }
        if salary.max < salary.min {
            self.add("/salary/max", "must not be below the lower end");
        }
        if salary.max > MAX_SALARY {
            self.add("/salary/max", format!("at most {MAX_SALARY}"));
        }
        if salary.currency.len() != 3 || !salary.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            self.add("/salary/currency", "three upper-case letters, as ISO 4217 has them");
        }
    }

    fn pay_blurb(&mut self, blurb: Option<&str>) {
        if let Some(blurb) = blurb {
            self.text("/pay_blurb", blurb, 1, MAX_PAY_BLURB_CHARS);
        }
    }

    fn openings(&mut self, openings: i32) {
        if !(1..=MAX_OPENINGS).contains(&openings) {
            self.add("/openings", format!("from 1 to {MAX_OPENINGS}"));
        }
    }

    fn description(&mut self, description: &str) {
        self.text("/description", description, 0, MAX_DESCRIPTION_CHARS);
    }

    fn lang(&mut self, lang: &str) {
        let mut parts = lang.split('-');
        let is_primary =
            |p: &str| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase());
        let is_subtag =
            |p: &str| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
        if lang.len() > 35 || !parts.next().is_some_and(is_primary) || !parts.all(is_subtag) {
            self.add("/lang", "a language tag such as en or pt-BR");
        }
    }
}

impl NewJob {
    /// What keeps this job from being stored; empty where nothing does.
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Problems::default();
        problems.title(&self.title);
        problems.name("/department", self.department.as_deref());
        problems.locations(&self.locations);
        problems.skills(&self.skills);
        problems.salary(self.salary.as_ref());
        problems.pay_blurb(self.pay_blurb.as_deref());
        problems.openings(self.openings);
        problems.description(&self.description);
        if let Some(lang) = &self.lang {
            problems.lang(lang);
        }
        problems.0
    }
}

impl JobChanges {
    /// What keeps these changes from being stored; empty where nothing does.
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Problems::default();
        if let Change::Set(title) = &self.title {
            problems.title(title);
        }
        if let Change::Set(department) = &self.department {
            problems.name("/department", department.as_deref());
        }
        if let Change::Set(locations) = &self.locations {
            problems.locations(locations);
        }
        if let Change::Set(skills) = &self.skills {
            problems.skills(skills);
        }
        if let Change::Set(salary) = &self.salary {
            problems.salary(salary.as_ref());
        }
        if let Change::Set(blurb) = &self.pay_blurb {
            problems.pay_blurb(blurb.as_deref());
        }
        if let Change::Set(openings) = self.openings {
            problems.openings(openings);
        }
        if let Change::Set(description) = &self.description {
            problems.description(description);
        }
        if let Change::Set(lang) = &self.lang {
            problems.lang(lang);
        }
        problems.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{EmploymentType, SalaryPeriod, WorkplaceType};

    fn new_job() -> NewJob {
        NewJob {
            title: "Nurse".to_owned(),
            department: None,
            employment_type: EmploymentType::FullTime,
            experience_level: None,
            workplace: WorkplaceType::Onsite,
            locations: Vec::new(),
            skills: Vec::new(),
            salary: None,
            pay_blurb: None,
            openings: 1,
            valid_through: None,
            description: String::new(),
            lang: None,
        }
    }

    #[test]
    fn each_problem_points_at_its_field() {
        assert_eq!(new_job().problems(), []);
        let bad = NewJob {
            title: " ".to_owned(),
            department: Some("x".repeat(101)),
            locations: vec![JobLocation { country: "de".to_owned(), region: None, city: None }],
            skills: vec!["nul\0".to_owned()],
            salary: Some(Salary {
                min: 2,
                max: 1,
                currency: "eur".to_owned(),
                period: SalaryPeriod::Hour,
            }),
            openings: 0,
            lang: Some("english".to_owned()),
            ..new_job()
        };
        let pointers: Vec<String> = bad.problems().into_iter().map(|p| p.pointer).collect();
        assert_eq!(
            pointers,
            [
                "/title",
                "/department",
                "/locations/0/country",
                "/skills/0",
                "/salary/max",
                "/salary/currency",
                "/openings",
                "/lang",
            ]
        );
    }

    #[test]
    fn a_change_keeps_what_is_absent_and_clears_what_is_null() {
        let changes: JobChanges =
            serde_json::from_str(r#"{"title":"Midwife","department":null}"#).unwrap();
        assert_eq!(changes.title, Change::Set("Midwife".to_owned()));
        assert_eq!(changes.department, Change::Set(None));
        assert_eq!(changes.salary, Change::Keep);
        assert_eq!(changes.valid_through, Change::Keep);
        assert!(serde_json::from_str::<JobChanges>(r#"{"title":null}"#).is_err());
        assert!(serde_json::from_str::<JobChanges>(r#"{"slug":"x"}"#).is_err());
    }
}
