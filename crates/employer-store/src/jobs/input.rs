//! What a job is made from, and what is changed in one.

use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::model::{JobLocation, Salary};
use super::vocabulary::{EmploymentType, ExperienceLevel, WorkplaceType};

/// What a new job begins with. The caller has looked at [`NewJob::problems`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What it is called.
    pub title: String,
    /// The part of the company.
    #[serde(default)]
    pub department: Option<String>,
    /// The kind of contract.
    pub employment_type: EmploymentType,
    /// How much experience is asked for.
    #[serde(default)]
    pub experience_level: Option<ExperienceLevel>,
    /// Where the work is done.
    pub workplace: WorkplaceType,
    /// Places of work.
    #[serde(default)]
    pub locations: Vec<JobLocation>,
    /// Skills asked for.
    #[serde(default)]
    pub skills: Vec<String>,
    /// The pay range.
    #[serde(default)]
    pub salary: Option<Salary>,
    /// Words about pay beside the range.
    #[serde(default)]
    pub pay_blurb: Option<String>,
    /// How many people are sought.
    #[serde(default = "one")]
    pub openings: i32,
    /// When it closes by itself.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub valid_through: Option<OffsetDateTime>,
    /// The description: plain text, empty lines between paragraphs, list items behind `- `.
    #[serde(default)]
    pub description: String,
    /// BCP 47 tag of the language; the tenant's own where absent.
    #[serde(default)]
    pub lang: Option<String>,
}

const fn one() -> i32 {
    1
}

/// A field of a change: left as it is, or set.
///
/// With `#[serde(default)]` an absent field is `Keep`, and `null` sets an optional field to none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// As it is.
    #[default]
    Keep,
    /// To this.
    Set(T),
}

impl<T> Change<T> {
    /// The new value, where there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Keep => None,
            Self::Set(value) => Some(value),
        }
    }

    pub(super) fn apply(self, target: &mut T) {
        if let Self::Set(value) = self {
            *target = value;
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}

/// What to change in a job. The caller has looked at [`JobChanges::problems`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobChanges {
    /// What it is called.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub title: Change<String>,
    /// The part of the company.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub department: Change<Option<String>>,
    /// The kind of contract.
    #[serde(default)]
    #[schema(value_type = Option<EmploymentType>)]
    pub employment_type: Change<EmploymentType>,
    /// How much experience is asked for.
    #[serde(default)]
    #[schema(value_type = Option<ExperienceLevel>)]
    pub experience_level: Change<Option<ExperienceLevel>>,
    /// Where the work is done.
    #[serde(default)]
    #[schema(value_type = Option<WorkplaceType>)]
    pub workplace: Change<WorkplaceType>,
    /// Places of work; replaces all of them.
    #[serde(default)]
    #[schema(value_type = Option<Vec<JobLocation>>)]
    pub locations: Change<Vec<JobLocation>>,
    /// Skills asked for; replaces all of them.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub skills: Change<Vec<String>>,
    /// The pay range.
    #[serde(default)]
    #[schema(value_type = Option<Salary>)]
    pub salary: Change<Option<Salary>>,
    /// Words about pay beside the range.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub pay_blurb: Change<Option<String>>,
    /// How many people are sought.
    #[serde(default)]
    #[schema(value_type = Option<i32>)]
    pub openings: Change<i32>,
    /// When it closes by itself.
    #[serde(default, deserialize_with = "optional_instant")]
    #[schema(value_type = Option<OffsetDateTime>)]
    pub valid_through: Change<Option<OffsetDateTime>>,
    /// The description: plain text, empty lines between paragraphs, list items behind `- `.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub description: Change<String>,
    /// BCP 47 tag of the language.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub lang: Change<String>,
}

fn optional_instant<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Change<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(deserializer).map(Change::Set)
}
