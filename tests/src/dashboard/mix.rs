//! Who asks for what, and how often.
//!
//! A visit is a dashboard (its session and five questions at once) and six glances on the average:
//! three of five at a list, two of five at a job. Lists are asked for as dashboards do: the default
//! one (50 %), one state (20 %), one place (10 %), a search (15 %), a deeper page (5 %). Of the
//! searches 20 % have a typing error, 5 % other scripts and 2 % what attackers type. The largest
//! tenant gets 35 % of all visits and writes, the others share the rest by Zipf's law, and so do
//! the values of a filter and the jobs. Of the writes 70 % edit a job (how many are sought, the
//! text, the title, and one in ten the pay), 20 % publish or pause one, 10 % make one.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::kinds::{Edited, Kind, Write, WriteKind};
use super::office::{Office, Person};
use super::report::Writes;
use crate::job;

/// Of the visits and writes, those to the largest tenant.
const LARGEST: f64 = 0.35;
/// Most glances of a visit; half of it on the average.
const MOST_GLANCES: u32 = 12;

/// One visitor's choices.
#[derive(Debug)]
pub(super) struct Mix {
    rng: StdRng,
    /// Writes for each read.
    ratio: f64,
    owed: f64,
}

impl Mix {
    pub(super) fn new(mut rng: StdRng, writes: Writes) -> Self {
        // Visitors do not write in step.
        let owed = rng.random();
        Self { rng, ratio: writes.for_each_read(), owed }
    }

    pub(super) fn office(&mut self, offices: usize) -> usize {
        if offices < 2 || self.rng.random_bool(LARGEST) { 0 } else { 1 + self.zipf(offices - 1) }
    }

    pub(super) fn any(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    /// What a dashboard asks for beside the session.
    pub(super) fn opening(&mut self, person: &Person) -> Vec<(Kind, String)> {
        let mut questions = vec![
            (Kind::DefaultList, "/api/jobs".to_owned()),
            (Kind::Overview, "/api/jobs/stats/overview".to_owned()),
            (Kind::Facets, "/api/jobs/facets".to_owned()),
        ];
        questions.push(self.list_by_status());
        questions.push(self.job(person));
        questions
    }

    pub(super) fn glances(&mut self) -> u32 {
        self.rng.random_range(0..=MOST_GLANCES)
    }

    pub(super) fn glance(&mut self, office: &Office, person: &Person) -> (Kind, String) {
        if self.rng.random_bool(0.4) {
            return self.job(person);
        }
        match self.rng.random_range(0..100) {
            0..50 => (Kind::DefaultList, "/api/jobs".to_owned()),
            50..70 => self.list_by_status(),
            70..80 if !office.places.is_empty() => {
                let place = &office.places[self.zipf(office.places.len())];
                (Kind::ListByPlace, question("location", place))
            }
            80..95 => (Kind::Search, question("q", &self.words(office))),
            _ => (Kind::DeepPage, format!("/api/jobs?skip={}", 20 * (1 + self.zipf(10)))),
        }
    }

    fn list_by_status(&mut self) -> (Kind, String) {
        let status = ["published", "draft", "paused", "closed"][self.zipf(4)];
        (Kind::ListByStatus, format!("/api/jobs?status={status}"))
    }

    /// One of the newest jobs; somebody who sees none looks at the list again.
    fn job(&mut self, person: &Person) -> (Kind, String) {
        if person.jobs.is_empty() {
            return (Kind::DefaultList, "/api/jobs".to_owned());
        }
        let job = &person.jobs[self.zipf(person.jobs.len())];
        (Kind::Job, format!("/api/jobs/{job}"))
    }

    fn words(&mut self, office: &Office) -> String {
        const OTHER_SCRIPTS: [&str; 3] = ["Pflegefachkraft für Ärzte", "инженер", "看護師"];
        const HOSTILE: [&str; 4] = ["100%", "tenant:{x}", "None", "' OR 1=1 --"];
        let sort = self.rng.random_range(0..100);
        if sort < 2 {
            return HOSTILE[self.any(HOSTILE.len())].to_owned();
        }
        if sort < 7 || office.titles.is_empty() {
            return OTHER_SCRIPTS[self.any(OTHER_SCRIPTS.len())].to_owned();
        }
        let title = &office.titles[self.zipf(office.titles.len())];
        if sort < 27 { self.mistyped(title) } else { title.clone() }
    }

    /// The same with one letter left out.
    fn mistyped(&mut self, text: &str) -> String {
        let gone = self.any(text.chars().count().max(1));
        text.chars().enumerate().filter(|(at, _)| *at != gone).map(|(_, letter)| letter).collect()
    }

    /// Notes that reads were sent, which writes must go with.
    pub(super) fn owes_for(&mut self, reads: usize) {
        self.owed += self.ratio * f64::from(u32::try_from(reads).unwrap_or(u32::MAX));
    }

    /// Whether it is time to write, which is then to be done.
    pub(super) fn must_write(&mut self) -> bool {
        let must = self.owed >= 1.0;
        if must {
            self.owed -= 1.0;
        }
        must
    }

    pub(super) fn write(&mut self, office: &Office) -> Write {
        let (edited, moved) = (&office.open_jobs, &office.visible_jobs);
        match self.rng.random_range(0..100) {
            0..70 if !edited.is_empty() => {
                let job = edited[self.zipf(edited.len())].clone();
                let (edited, body) = self.edit();
                Write {
                    kind: WriteKind::Edit,
                    edited: Some(edited),
                    path: format!("/api/jobs/{job}"),
                    body,
                    job: Some(job),
                }
            }
            70..90 if !moved.is_empty() => {
                let job = moved[self.zipf(moved.len())].clone();
                Write {
                    kind: WriteKind::StatusChange,
                    edited: None,
                    path: format!("/api/jobs/{job}/toggle"),
                    body: json!({}),
                    job: Some(job),
                }
            }
            _ => Write {
                kind: WriteKind::Creation,
                edited: None,
                path: "/api/jobs".to_owned(),
                body: job::nurse(),
                job: None,
            },
        }
    }

    /// What people change, each time to something new.
    fn edit(&mut self) -> (Edited, Value) {
        let number = self.rng.random_range(0..1_000_000);
        match self.rng.random_range(0..10) {
            0..3 => (Edited::Shown, json!({ "openings": 1 + number % 500 })),
            3..6 => {
                let text = format!("What you will do\n\n- Task {number}");
                (Edited::Words, json!({ "description": text }))
            }
            6..9 => (Edited::Words, json!({ "title": format!("Team Lead {number}") })),
            _ => {
                let mut salary = job::nurse()["salary"].clone();
                salary["max"] = json!(9_600_000 + number);
                (Edited::Pay, json!({ "salary": salary }))
            }
        }
    }

    /// A position below `count`, the n-th with a weight of 1/n.
    fn zipf(&mut self, count: usize) -> usize {
        let weight = |rank: usize| 1.0 / f64::from(u32::try_from(rank + 1).unwrap_or(u32::MAX));
        let total: f64 = (0..count).map(weight).sum();
        let mut place = self.rng.random::<f64>() * total;
        for rank in 0..count {
            place -= weight(rank);
            if place <= 0.0 {
                return rank;
            }
        }
        0
    }
}

fn question(name: &str, value: &str) -> String {
    let value: String = byte_serialize(value.as_bytes()).collect();
    format!("/api/jobs?{name}={value}")
}

#[cfg(test)]
mod tests;
