use proptest::prelude::*;
use tenancy::UserId;
use uuid::Uuid;

use super::*;

const MANAGER: Uuid = Uuid::from_u128(1);

fn edit(state: JobState, fields: &[JobField]) -> JobChange {
    JobChange {
        before: Some(state),
        after: Some(state),
        fields: fields.to_vec(),
        places: Some(vec!["berlin".to_owned()]),
        team: Some(vec![MANAGER]),
    }
}

fn drops(operation: Operation, slice: &JobSlice<'_>, change: &JobChange) -> bool {
    let dropped = operation.tags_of_change(change);
    operation.tags(slice).iter().any(|tag| dropped.contains(tag))
}

fn in_states(states: &[JobState]) -> JobSlice<'_> {
    JobSlice { states, ..JobSlice::of(JobView::All) }
}

#[test]
fn lists_are_dropped_where_the_job_shows() {
    use JobState::{Draft, Paused, Published};
    let list = |slice: &JobSlice<'_>, change: &JobChange| drops(Operation::JobsList, slice, change);
    let assigned = |user| JobSlice::of(JobView::Assigned(UserId::from_uuid(user)));
    let draft = edit(Draft, &[JobField::Openings]);
    assert!(list(&JobSlice::of(JobView::All), &draft));
    assert!(!list(&JobSlice::of(JobView::Published), &draft));
    assert!(list(&in_states(&[Draft]), &draft));
    assert!(!list(&in_states(&[Published]), &draft));
    assert!(list(&in_states(&[Published, Draft]), &draft));
    assert!(list(&in_states(&JobState::ALL), &draft));
    assert!(list(&assigned(MANAGER), &draft));
    assert!(!list(&assigned(Uuid::from_u128(2)), &draft));
    let paused = JobChange { before: Some(Published), after: Some(Paused), ..draft.clone() };
    for (state, is_dropped) in [(Published, true), (Paused, true), (Draft, false)] {
        assert_eq!(list(&in_states(&[state]), &paused), is_dropped, "{state}");
    }
    for (place, is_dropped) in [("BERLIN", true), ("Kassel", false), ("DE", true), ("de", true)] {
        let slice = JobSlice { place: Some(place), ..JobSlice::of(JobView::All) };
        assert_eq!(list(&slice, &draft), is_dropped, "{place}");
    }
}

#[test]
fn what_a_change_does_not_name_may_be_anything() {
    let change = JobChange { places: None, team: None, ..edit(JobState::Draft, &[]) };
    let somebody = JobView::Assigned(UserId::from_uuid(Uuid::from_u128(2)));
    let somewhere = JobSlice { place: Some("Kassel"), ..JobSlice::of(JobView::All) };
    assert!(drops(Operation::JobsList, &JobSlice::of(somebody), &change));
    assert!(drops(Operation::JobsList, &somewhere, &change));
    let many = vec![Uuid::from_u128(3); MAX_NAMED + 1];
    let change = JobChange { team: Some(many), ..change };
    assert!(drops(Operation::JobsList, &JobSlice::of(somebody), &change));
}

#[test]
fn figures_are_dropped_by_what_they_are_made_of() {
    use JobState::{Draft, Published};
    let all = JobSlice::of(JobView::All);
    let words = JobSlice { has_words: true, ..all };
    let pay = JobSlice { has_pay: true, ..all };
    let (stats, facets) = (Operation::JobsStats, Operation::JobFacets);
    for (state, field, in_stats, in_facets, in_found, in_paid) in [
        (Published, JobField::Openings, false, false, false, false),
        (Published, JobField::Title, false, false, true, false),
        (Published, JobField::Description, false, false, true, false),
        (Published, JobField::Salary, true, false, false, true),
        (Draft, JobField::Salary, false, false, false, true),
        (Draft, JobField::ValidThrough, false, false, false, false),
        (Draft, JobField::Workplace, true, true, true, true),
        (Draft, JobField::Skills, false, true, true, true),
    ] {
        let change = edit(state, &[field]);
        let found = [
            drops(stats, &all, &change),
            drops(facets, &all, &change),
            drops(facets, &words, &change),
            drops(facets, &pay, &change),
        ];
        assert_eq!(found, [in_stats, in_facets, in_found, in_paid], "{state} {field:?}");
    }
}

#[test]
fn a_search_is_dropped_by_words_of_jobs_that_it_does_not_show() {
    let states = [JobState::Published];
    let search = JobSlice { has_words: true, ..in_states(&states) };
    let list = |change: &JobChange| drops(Operation::JobsList, &search, change);
    assert!(!list(&edit(JobState::Draft, &[JobField::Openings])));
    assert!(list(&edit(JobState::Draft, &[JobField::Title])));
    let came = JobChange { before: None, ..edit(JobState::Draft, &[]) };
    assert!(list(&came));
}

proptest! {
    #[test]
    fn a_value_has_few_tags_and_none_of_another_operation(
        view in prop_oneof![
            Just(JobView::All),
            Just(JobView::Published),
            Just(JobView::Assigned(UserId::from_uuid(MANAGER))),
        ],
        states in proptest::sample::subsequence(JobState::ALL.to_vec(), 0..=5),
        place in proptest::option::of(".{0,60}"),
        has_words: bool,
        has_pay: bool,
    ) {
        let slice = JobSlice { view, states: &states, place: place.as_deref(), has_words, has_pay };
        let mut seen = BTreeSet::new();
        let of_jobs = |operation: &Operation| *operation != Operation::ApplicationsList;
        for operation in Operation::ALL.into_iter().filter(of_jobs) {
            let tags = operation.tags(&slice);
            prop_assert!(tags.len() <= 5, "{tags:?}");
            prop_assert_eq!(tags.is_empty(), operation == Operation::JobsItem);
            for tag in tags {
                prop_assert!(Some(&tag) != operation.own_tag().as_ref());
                prop_assert!(tag.as_str().len() <= 80, "{}", tag.as_str());
                prop_assert!(seen.insert(tag));
            }
        }
    }
}
