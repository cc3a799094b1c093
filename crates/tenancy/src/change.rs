//! What an event says about what it changed, so that a cache need not drop what stayed the same.
//!
//! It stands here for the reason that [`EventKind`] does. A row of the outbox carries it as JSON;
//! what one of them does not say, or says in words that this version does not know, is taken to
//! have changed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::EventKind;

/// Where a job stands, in the words of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Being written; nobody outside sees it.
    Draft,
    /// Open for applications.
    Published,
    /// Taken off for a while.
    Paused,
    /// Done, for a reason.
    Closed,
    /// Kept for the record.
    Archived,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Draft, Self::Published, Self::Paused, Self::Closed, Self::Archived];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }

    /// Whether everybody in the tenant may see it.
    pub const fn is_public(self) -> bool {
        !matches!(self, Self::Draft)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A field of a job that a change may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobField {
    /// What it is called.
    Title,
    /// The part of the company.
    Department,
    /// The kind of contract.
    EmploymentType,
    /// How much experience is asked for.
    ExperienceLevel,
    /// Where the work is done.
    Workplace,
    /// Places of work.
    Locations,
    /// Skills asked for.
    Skills,
    /// The pay range.
    Salary,
    /// Words about pay.
    PayBlurb,
    /// How many people are sought.
    Openings,
    /// When it closes by itself.
    ValidThrough,
    /// The description.
    Description,
    /// The language.
    Lang,
}

impl JobField {
    /// Every field.
    pub const ALL: [Self; 13] = [
        Self::Title,
        Self::Department,
        Self::EmploymentType,
        Self::ExperienceLevel,
        Self::Workplace,
        Self::Locations,
        Self::Skills,
        Self::Salary,
        Self::PayBlurb,
        Self::Openings,
        Self::ValidThrough,
        Self::Description,
        Self::Lang,
    ];

    /// The name in rows and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Department => "department",
            Self::EmploymentType => "employment_type",
            Self::ExperienceLevel => "experience_level",
            Self::Workplace => "workplace",
            Self::Locations => "locations",
            Self::Skills => "skills",
            Self::Salary => "salary",
            Self::PayBlurb => "pay_blurb",
            Self::Openings => "openings",
            Self::ValidThrough => "valid_through",
            Self::Description => "description",
            Self::Lang => "lang",
        }
    }
}

/// What is different about one job. Two neighbours in time: nothing else has changed the job
/// between `before` and `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobChange {
    /// Its state before; none where it was not there. The field itself may not be left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub before: Option<JobState>,
    /// Its state after; none where it is not there any more.
    #[serde(deserialize_with = "Option::deserialize")]
    pub after: Option<JobState>,
    /// The fields that were set to something else; none for a step of the life cycle, for which
    /// the states stand, and for a job that came or went.
    pub fields: Vec<JobField>,
    /// [`place_key`] of every region and city that it has or had; absent where that is not known.
    #[serde(default)]
    pub places: Option<Vec<String>>,
    /// Who is or was on its team; absent where that is not known.
    #[serde(default)]
    pub team: Option<Vec<Uuid>>,
}

impl JobChange {
    /// The states before and after, as far as there are any.
    pub fn states(&self) -> impl Iterator<Item = JobState> {
        [self.before, self.after].into_iter().flatten()
    }

    /// Whether it is in another state now, or came, or went.
    pub fn has_moved(&self) -> bool {
        self.before != self.after
    }

    /// Whether it came or went.
    pub const fn came_or_went(&self) -> bool {
        self.before.is_none() || self.after.is_none()
    }
}

/// What happened, to what, and what that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// What it happened to, where that is one thing.
    pub subject: Option<Uuid>,
    /// The job that the thing belongs to, where it is an application; absent where that is not
    /// known, and it may be any.
    pub of_job: Option<Uuid>,
    /// What is different about the job; absent where that is not known, and anything may be.
    pub job: Option<JobChange>,
}

impl Change {
    /// An event that does not say what it changed.
    pub const fn unknown(kind: EventKind, subject: Option<Uuid>) -> Self {
        Self { kind, subject, of_job: None, job: None }
    }
}

/// Longest key of a place; a longer name keeps its beginning.
const MAX_PLACE_BYTES: usize = 40;

/// What stands for a place, so that a question and an event mean the same one however each spells
/// it: the ASCII letters and digits of its name in lower case. Places that share a key are dropped
/// together. None for names of two letters and less, which are countries' codes in questions.
///
/// Databases and this program agree on the lower case of these characters, and on what lies beyond
/// them nothing depends.
pub fn place_key(name: &str) -> Option<String> {
    // Questions are compared without them.
    let name: String = name.chars().filter(|c| *c != '\0').collect();
    let lower = name.trim().to_lowercase();
    lower.chars().nth(2)?;
    Some(lower.chars().filter(char::is_ascii_alphanumeric).take(MAX_PLACE_BYTES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> JobChange {
        JobChange {
            before: None,
            after: Some(JobState::Draft),
            fields: vec![JobField::EmploymentType],
            places: Some(vec!["berlin".to_owned()]),
            team: Some(vec![Uuid::nil()]),
        }
    }

    #[test]
    fn states_and_fields_are_written_by_their_names() {
        for state in JobState::ALL {
            assert_eq!(format!("\"{state}\""), serde_json::to_string(&state).unwrap());
        }
        for field in JobField::ALL {
            let name = serde_json::to_string(&field).unwrap();
            assert_eq!(format!("\"{}\"", field.as_str()), name);
        }
    }

    #[test]
    fn what_a_row_does_not_say_or_says_otherwise_is_not_read() {
        let whole = serde_json::to_value(change()).unwrap();
        let read = |value: serde_json::Value| serde_json::from_value::<JobChange>(value);
        assert_eq!(read(whole.clone()).unwrap(), change());
        for needed in ["before", "after", "fields"] {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(needed);
            assert!(read(part).is_err(), "{needed}");
        }
        for (name, value) in [("more", "x"), ("after", "frozen"), ("before", "")] {
            let mut other = whole.clone();
            other[name] = value.into();
            assert!(read(other).is_err(), "{name}");
        }
        let mut silent = whole;
        silent.as_object_mut().unwrap().retain(|name, _| name != "places" && name != "team");
        assert_eq!(read(silent).unwrap(), JobChange { places: None, team: None, ..change() });
    }

    #[test]
    fn places_are_known_by_what_every_spelling_shares() {
        for (name, key) in [
            ("Berlin", Some("berlin")),
            (" bERLIN ", Some("berlin")),
            ("São Paulo", Some("sopaulo")),
            ("SÃO PAULO", Some("sopaulo")),
            ("İzmir", Some("izmir")),
            ("東京都", Some("")),
            ("DE", None),
            ("D\0E", None),
            ("d", None),
            ("", None),
        ] {
            assert_eq!(place_key(name).as_deref(), key, "{name}");
        }
        assert_eq!(place_key(&"ab".repeat(60)).unwrap().len(), MAX_PLACE_BYTES);
    }
}
