//! Figures: absolute snapshots, of which only the newest counts.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tenancy::{Permission, TenantScope};
use time::OffsetDateTime;
use uuid::Uuid;

use super::truth::{Sight, TruthUnavailable};
use crate::stream;

/// What figures are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The whole tenant.
    Tenant,
    /// One job.
    Job(Uuid),
}

/// The text names nothing that there are figures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not `all` and not `job:<id>`")]
pub struct InvalidSubject;

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        if text == "all" {
            return Ok(Self::Tenant);
        }
        let id = text.strip_prefix("job:").ok_or(InvalidSubject)?;
        let uuid = Uuid::try_parse(id).map_err(|_| InvalidSubject)?;
        // One thing has one name: the other spellings of a uuid name nothing.
        if uuid.hyphenated().to_string() == id { Ok(Self::Job(uuid)) } else { Err(InvalidSubject) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => formatter.write_str("all"),
            Self::Job(job) => write!(formatter, "job:{job}"),
        }
    }
}

impl Subject {
    /// Whether somebody with this sight may see figures of it.
    pub fn is_within(self, sight: &Sight) -> bool {
        let job = match self {
            Self::Tenant => None,
            Self::Job(job) => Some(job),
        };
        sight.shows(Some(Permission::AnalyticsRead), job)
    }
}

/// All figures of a subject at a moment: whoever has a newer one needs no older.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When they were right.
    pub as_of: OffsetDateTime,
    /// Grows with each change; a client drops what is older than what it has.
    pub version: u64,
    /// The figures, a JSON object.
    pub counters: Box<RawValue>,
}

/// Where figures come from.
#[async_trait]
pub trait Figures: Send + Sync + fmt::Debug {
    /// The figures of these subjects now, all of one moment; without those that are not there.
    async fn snapshots(
        &self,
        scope: &TenantScope,
        subjects: &[Subject],
    ) -> Result<Vec<(Subject, Snapshot)>, TruthUnavailable>;
}

#[derive(Serialize)]
struct Body<'a> {
    subject: String,
    as_of: String,
    version: u64,
    counters: &'a RawValue,
}

impl Snapshot {
    pub(crate) fn frame(&self, subject: Subject) -> Bytes {
        stream::metrics(&Body {
            subject: subject.to_string(),
            as_of: stream::instant(self.as_of),
            version: self.version,
            counters: &self.counters,
        })
    }
}

/// What one stream watches, with the newest frame of each that was not written yet.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<(Subject, Option<Bytes>)>);

impl Watched {
    pub(crate) fn new(subjects: &[Subject]) -> Self {
        Self(subjects.iter().map(|subject| (*subject, None)).collect())
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.0.iter().map(|(subject, _)| *subject)
    }

    pub(super) fn put(&mut self, subject: Subject, frame: Bytes) -> bool {
        match self.0.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, slot)) => {
                *slot = Some(frame);
                true
            }
            None => false,
        }
    }

    pub(super) fn take(&mut self) -> Option<Bytes> {
        self.0.iter_mut().find_map(|(_, slot)| slot.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_name() {
        let job = Uuid::from_u128(7);
        for subject in [Subject::Tenant, Subject::Job(job)] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        let simple = format!("job:{}", job.simple());
        for other in ["", "ALL", "job:", "job:1", "jobs", &simple] {
            assert_eq!(other.parse::<Subject>(), Err(InvalidSubject), "{other}");
        }
    }
}
