//! What is different about a job, as its event says it.

use std::collections::BTreeSet;

use tenancy::{JobChange, JobField, JobState, place_key};
use uuid::Uuid;

use super::model::Job;
use super::vocabulary::JobStatus;

/// The difference between a job before and after. Both are to be read in the transaction that
/// changes the job, behind its lock: nobody else's change may lie between them.
pub(super) fn difference(
    before: Option<&Job>,
    after: Option<&Job>,
    fields: Vec<JobField>,
) -> JobChange {
    let both = || before.into_iter().chain(after);
    let state = |job: &Job| JobState::from(job.summary.status);
    let locations = both().flat_map(|job| &job.summary.locations);
    let names = locations.flat_map(|place| [place.region.as_deref(), place.city.as_deref()]);
    let places: BTreeSet<String> = names.flatten().filter_map(place_key).collect();
    let team: BTreeSet<Uuid> =
        both().flat_map(|job| &job.team).map(|member| member.user_id.as_uuid()).collect();
    JobChange {
        before: before.map(state),
        after: after.map(state),
        fields,
        places: Some(places.into_iter().collect()),
        team: Some(team.into_iter().collect()),
    }
}

/// The fields that differ.
pub(super) fn changed_fields(before: &Job, after: &Job) -> Vec<JobField> {
    let (old, new) = (&before.summary, &after.summary);
    [
        (JobField::Title, old.title != new.title),
        (JobField::Department, old.department != new.department),
        (JobField::EmploymentType, old.employment_type != new.employment_type),
        (JobField::ExperienceLevel, old.experience_level != new.experience_level),
        (JobField::Workplace, old.workplace != new.workplace),
        (JobField::Locations, old.locations != new.locations),
        (JobField::Skills, old.skills != new.skills),
        (JobField::Salary, old.salary != new.salary),
        (JobField::PayBlurb, before.pay_blurb != after.pay_blurb),
        (JobField::Openings, old.openings != new.openings),
        (JobField::ValidThrough, old.valid_through != new.valid_through),
        (JobField::Description, before.description_text != after.description_text),
        (JobField::Lang, before.lang != after.lang),
    ]
    .into_iter()
    .filter_map(|(field, is_changed)| is_changed.then_some(field))
    .collect()
}

impl From<JobStatus> for JobState {
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::Draft => Self::Draft,
            JobStatus::Published => Self::Published,
            JobStatus::Paused => Self::Paused,
            JobStatus::Closed => Self::Closed,
            JobStatus::Archived => Self::Archived,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_words_of_the_rows() {
        for status in JobStatus::ALL {
            assert_eq!(JobState::from(*status).as_str(), status.as_str());
        }
    }
}
