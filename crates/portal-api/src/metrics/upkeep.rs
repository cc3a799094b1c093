//! What is cleared away beside requests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use employer_store::chores::Round;

use super::page::Page;

/// What this instance has cleared away, and what the last search for lost files came to. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub struct UpkeepFigures(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    events: AtomicU64,
    files: AtomicU64,
    search: Mutex<Option<Round>>,
}

impl UpkeepFigures {
    /// So many events were forgotten by the log.
    pub fn add_events(&self, count: u64) {
        self.0.events.fetch_add(count, Ordering::Relaxed);
    }

    /// So many files that no row names were deleted.
    pub fn add_files(&self, count: u64) {
        self.0.files.fetch_add(count, Ordering::Relaxed);
    }

    /// This is the last search of all files, whichever instance ended it.
    pub fn set_search(&self, round: Option<Round>) {
        *self.0.search.lock().unwrap_or_else(PoisonError::into_inner) = round;
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter(
            "event_log_forgotten",
            "Events that were older than the log is kept, and were deleted from it",
            self.0.events.load(Ordering::Relaxed),
        )?;
        page.counter(
            "files_orphans_deleted",
            "Stored files that no row named, and that were deleted",
            self.0.files.load(Ordering::Relaxed),
        )?;
        let search = *self.0.search.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(search) = search else { return Ok(()) };
        let mut one = |name, help, value: i64| {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and counts small")]
            page.gauge(name, help, value as f64)
        };
        one(
            "files_missing",
            "Rows whose file is not in the store, in the last search that ended; should be 0",
            search.found,
        )?;
        let at = search.ended_at.unix_timestamp();
        one("files_search_timestamp_seconds", "When that search ended", at)
    }
}
