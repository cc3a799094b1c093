//! What finer tags would keep: which writes an answer would be dropped by if events said more.

use std::collections::HashSet;

use super::mix::{Kind, WriteKind};

/// A way of dropping less, each one on top of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An edit says which fields it changed; figures are dropped by those that they are made of.
    Fields,
    /// An event says the job's states and team; what shows other states or other people's jobs
    /// stays.
    States,
    /// A page carries the tags of the jobs on it; an edit that moves no job drops the pages that
    /// show it, and searches.
    Pages,
    /// A job is kept once for everybody who may see it, not once for each view.
    Views,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Fields, Self::States, Self::Pages, Self::Views];

    /// Whether a write would drop the answer to a question.
    pub(super) fn drops(self, question: &Question<'_>, write: &Written) -> bool {
        let is_edit = write.kind == WriteKind::Edit;
        match question.kind {
            Kind::Job => return true,
            Kind::Overview | Kind::Facets if !write.counts => return false,
            _ => {}
        }
        if self >= Self::States && !question.admits(write) {
            return false;
        }
        let is_page = !matches!(question.kind, Kind::Overview | Kind::Facets | Kind::Search);
        let is_elsewhere = write.job.as_ref().is_some_and(|job| !question.jobs.contains(job));
        !(self >= Self::Pages && is_page && is_edit && is_elsewhere)
    }
}

/// What was asked, as far as rules look at it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) kind: Kind,
    /// The only state that is asked for.
    pub(super) state: Option<&'a str>,
    pub(super) sees_drafts: bool,
    /// The jobs that may be seen, where not all may.
    pub(super) assigned: Option<&'a HashSet<String>>,
    /// The jobs that the answer showed.
    pub(super) jobs: &'a HashSet<String>,
}

impl Question<'_> {
    /// Whether the job that was written could be in the answer, before or after.
    fn admits(&self, write: &Written) -> bool {
        // Of a write under way nothing is known yet.
        if write.states.is_empty() {
            return true;
        }
        let is_asked_for = |state: &String| match self.state {
            Some(wanted) => wanted == state,
            None => self.sees_drafts || state != "draft",
        };
        let is_seen = match (self.assigned, &write.job) {
            (None, _) => true,
            (Some(assigned), Some(job)) => assigned.contains(job),
            (Some(_), None) => false,
        };
        is_seen && write.states.iter().any(is_asked_for)
    }
}

/// A write that was sent.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) kind: WriteKind,
    /// Whether it changes something that figures are made of.
    pub(super) counts: bool,
    /// The job that it changed; none where it made one.
    pub(super) job: Option<String>,
    /// The job's states before and after; empty while they are not known.
    pub(super) states: Vec<String>,
    /// When it was finished; none while it is under way, zero where it was refused.
    pub(super) end: Option<u64>,
}

impl WriteKind {
    /// The states before and after a write that leaves `state` behind.
    pub(super) fn states(self, state: &str) -> Vec<String> {
        let before = match (self, state) {
            (Self::StatusChange, "published") => "paused",
            (Self::StatusChange, _) => "published",
            _ => state,
        };
        vec![before.to_owned(), state.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: WriteKind, counts: bool, job: &str, state: &str) -> Written {
        let job = Some(job.to_owned());
        Written { kind, counts, job, states: kind.states(state), end: Some(1) }
    }

    fn dropping(question: &Question<'_>, write: &Written) -> Vec<Rule> {
        Rule::ALL.into_iter().filter(|rule| rule.drops(question, write)).collect()
    }

    #[test]
    fn each_rule_drops_less_than_the_one_before() {
        use Rule::{Fields, States};
        let jobs = HashSet::from(["a".to_owned()]);
        let ask =
            |kind, state| Question { kind, state, sees_drafts: true, assigned: None, jobs: &jobs };
        let edit = |job| written(WriteKind::Edit, false, job, "draft");
        assert_eq!(dropping(&ask(Kind::Overview, None), &edit("a")), []);
        let pay = written(WriteKind::Edit, true, "a", "draft");
        assert_eq!(dropping(&ask(Kind::Overview, None), &pay), Rule::ALL);
        let of_state = |state| ask(Kind::ListByStatus, Some(state));
        assert_eq!(dropping(&of_state("published"), &edit("a")), [Fields]);
        assert_eq!(dropping(&of_state("draft"), &edit("a")), Rule::ALL);
        assert_eq!(dropping(&of_state("draft"), &edit("b")), [Fields, States]);
        assert_eq!(dropping(&ask(Kind::Search, None), &edit("b")), Rule::ALL);
        let paused = written(WriteKind::StatusChange, true, "b", "paused");
        assert_eq!(dropping(&of_state("published"), &paused), Rule::ALL);
        assert_eq!(dropping(&of_state("draft"), &paused), [Fields]);
    }

    #[test]
    fn what_somebody_does_not_see_drops_nothing_of_theirs() {
        let jobs = HashSet::from(["a".to_owned()]);
        let assigned = Question {
            kind: Kind::DefaultList,
            state: None,
            sees_drafts: true,
            assigned: Some(&jobs),
            jobs: &jobs,
        };
        let edit = |job| written(WriteKind::Edit, true, job, "draft");
        assert!(Rule::States.drops(&assigned, &edit("a")));
        assert!(!Rule::States.drops(&assigned, &edit("b")));
        let viewer = Question { sees_drafts: false, assigned: None, ..assigned };
        assert!(!Rule::States.drops(&viewer, &edit("a")));
        assert!(Rule::Fields.drops(&viewer, &edit("a")));
    }
}
