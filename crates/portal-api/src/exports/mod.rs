//! Files of figures that are made in the background: asked for, made by any instance, fetched.
//!
//! For owners and admins, and not with a key. What is asked for is a row in a queue; whoever takes it
//! writes the same file as `/api/analytics/export.csv` into the file store, and the person who asked
//! hears of it. What is here needs a role twice: of whoever asks, and again, of the same person, when the
//! file is ready.

mod body;
pub(crate) mod file;
mod making;
pub(crate) mod routes;
mod statistics;
mod sweep;
mod view;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use employer_store::exports::ExportBounds;
use tokio::sync::Notify;

pub(crate) use self::statistics::ExportStatistics;
pub use self::worker::ExportMakers;

/// How exports are made and kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportSettings {
    /// How many this instance makes at a time; none where it is 0.
    pub concurrency: usize,
    /// Pause between two looks at the queue.
    pub interval: Duration,
    /// How long one is kept from others without a sign of life of whoever makes it.
    pub lease: Duration,
    /// How many one tenant may have, and how long they are kept.
    pub bounds: ExportBounds,
    /// Largest file in bytes.
    pub max_bytes: u64,
}

/// The queue of exports as requests see it. The default one is nobody's, and takes nothing.
#[derive(Clone, Debug, Default)]
pub struct ExportQueue {
    settings: ExportSettings,
    /// Something is to be made.
    asked: Arc<Notify>,
    /// Something is to be removed.
    ended: Arc<Notify>,
    statistics: Arc<ExportStatistics>,
}

impl ExportQueue {
    fn new(settings: ExportSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Counters since the start of the process.
    pub(crate) fn statistics(&self) -> &ExportStatistics {
        &self.statistics
    }
}
