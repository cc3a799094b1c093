//! What the load has seen of each answer, and why one was not cached.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use url::form_urlencoded;

use super::kinds::{Kind, Write};
use super::rules::{Question, Written};
use super::tally::{Cause, Seen};
use crate::client::Answer;

/// Whose answer to what: tenant, those who share it, path with query.
type Key = (usize, String, String);

/// What was last known of an answer.
#[derive(Clone, Debug)]
struct Known {
    /// When it was asked for: it shows whatever was finished then.
    at: u64,
    value: u64,
    /// The jobs that it shows, where it is a list.
    jobs: HashSet<String>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Counts events, so that they have an order.
    now: u64,
    known: HashMap<Key, Arc<Known>>,
    writes: Vec<Vec<Written>>,
    /// The jobs of people who see only some, by tenant and view.
    assigned: HashMap<(usize, String), HashSet<String>>,
    seen: Seen,
}

/// A read under way.
#[derive(Debug)]
pub(super) struct Glimpse {
    key: Key,
    kind: Kind,
    at: u64,
    known: Option<Arc<Known>>,
}

/// A write under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    office: usize,
    number: usize,
}

/// Remembers every answer and every write.
#[derive(Debug, Default)]
pub(super) struct Recollection(Mutex<Memory>);

impl Recollection {
    /// Notes which jobs the people of a view see, where they do not see all.
    pub(super) fn sees_only(&self, office: usize, view: &str, jobs: &[String]) {
        let jobs = jobs.iter().cloned().collect();
        self.memory().assigned.insert((office, view.to_owned()), jobs);
    }

    pub(super) fn begins(&self, office: usize, view: &str, kind: Kind, path: &str) -> Glimpse {
        let mut memory = self.memory();
        let key = (office, sharers(view, kind, path).to_owned(), path.to_owned());
        let known = memory.known.get(&key).cloned();
        Glimpse { key, kind, at: memory.tick(), known }
    }

    pub(super) fn saw(&self, glimpse: Glimpse, answer: &Answer) {
        // What is a hit was seen when it was loaded.
        let outcome = answer.header("x-cache");
        let loaded = (!matches!(outcome.as_str(), "hit" | "stale")).then(|| {
            let answer = answer.json();
            Known { at: glimpse.at, value: essence(&answer), jobs: jobs_of(&answer) }
        });
        let mut memory = self.memory();
        let miss = loaded.map(|loaded| (memory.cause(&glimpse), loaded));
        if outcome == "bypass" {
            // The portal counts neither a hit nor a miss where Redis did not answer in time.
            memory.seen.past_the_cache += 1;
            return;
        }
        memory.seen.late += u64::from(outcome == "stale");
        let tally = memory.seen.reads.entry(glimpse.kind).or_default();
        tally.reads += 1;
        let Some(((cause, is_spared), loaded)) = miss else {
            tally.hits += 1;
            return;
        };
        let is_unchanged = glimpse.known.is_some_and(|known| known.value == loaded.value);
        tally.add(cause, is_spared, is_unchanged);
        memory.known.insert(glimpse.key, Arc::new(loaded));
    }

    pub(super) fn begins_to_write(&self, office: usize, write: &Write) -> UnderWay {
        let mut memory = self.memory();
        if memory.writes.len() <= office {
            memory.writes.resize_with(office + 1, Vec::new);
        }
        let writes = &mut memory.writes[office];
        writes.push(Written::begin(write));
        UnderWay { office, number: writes.len() - 1 }
    }

    /// `job` is as the write left it; none where that was refused.
    pub(super) fn has_written(&self, write: &UnderWay, job: Option<&Value>) {
        let mut memory = self.memory();
        let end = memory.tick();
        let counter =
            if job.is_some() { &mut memory.seen.writes } else { &mut memory.seen.refused };
        *counter += 1;
        let written = &mut memory.writes[write.office][write.number];
        match job {
            Some(job) => written.finish(end, job),
            None => written.refuse(),
        }
    }

    pub(super) fn forgets_the_count(&self) {
        self.memory().seen = Seen::default();
    }

    pub(super) fn count(&self) -> Seen {
        self.memory().seen.clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// The writes since an answer was asked for, the last one first.
    fn writes_since(&self, office: usize, at: u64) -> impl Iterator<Item = &Written> {
        let writes = self.writes.get(office).map(Vec::as_slice).unwrap_or_default();
        // From the end: most of them are long over.
        writes
            .iter()
            .rev()
            .take_while(move |write| write.end.is_none_or(|end| end == 0 || end > at))
            .filter(|write| write.end != Some(0))
    }

    /// Why an answer was not there, and whether it would have been if pages carried the tags of
    /// the jobs on them.
    fn cause(&self, glimpse: &Glimpse) -> (Cause, bool) {
        let Some(known) = &glimpse.known else { return (Cause::New, false) };
        let (office, view, path) = &glimpse.key;
        let after = |prefix: &str| path.strip_prefix(prefix);
        let place = after("/api/jobs?location=").map(decoded);
        let question = Question {
            kind: glimpse.kind,
            state: after("/api/jobs?status="),
            place: place.as_deref(),
            job: after("/api/jobs/"),
            sees_drafts: view != "published",
            assigned: self.assigned.get(&(*office, view.clone())),
        };
        let dropping = self.writes_since(*office, known.at);
        let first = dropping.filter(|write| question.is_dropped_by(write)).last();
        let is_spared = self
            .writes_since(*office, known.at)
            .all(|write| !question.would_be_dropped_by(write, &known.jobs));
        first.map_or((Cause::Over, false), |write| (Cause::Dropped(write.kind), is_spared))
    }
}

/// Who shares an answer, among those who may have it.
fn sharers<'a>(view: &'a str, kind: Kind, path: &str) -> &'a str {
    match (kind, view) {
        (Kind::Job, _) => "everybody",
        (Kind::ListByStatus, "published") if !path.ends_with("=draft") => "all",
        _ => view,
    }
}

/// The value of a query parameter.
fn decoded(value: &str) -> String {
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

/// What an answer says, whenever it was made.
fn essence(answer: &Value) -> u64 {
    let mut answer = answer.clone();
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("as_of");
    }
    let mut hasher = DefaultHasher::new();
    answer.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The jobs that a list shows.
fn jobs_of(answer: &Value) -> HashSet<String> {
    let jobs = answer["data"].as_array().into_iter().flatten();
    jobs.filter_map(|job| Some(job["id"].as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests;
