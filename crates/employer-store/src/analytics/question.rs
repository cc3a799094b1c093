//! Whose figures are asked for, and of which time.

use tenancy::{JobId, JobView};
use time::Date;
use uuid::Uuid;

use super::calendar::Zone;

/// Where people came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OfSource {
    /// From anywhere.
    #[default]
    Any,
    /// From there.
    Named(String),
    /// From where nobody knows.
    Unknown,
}

impl OfSource {
    /// In the words of the roll-ups.
    pub(super) fn rolled_up(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Named(name) => Some(name),
            Self::Unknown => Some(""),
        }
    }
}

/// What a report is about.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose jobs.
    pub view: JobView,
    /// One of them only.
    pub job: Option<JobId>,
    /// Those who came from there only.
    pub source: OfSource,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// The zone of the days; the tenant's where none is asked for.
    pub zone: Option<Zone>,
}

impl Question {
    /// The person whose jobs alone count.
    pub(super) fn assigned(&self) -> Option<Uuid> {
        match self.view {
            JobView::Assigned(user) => Some(user.as_uuid()),
            // Figures of drafts are figures of when they were none.
            JobView::All | JobView::Published => None,
        }
    }

    /// Whether all jobs and sources count together.
    pub(super) fn is_of_everything(&self) -> bool {
        self.job.is_none() && self.source == OfSource::Any && self.assigned().is_none()
    }

    /// Whether drafts are not to be named. What was once published may be one again.
    pub(super) fn hides_drafts(&self) -> bool {
        self.view == JobView::Published
    }

    pub(super) fn job(&self) -> Option<Uuid> {
        self.job.map(JobId::as_uuid)
    }
}
