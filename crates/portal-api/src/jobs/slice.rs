//! Whose answer is the same, and what drops it.

use std::collections::BTreeSet;

use employer_store::jobs::{JobFilter, JobStatus};
use tenancy::{JobState, JobView, Tag};
use tenant_cache::{JobSlice, Operation};

/// The view whose answer under a filter is that of `view`, byte for byte: who sees all but drafts
/// shares what leaves out drafts anyway with those who see everything.
pub(super) fn sharing_view(view: JobView, filter: &JobFilter) -> JobView {
    let asks_for_no_drafts =
        !filter.statuses.is_empty() && !filter.statuses.contains(&JobStatus::Draft);
    match view {
        JobView::Published if asks_for_no_drafts => JobView::All,
        view => view,
    }
}

/// The tags of an answer under a filter.
pub(super) fn tags(operation: Operation, view: JobView, filter: &JobFilter) -> Vec<Tag> {
    let states: BTreeSet<JobState> = filter.statuses.iter().copied().map(JobState::from).collect();
    let states: Vec<JobState> = states.into_iter().collect();
    operation.tags(&JobSlice {
        view,
        states: &states,
        place: filter.location.as_deref(),
        has_words: filter.text.is_some(),
        has_pay: filter.salary_min.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_no_drafts_shares_with_those_who_see_them() {
        let filter = |statuses: &[JobStatus]| JobFilter {
            statuses: statuses.to_vec(),
            ..JobFilter::default()
        };
        let view = |statuses| sharing_view(JobView::Published, &filter(statuses));
        assert_eq!(view(&[JobStatus::Closed, JobStatus::Paused]), JobView::All);
        assert_eq!(view(&[]), JobView::Published);
        assert_eq!(view(&[JobStatus::Draft, JobStatus::Paused]), JobView::Published);
    }
}
