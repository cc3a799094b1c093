//! Which part of a tenant's jobs an answer is made from, and which parts a change concerns.
//!
//! A part is a tag. An answer carries the tags of its part, which its question tells before
//! anything is loaded; a change replaces the tags of every part that it reaches. Both sides are
//! here, so that they mean the same parts. What is left out is safe: an answer of a coarser part
//! is dropped too often, never too rarely.
//!
//! An answer is dropped when any of its tags is. So it takes the tags of *one* respect in which
//! the change must concern it (its place, or else whose jobs it shows, or else their states or
//! view), and beside them those of what may change it from elsewhere (the text search, which looks
//! at all jobs of the tenant before it looks at whose they are).

use std::collections::BTreeSet;

use tenancy::{Change, JobChange, JobField, JobId, JobState, JobView, Tag, place_key};

use crate::registry::{MadeOf, Operation, Respect};

/// Most states that an answer is told apart by; one of more states is of its view.
const MAX_STATES: usize = 3;
/// Most places, and most people, that a change names; past them it concerns all of them.
const MAX_NAMED: usize = 8;

/// What the text search finds jobs by.
const WORDS: [JobField; 5] = [
    JobField::Title,
    JobField::Department,
    JobField::Skills,
    JobField::Locations,
    JobField::Description,
];

/// The part of a tenant's jobs that a question is about.
#[derive(Clone, Copy, Debug)]
pub struct JobSlice<'a> {
    /// Whose jobs.
    pub view: JobView,
    /// In any of these states; in any at all where there are none.
    pub states: &'a [JobState],
    /// At this place, as it was asked for: a city, a region or a country's code.
    pub place: Option<&'a str>,
    /// Whether words narrow it.
    pub has_words: bool,
    /// Whether pay narrows it.
    pub has_pay: bool,
}

impl JobSlice<'_> {
    /// All jobs of a view.
    pub const fn of(view: JobView) -> Self {
        Self { view, states: &[], place: None, has_words: false, has_pay: false }
    }
}

/// What tells answers of one operation apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// For who sees everything.
    All,
    /// For who sees no drafts.
    Public,
    /// For somebody who sees only jobs of their own.
    Of(uuid::Uuid),
    /// For any of those.
    Assigned,
    /// Of one state.
    In(JobState),
    /// Of one place.
    At(String),
    /// Of any place.
    Somewhere,
    /// By words.
    Words,
    /// By pay.
    Pay,
    /// About one job's applications.
    For(uuid::Uuid),
    /// About the applications for any job.
    ForAny,
}

impl Group {
    fn tag(&self, operation: Operation) -> Tag {
        let (name, of) = match self {
            Self::All => ("all", None),
            Self::Public => ("public", None),
            Self::Of(user) => ("of", Some(user.simple().to_string())),
            Self::Assigned => ("assigned", None),
            Self::In(state) => ("in", Some(state.as_str().to_owned())),
            Self::At(place) => ("at", Some(place.clone())),
            Self::Somewhere => ("somewhere", None),
            Self::Words => ("words", None),
            Self::Pay => ("pay", None),
            Self::For(job) => ("for", Some(job.simple().to_string())),
            Self::ForAny => ("for-any", None),
        };
        Tag::group(operation.name(), name, of.as_deref())
    }
}

impl Operation {
    /// The tags of an answer about `slice`; at most five.
    pub fn tags(self, slice: &JobSlice<'_>) -> Vec<Tag> {
        let respects = self.policy().told_apart_by;
        let has = |respect| respects.contains(&respect);
        let mut groups = Vec::new();
        let place = slice.place.filter(|_| has(Respect::Place)).and_then(place_key);
        let states = if has(Respect::State) { slice.states } else { &[] };
        match (place, slice.view) {
            (Some(place), _) => groups.extend([Group::At(place), Group::Somewhere]),
            (None, _) if !has(Respect::View) => {}
            (None, JobView::Assigned(user)) => {
                groups.extend([Group::Of(user.as_uuid()), Group::Assigned]);
            }
            (None, _) if (1..=MAX_STATES).contains(&states.len()) => {
                groups.extend(states.iter().copied().map(Group::In));
            }
            (None, JobView::Published) => groups.push(Group::Public),
            (None, JobView::All) => groups.push(Group::All),
        }
        if slice.has_words && has(Respect::Words) {
            groups.push(Group::Words);
        }
        if slice.has_pay && has(Respect::Pay) {
            groups.push(Group::Pay);
        }
        groups.iter().map(|group| group.tag(self)).collect()
    }

