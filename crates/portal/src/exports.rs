//! Starts what makes files of figures in the background.

use std::sync::Arc;
use std::time::Duration;

use employer_store::exports::ExportBounds;
use employer_store::{TenantDb, WorkerDb};
use portal_api::files::FileStore;
use portal_api::writes::Writes;
use portal_api::{ExportMakers, ExportQueue, ExportSettings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::Tuning;

/// Starts it on `tasks`.
pub(crate) fn start(
    tuning: &Tuning,
    (db, worker_db): (&TenantDb, &WorkerDb),
    store: &Arc<dyn FileStore>,
    writes: &Writes,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> ExportQueue {
    let tuning = &tuning.exports;
    let settings = ExportSettings {
        concurrency: tuning.concurrency,
        interval: Duration::from_millis(tuning.interval_ms),
        lease: Duration::from_secs(tuning.lease_seconds),
        bounds: ExportBounds {
            open: tuning.open_per_tenant,
            kept: tuning.kept_per_tenant,
            keep: Duration::from_hours(u64::from(tuning.keep_hours)),
        },
        max_bytes: tuning.max_bytes,
    };
    let makers = ExportMakers {
        db: db.clone(),
        worker_db: worker_db.clone(),
        store: Arc::clone(store),
        writes: writes.clone(),
    };
    makers.start(settings, stop, tasks)
}
