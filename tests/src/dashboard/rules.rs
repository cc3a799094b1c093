//! Which writes drop which answers, as the portal has it, and which would if it had finer tags.
//!
//! This only tells why an answer was not there. That nothing is kept too long is what the tests in
//! `tests/changes` show.

use std::collections::HashSet;

use serde_json::Value;
use tenancy::place_key;

use super::kinds::{Edited, Kind, Write, WriteKind};

/// What was asked, as far as rules look at it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) kind: Kind,
    /// The only state that is asked for.
    pub(super) state: Option<&'a str>,
    /// The only place that is asked for.
    pub(super) place: Option<&'a str>,
    /// The only job that is asked for.
    pub(super) job: Option<&'a str>,
    pub(super) sees_drafts: bool,
    /// The jobs that may be seen, where not all may.
    pub(super) assigned: Option<&'a HashSet<String>>,
}

impl Question<'_> {
    /// Whether the write drops the answer.
    pub(super) fn is_dropped_by(&self, write: &Written) -> bool {
        // Of a write under way nothing more is known yet.
        if write.states.is_empty() && self.kind != Kind::Job {
            return true;
        }
        match self.kind {
            Kind::Job => write.job.as_deref().is_some_and(|job| self.job == Some(job)),
            Kind::Overview => {
                let is_published = write.states.iter().any(|state| state == "published");
                let counts = match write.edited {
                    None => true,
                    Some(edited) => edited == Edited::Pay && is_published,
                };
                counts && self.admits(write)
            }
            Kind::Facets => write.edited.is_none() && self.admits(write),
            Kind::ListByPlace => self.place.and_then(place_key).is_none_or(|wanted| {
                write.places.iter().any(|place| place_key(place).as_ref() == Some(&wanted))
            }),
            Kind::Search => {
                let is_found_otherwise =
                    write.edited == Some(Edited::Words) || write.kind == WriteKind::Creation;
                is_found_otherwise || self.admits(write)
            }
            Kind::DefaultList | Kind::ListByStatus | Kind::DeepPage => self.admits(write),
        }
    }

    /// Whether it would if a page carried the tags of the jobs on it: an edit that moves no job
    /// would drop the pages that show it. `shown` are the jobs of this one.
    pub(super) fn would_be_dropped_by(&self, write: &Written, shown: &HashSet<String>) -> bool {
        let is_page = !matches!(self.kind, Kind::Overview | Kind::Facets | Kind::Search);
        let is_elsewhere = write.job.as_ref().is_some_and(|job| !shown.contains(job));
        let is_spared = is_page && write.kind == WriteKind::Edit && is_elsewhere;
        self.is_dropped_by(write) && (self.kind == Kind::Job || !is_spared)
    }

    /// Whether the job that was written could be in the answer, before or after.
    fn admits(&self, write: &Written) -> bool {
        let is_asked_for = |state: &String| match self.state {
            Some(wanted) => wanted == state,
            None => self.sees_drafts || state != "draft",
        };
        match (self.assigned, &write.job) {
            (None, _) => write.states.iter().any(is_asked_for),
            // Whose jobs they are is all that theirs are told apart by.
            (Some(assigned), Some(job)) => assigned.contains(job),
            (Some(_), None) => false,
        }
    }
}

/// A write that was sent.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) kind: WriteKind,
    pub(super) edited: Option<Edited>,
    /// The job that it changed; none where it made one.
    pub(super) job: Option<String>,
    /// The job's states before and after; empty while they are not known.
    pub(super) states: Vec<String>,
    /// Regions and cities of the job.
    pub(super) places: Vec<String>,
    /// When it was finished; none while it is under way, zero where it was refused.
    pub(super) end: Option<u64>,
}

impl Written {
    /// One that is under way.
    pub(super) fn begin(write: &Write) -> Self {
        Self {
            kind: write.kind,
            edited: write.edited,
            job: write.job.clone(),
            states: Vec::new(),
            places: Vec::new(),
            end: None,
        }
    }

