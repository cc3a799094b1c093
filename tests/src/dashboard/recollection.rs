//! What the load has seen of each answer, and why one was not cached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::mix::{Kind, Write, WriteKind};
use super::rules::{Question, Rule, Written};
use crate::client::Answer;

/// Whose answer to what: tenant, view, path with query.
type Key = (usize, String, String);

/// Why an answer had to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nobody had asked for it.
    New,
    /// A write had dropped it, the first one since it was loaded.
    Dropped(WriteKind),
    /// Nothing had been written: its time was over, or memory was short.
    Over,
}

/// Reads of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers.
    pub reads: u64,
    /// Those from the cache.
    pub hits: u64,
    /// Those that nobody had asked for before.
    pub new: u64,
    /// Those that an edit of a job had dropped.
    pub dropped_by_edit: u64,
    /// Those that a change of state had dropped.
    pub dropped_by_status_change: u64,
    /// Those that a new job had dropped.
    pub dropped_by_creation: u64,
    /// Those that were dropped by a write and came back the same.
    pub unchanged: u64,
    /// Those that would have been there under a rule.
    pub spared: BTreeMap<Rule, u64>,
    /// Those of them that had changed: a rule that does this is wrong.
    pub wrongly_spared: u64,
    /// Those whose time was over.
    pub over: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Reads by kind.
    pub reads: BTreeMap<Kind, Tally>,
    /// Writes that were done.
    pub writes: u64,
    /// Writes that were refused.
    pub refused: u64,
}

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
    /// When a job was loaded last, for whichever view.
    shared: HashMap<(usize, String), u64>,
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
        let key = (office, view.to_owned(), path.to_owned());
        let known = memory.known.get(&key).cloned();
        Glimpse { key, kind, at: memory.tick(), known }
    }

    pub(super) fn saw(&self, glimpse: Glimpse, answer: &Answer) {
        // What is a hit was seen when it was loaded.
        let loaded = (answer.header("x-cache") != "hit").then(|| {
            let answer = answer.json();
            Known { at: glimpse.at, value: essence(&answer), jobs: jobs_of(&answer) }
        });
        let mut memory = self.memory();
        let miss = loaded.map(|loaded| (memory.cause(&glimpse), memory.spared(&glimpse), loaded));
        let tally = memory.seen.reads.entry(glimpse.kind).or_default();
        tally.reads += 1;
        let Some((cause, spared, loaded)) = miss else {
            tally.hits += 1;
            return;
        };
        let is_unchanged = glimpse.known.is_some_and(|known| known.value == loaded.value);
        tally.add(cause, &spared, is_unchanged);
        if glimpse.kind == Kind::Job {
            let (office, _, path) = &glimpse.key;
            memory.shared.insert((*office, path.clone()), glimpse.at);
        }
        memory.known.insert(glimpse.key, Arc::new(loaded));
    }

    pub(super) fn begins_to_write(&self, office: usize, write: &Write) -> UnderWay {
        let mut memory = self.memory();
        if memory.writes.len() <= office {
            memory.writes.resize_with(office + 1, Vec::new);
        }
        let writes = &mut memory.writes[office];
        writes.push(Written {
            kind: write.kind,
            counts: write.counts,
            job: write.job.clone(),
            states: Vec::new(),
            end: None,
        });
        UnderWay { office, number: writes.len() - 1 }
    }

    /// `state` is the job's afterwards; none where the write was refused.
    pub(super) fn has_written(&self, write: &UnderWay, state: Option<&str>) {
        let mut memory = self.memory();
        let end = memory.tick();
        let counter =
            if state.is_some() { &mut memory.seen.writes } else { &mut memory.seen.refused };
        *counter += 1;
        let written = &mut memory.writes[write.office][write.number];
        // What was refused has dropped nothing: it was over before everything.
        written.end = Some(state.map_or(0, |_| end));
        written.states = state.map_or_else(Vec::new, |state| written.kind.states(state));
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

    /// The writes that drop, as things are, an answer that was loaded `at`; the last one first.
    fn dropping<'a>(&'a self, glimpse: &'a Glimpse, at: u64) -> impl Iterator<Item = &'a Written> {
        let (office, _, path) = &glimpse.key;
        let of_this = move |write: &&Written| match glimpse.kind {
            Kind::Job => write.job.as_deref().is_some_and(|job| path.ends_with(job)),
            _ => true,
        };
        let writes = self.writes.get(*office).map(Vec::as_slice).unwrap_or_default();
        // From the end: most of them are long over.
        writes
            .iter()
            .rev()
            .take_while(move |write| write.end.is_none_or(|end| end == 0 || end > at))
            .filter(|write| write.end != Some(0))
            .filter(of_this)
    }

    fn cause(&self, glimpse: &Glimpse) -> Cause {
        let Some(known) = &glimpse.known else { return Cause::New };
        self.dropping(glimpse, known.at)
            .last()
            .map_or(Cause::Over, |write| Cause::Dropped(write.kind))
    }

    /// The rules under which the answer would not have been dropped.
    fn spared(&self, glimpse: &Glimpse) -> Vec<Rule> {
        let (office, view, path) = &glimpse.key;
        if glimpse.kind == Kind::Job {
            let shared = self.shared.get(&(*office, path.clone()));
            let is_kept = shared.is_some_and(|at| self.dropping(glimpse, *at).next().is_none());
            return if is_kept { vec![Rule::Views] } else { Vec::new() };
        }
        let Some(known) = &glimpse.known else { return Vec::new() };
        let question = Question {
            kind: glimpse.kind,
            state: path.strip_prefix("/api/jobs?status="),
            sees_drafts: view != "published",
            assigned: self.assigned.get(&(*office, view.clone())),
            jobs: &known.jobs,
        };
        let spares = |rule: &Rule| {
            self.dropping(glimpse, known.at).all(|write| !rule.drops(&question, write))
        };
        Rule::ALL.into_iter().filter(spares).collect()
    }
}