    /// The tags of an answer about the applications for a job, or for any.
    pub fn tags_of_applications(self, job: Option<JobId>) -> Vec<Tag> {
        let group = job.map_or(Group::ForAny, |job| Group::For(job.as_uuid()));
        vec![group.tag(self)]
    }

    /// The tags of the lists of applications that may be others after a change of an application,
    /// or of a job as `job` says; `None` where it is not known which job that is.
    pub(crate) fn tags_of_applications_after(
        self,
        change: &Change,
        job: Option<&JobChange>,
    ) -> Option<BTreeSet<Tag>> {
        let (id, shows) = match (change.of_job, job) {
            (Some(id), _) => (id, true),
            // Lists show what a job is called, and nothing else of it.
            (None, Some(job)) => (change.subject?, is_any_of(&job.fields, &[JobField::Title])),
            (None, None) => return None,
        };
        let groups = [Group::For(id), Group::ForAny];
        Some(groups.iter().filter(|_| shows).map(|group| group.tag(self)).collect())
    }

    /// The tags of the answers that may be others after a change.
    pub(crate) fn tags_of_change(self, change: &JobChange) -> BTreeSet<Tag> {
        let policy = self.policy();
        let mut groups = BTreeSet::new();
        if change.came_or_went() || change.has_moved() || policy.made_of.concerns(change) {
            groups.extend(where_it_shows(change));
        }
        if change.came_or_went() || is_any_of(&change.fields, &WORDS) {
            groups.insert(Group::Words);
        }
        if is_any_of(&change.fields, &[JobField::Salary]) {
            groups.insert(Group::Pay);
        }
        let is_told_apart =
            |group: &Group| policy.told_apart_by.iter().any(|respect| respect.has(group));
        groups.iter().filter(|group| is_told_apart(group)).map(|group| group.tag(self)).collect()
    }
}

impl Respect {
    const fn has(self, group: &Group) -> bool {
        match group {
            Group::All | Group::Public | Group::Of(_) | Group::Assigned => {
                matches!(self, Self::View)
            }
            Group::In(_) => matches!(self, Self::State),
            Group::At(_) | Group::Somewhere => matches!(self, Self::Place),
            Group::Words => matches!(self, Self::Words),
            Group::Pay => matches!(self, Self::Pay),
            Group::For(_) | Group::ForAny => matches!(self, Self::Job),
        }
    }
}

impl MadeOf {
    fn concerns(self, change: &JobChange) -> bool {
        let is_published = change.states().any(|state| state == JobState::Published);
        match self {
            Self::Everything => true,
            Self::Fields { of_all, of_published } => {
                is_any_of(&change.fields, of_all)
                    || (is_published && is_any_of(&change.fields, of_published))
            }
        }
    }
}

/// The groups that show the job, before or after.
fn where_it_shows(change: &JobChange) -> Vec<Group> {
    let mut groups = vec![Group::All];
    if change.states().any(JobState::is_public) {
        groups.push(Group::Public);
    }
    groups.extend(change.states().map(Group::In));
    match change.team.as_deref().filter(|team| team.len() <= MAX_NAMED) {
        Some(team) => groups.extend(team.iter().copied().map(Group::Of)),
        None => groups.push(Group::Assigned),
    }
    match change.places.as_deref().filter(|places| places.len() <= MAX_NAMED) {
        Some(places) => groups.extend(places.iter().cloned().map(Group::At)),
        None => groups.push(Group::Somewhere),
    }
    groups
}

fn is_any_of(changed: &[JobField], fields: &[JobField]) -> bool {
    changed.iter().any(|field| fields.contains(field))
}

#[cfg(test)]
mod tests;
