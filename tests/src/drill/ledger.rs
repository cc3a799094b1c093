//! What is known to be in the database, job by job.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One job's versions. Its title carries the number of the write that made it.
#[derive(Debug)]
pub struct Ledger {
    path: String,
    truth: Mutex<Truth>,
}

#[derive(Debug)]
struct Truth {
    /// The newest write that was answered with success.
    committed: u64,
    /// The newest write that was sent at all.
    sent: u64,
    /// For the next write; none when it is not known what became of the last one.
    etag: Option<String>,
}

impl Ledger {
    /// A job that was just created with the title of version 0.
    pub fn new(path: String, etag: String) -> Self {
        Self { path, truth: Mutex::new(Truth { committed: 0, sent: 0, etag: Some(etag) }) }
    }

    /// The title of a version.
    pub fn title(version: u64) -> String {
        format!("Version {version}")
    }

    /// Where the job is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The oldest version that an answer to a question asked now may show.
    pub fn begins_to_read(&self) -> u64 {
        self.truth().committed
    }

    /// What is wrong with an answer, given what was committed when it was asked for.
    pub fn contradiction(&self, floor: u64, job: &Value) -> Option<String> {
        let title = job["title"].as_str().unwrap_or_default();
        let version = title.strip_prefix("Version ").and_then(|text| text.parse::<u64>().ok());
        let ceiling = self.truth().sent;
        let is_possible = version.is_some_and(|version| (floor..=ceiling).contains(&version));
        (!is_possible)
            .then(|| format!("{} shows {title:?}, not version {floor} to {ceiling}", self.path))
    }

    /// The next write and the entity tag to send with it; none while that is not known.
    pub fn begins_to_write(&self) -> Option<(u64, String)> {
        let mut truth = self.truth();
        let etag = truth.etag.take()?;
        truth.sent += 1;
        Some((truth.sent, etag))
    }

    /// The write was answered with success.
    pub fn has_written(&self, version: u64, etag: String) {
        let mut truth = self.truth();
        truth.committed = truth.committed.max(version);
        truth.etag = Some(etag);
    }

    /// The write was refused before anything was done.
    pub fn was_refused(&self, etag: String) {
        self.truth().etag = Some(etag);
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_held_against_what_was_committed_before_the_question() {
        let ledger = Ledger::new("/job".to_owned(), "\"1\"".to_owned());
        let (version, _) = ledger.begins_to_write().unwrap();
        let floor = ledger.begins_to_read();
        // While a write is under way both answers are right.
        for title in [0, version] {
            assert_eq!(
                ledger.contradiction(floor, &json!({ "title": Ledger::title(title) })),
                None
            );
        }
        ledger.has_written(version, "\"2\"".to_owned());
        let floor = ledger.begins_to_read();
        let old = json!({ "title": Ledger::title(0) });
        assert!(ledger.contradiction(floor, &old).is_some(), "older than a finished write");
        let future = json!({ "title": Ledger::title(7) });
        assert!(ledger.contradiction(floor, &future).is_some(), "never written");
    }

    #[test]
    fn a_write_whose_fate_is_unknown_is_not_repeated() {
        let ledger = Ledger::new("/job".to_owned(), "\"1\"".to_owned());
        assert!(ledger.begins_to_write().is_some());
        assert!(ledger.begins_to_write().is_none());
        ledger.was_refused("\"1\"".to_owned());
        assert_eq!(ledger.begins_to_write(), Some((2, "\"1\"".to_owned())));
    }
}
