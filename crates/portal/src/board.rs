//! What the public's routes work with, and what writes down whom they served.

use std::sync::Arc;
use std::time::Duration;

use employer_store::WorkerDb;
use employer_store::public_board::{self, PublicDb};
use portal_api::files::FileStore;
use portal_api::public::{BoardSettings, PublicBoard, ViewCounts};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commands::CommandError;
use crate::settings::Settings;

/// The variable that names the database.
pub(crate) const PUBLIC: &str = "DATABASE_PUBLIC_URL";

/// Longest wait for one batch: a database that went away without a word must not end the writer.
const DEADLINE: Duration = Duration::from_secs(15);

/// Makes the board, and starts on `tasks` what writes down its views.
pub(crate) fn start(
    settings: &Settings,
    worker_db: &WorkerDb,
    files: Arc<dyn FileStore>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<(PublicBoard, PublicDb), CommandError> {
    let db = PublicDb::connect_lazily(&settings.public_database)
        .map_err(|error| CommandError::Database(PUBLIC, error))?;
    let tuning = &settings.tuning.board;
    let views = ViewCounts::new(tuning.views_max);
    let writer = ViewWriter {
        db: worker_db.clone(),
        views: views.clone(),
        interval: Duration::from_millis(tuning.view_interval_ms),
    };
    tasks.spawn(writer.run_until_stopped(stop.clone()));
    let settings = BoardSettings {
        resume_max_bytes: tuning.resume_max_bytes,
        upload_timeout: Duration::from_millis(tuning.upload_timeout_ms),
        queue_timeout: Duration::from_millis(tuning.queue_timeout_ms),
    };
    Ok((PublicBoard::new(db.clone(), files, views, settings), db))
}

/// Writes views down, many at once; the last time when the portal stops.
#[derive(Debug)]
struct ViewWriter {
    db: WorkerDb,
    views: ViewCounts,
    interval: Duration,
}

impl ViewWriter {
    async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            // At the end there may be a batch under way and counts behind it.
            while self.write().await && is_last {}
            if is_last {
                return;
            }
        }
    }

    /// Whether a batch was written down.
    async fn write(&self) -> bool {
        let dropped = self.views.take_dropped();
        if dropped > 0 {
            tracing::warn!(views.dropped = dropped, "views of too many jobs wait to be counted");
        }
        let Some(batch) = self.views.batch() else { return false };
        let written = public_board::record_views(&self.db, batch.id, &batch.rows);
        match tokio::time::timeout(DEADLINE, written).await {
            Ok(Ok(_)) => {
                self.views.finish(batch.id);
                true
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "views could not be written down; they are kept");
                false
            }
            Err(_elapsed) => {
                tracing::warn!("views could not be written down in time; they are kept");
                false
            }
        }
    }
}