    /// Notes how it left the job behind.
    pub(super) fn finish(&mut self, end: u64, job: &Value) {
        let after = job["status"].as_str().unwrap_or_default();
        let before = match (self.kind, after) {
            (WriteKind::StatusChange, "published") => "paused",
            (WriteKind::StatusChange, _) => "published",
            _ => after,
        };
        self.states = vec![before.to_owned(), after.to_owned()];
        let places = job["locations"].as_array().into_iter().flatten();
        let names = places.flat_map(|place| [place["region"].as_str(), place["city"].as_str()]);
        self.places = names.flatten().map(str::to_owned).collect();
        self.end = Some(end);
    }

    /// Notes that it was refused: it has dropped nothing, as if it were over before everything.
    pub(super) fn refuse(&mut self) {
        self.end = Some(0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(kind: WriteKind, edited: Option<Edited>, job: &str, state: &str) -> Written {
        let write =
            Write { kind, edited, path: String::new(), body: Value::Null, job: Some(job.into()) };
        let mut written = Written::begin(&write);
        let locations = json!([{"country": "US", "region": null, "city": "Denver"}]);
        written.finish(1, &json!({"status": state, "locations": locations}));
        written
    }

    fn edit(edited: Edited, job: &str, state: &str) -> Written {
        written(WriteKind::Edit, Some(edited), job, state)
    }

    fn ask(kind: Kind) -> Question<'static> {
        Question { kind, state: None, place: None, job: None, sees_drafts: true, assigned: None }
    }

    #[test]
    fn figures_are_dropped_by_what_they_are_made_of() {
        let pay = edit(Edited::Pay, "a", "published");
        assert!(ask(Kind::Overview).is_dropped_by(&pay));
        assert!(!ask(Kind::Facets).is_dropped_by(&pay));
        assert!(!ask(Kind::Overview).is_dropped_by(&edit(Edited::Pay, "a", "draft")));
        assert!(!ask(Kind::Overview).is_dropped_by(&edit(Edited::Words, "a", "published")));
        let paused = written(WriteKind::StatusChange, None, "a", "paused");
        assert!(ask(Kind::Facets).is_dropped_by(&paused));
    }

    #[test]
    fn lists_are_dropped_where_the_job_shows() {
        let of_state = |state| Question { state: Some(state), ..ask(Kind::ListByStatus) };
        let draft = edit(Edited::Words, "b", "draft");
        assert!(of_state("draft").is_dropped_by(&draft));
        assert!(!of_state("published").is_dropped_by(&draft));
        let at = |place| Question { place: Some(place), ..ask(Kind::ListByPlace) };
        assert!(at("denver").is_dropped_by(&draft));
        assert!(!at("Boulder").is_dropped_by(&draft));
        let viewer = |kind| Question { sees_drafts: false, ..ask(kind) };
        assert!(!viewer(Kind::DefaultList).is_dropped_by(&draft));
        assert!(viewer(Kind::Search).is_dropped_by(&draft));
        let jobs = HashSet::from(["a".to_owned()]);
        let assigned = Question { assigned: Some(&jobs), ..ask(Kind::DefaultList) };
        assert!(!assigned.is_dropped_by(&draft));
        assert!(assigned.is_dropped_by(&edit(Edited::Shown, "a", "draft")));
    }

    #[test]
    fn pages_would_spare_edits_of_jobs_elsewhere() {
        let shown = HashSet::from(["a".to_owned()]);
        let would_be_dropped =
            |kind, job| ask(kind).would_be_dropped_by(&edit(Edited::Words, job, "draft"), &shown);
        assert!(would_be_dropped(Kind::DefaultList, "a"));
        assert!(!would_be_dropped(Kind::DefaultList, "b"));
        assert!(would_be_dropped(Kind::Search, "b"));
    }
}