impl Tally {
    fn add(&mut self, cause: Cause, spared: &[Rule], is_unchanged: bool) {
        let counter = match cause {
            Cause::New => &mut self.new,
            Cause::Over => &mut self.over,
            Cause::Dropped(WriteKind::Edit) => &mut self.dropped_by_edit,
            Cause::Dropped(WriteKind::StatusChange) => &mut self.dropped_by_status_change,
            Cause::Dropped(WriteKind::Creation) => &mut self.dropped_by_creation,
        };
        *counter += 1;
        for rule in spared {
            *self.spared.entry(*rule).or_default() += 1;
        }
        if matches!(cause, Cause::Dropped(_)) {
            self.unchanged += u64::from(is_unchanged);
            // A job that another view has loaded since is new to this one, and rightly so.
            let is_kept = spared.iter().any(|rule| *rule != Rule::Views);
            self.wrongly_spared += u64::from(is_kept && !is_unchanged);
        }
    }

    /// Adds up.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut spared = self.spared.clone();
        for (rule, count) in &other.spared {
            *spared.entry(*rule).or_default() += count;
        }
        Self {
            spared,
            wrongly_spared: self.wrongly_spared + other.wrongly_spared,
            reads: self.reads + other.reads,
            hits: self.hits + other.hits,
            new: self.new + other.new,
            dropped_by_edit: self.dropped_by_edit + other.dropped_by_edit,
            dropped_by_status_change: self.dropped_by_status_change
                + other.dropped_by_status_change,
            dropped_by_creation: self.dropped_by_creation + other.dropped_by_creation,
            unchanged: self.unchanged + other.unchanged,
            over: self.over + other.over,
        }
    }
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
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(outcome: &'static str, text: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-cache", outcome.parse().unwrap());
        Answer { status: StatusCode::OK, headers, text: text.to_owned() }
    }

    fn read(
        recollection: &Recollection,
        kind: Kind,
        path: &str,
        outcome: &'static str,
        text: &str,
    ) {
        let glimpse = recollection.begins(0, "all", kind, path);
        recollection.saw(glimpse, &answer(outcome, text));
    }

    fn write(recollection: &Recollection, kind: WriteKind, job: &str, is_done: bool) {
        let write = Write {
            kind,
            counts: false,
            path: String::new(),
            body: Value::Null,
            job: Some(job.to_owned()),
        };
        let under_way = recollection.begins_to_write(0, &write);
        recollection.has_written(&under_way, is_done.then_some("published"));
    }

    #[test]
    fn misses_are_told_apart_by_what_went_before() {
        let recollection = Recollection::default();
        let list = |outcome, text| read(&recollection, Kind::DefaultList, "/l", outcome, text);
        list("miss", r#"{"as_of":1,"n":1}"#);
        list("hit", "never looked at");
        write(&recollection, WriteKind::Edit, "a", true);
        write(&recollection, WriteKind::Creation, "b", true);
        list("miss", r#"{"as_of":2,"n":1}"#);
        write(&recollection, WriteKind::StatusChange, "a", true);
        list("miss", r#"{"n":2}"#);
        write(&recollection, WriteKind::Edit, "a", false);
        list("miss", r#"{"n":2}"#);
        let expected = Tally {
            reads: 5,
            hits: 1,
            new: 1,
            dropped_by_edit: 1,
            dropped_by_status_change: 1,
            unchanged: 1,
            over: 1,
            ..Tally::default()
        };
        let seen = recollection.count();
        let found = Tally { spared: BTreeMap::new(), ..seen.reads[&Kind::DefaultList].clone() };
        assert_eq!(found, expected);
        assert_eq!((seen.writes, seen.refused), (3, 1));
    }

    #[test]
    fn a_job_is_dropped_by_its_own_writes() {
        let recollection = Recollection::default();
        let job = |outcome| read(&recollection, Kind::Job, "/api/jobs/a", outcome, "{}");
        job("miss");
        write(&recollection, WriteKind::Edit, "b", true);
        job("miss");
        write(&recollection, WriteKind::Edit, "a", true);
        write(&recollection, WriteKind::Edit, "b", true);
        job("miss");
        let tally = &recollection.count().reads[&Kind::Job];
        assert_eq!((tally.new, tally.over, tally.dropped_by_edit), (1, 1, 1));
    }
}
