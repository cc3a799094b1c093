//! The life cycle of a job as one table, and what publishing takes.

use time::OffsetDateTime;

use super::model::{Job, StatusChange};
use super::vocabulary::{JobStatus, PublishBlocker, WorkplaceType};

impl StatusChange {
    /// The step as a verb, for refusals and the like.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish",
            Self::Pause => "pause",
            Self::Close { .. } => "close",
            Self::Reopen { .. } => "reopen",
            Self::Archive => "archive",
            Self::Toggle => "toggle",
        }
    }

    /// Where the step leads from a state; none where the life cycle has no such step.
    pub const fn leads_to(&self, from: JobStatus) -> Option<JobStatus> {
        use JobStatus::{Archived, Closed, Draft, Paused, Published};
        Some(match (self, from) {
            (Self::Publish { .. } | Self::Toggle, Draft | Paused)
            | (Self::Reopen { .. }, Closed) => Published,
            (Self::Pause | Self::Toggle, Published) => Paused,
            (Self::Close { .. }, Published | Paused) => Closed,
            (Self::Reopen { .. }, Archived) => Draft,
            (Self::Archive, Draft | Paused | Closed) => Archived,
            _ => return None,
        })
    }

    /// The last day that the step brings along.
    pub(super) const fn valid_through(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Publish { valid_through } | Self::Reopen { valid_through } => *valid_through,
            _ => None,
        }
    }
}

/// What keeps the job, as it is, from being seen by everybody.
pub(super) fn publish_blockers(
    job: &Job,
    is_pay_range_required: bool,
    now: OffsetDateTime,
) -> Vec<PublishBlocker> {
    let summary = &job.summary;
    let has_place = !summary.locations.is_empty() || summary.workplace == WorkplaceType::Remote;
    let has_passed = summary.valid_through.is_some_and(|last| last <= now);
    [
        (job.description_text.trim().is_empty(), PublishBlocker::DescriptionMissing),
        (!has_place, PublishBlocker::LocationMissing),
        (is_pay_range_required && summary.salary.is_none(), PublishBlocker::PayRangeMissing),
        (has_passed, PublishBlocker::ValidThroughPassed),
    ]
    .into_iter()
    .filter_map(|(is_blocked, blocker)| is_blocked.then_some(blocker))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::CloseReason;

    #[test]
    fn the_life_cycle_has_these_steps_and_no_others() {
        use JobStatus::{Archived, Closed, Draft, Paused, Published};
        let steps = [
            StatusChange::Publish { valid_through: None },
            StatusChange::Pause,
            StatusChange::Close { reason: CloseReason::Filled },
            StatusChange::Reopen { valid_through: None },
            StatusChange::Archive,
            StatusChange::Toggle,
        ];
        // Rows: from; columns: publish, pause, close, reopen, archive, toggle.
        let table = [
            (Draft, [Some(Published), None, None, None, Some(Archived), Some(Published)]),
            (Published, [None, Some(Paused), Some(Closed), None, None, Some(Paused)]),
            (Paused, [Some(Published), None, Some(Closed), None, Some(Archived), Some(Published)]),
            (Closed, [None, None, None, Some(Published), Some(Archived), None]),
            (Archived, [None, None, None, Some(Draft), None, None]),
        ];
        for (from, row) in table {
            for (step, expected) in steps.iter().zip(row) {
                assert_eq!(step.leads_to(from), expected, "{} from {from}", step.verb());
            }
        }
    }
}
