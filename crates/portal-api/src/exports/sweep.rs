//! Removes what is over: the file first, then its row, so that no file is left that nobody knows of.

use std::time::Duration;

use employer_store::exports::queue::{self, Ended};
use employer_store::{StoreError, WorkerDb};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{ExportQueue, ExportStatistics};
use crate::files::{FileError, Files};

/// Pause between two unasked looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Exports removed at a time.
const AT_A_TIME: i64 = 20;

/// Removes exports until it is stopped.
#[derive(Debug)]
pub(super) struct Sweeper {
    pub(super) db: WorkerDb,
    pub(super) files: Files,
    pub(super) queue: ExportQueue,
}

impl Sweeper {
    pub(super) async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.queue.ended.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                swept = self.sweep() => if let Err(error) = swept {
                    ExportStatistics::count(&self.queue.statistics.faults);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "exports that are over could not be looked for");
                }
            }
        }
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        while queue::give_up_a_hopeless_one(&self.db, self.queue.settings.bounds.keep).await? {
            ExportStatistics::count(&self.queue.statistics.failed);
            tracing::warn!("gave up an export that nobody finishes with");
        }
        loop {
            let ended = queue::take_ended(&self.db, AT_A_TIME).await?;
            if ended.is_empty() {
                return Ok(());
            }
            for one in ended {
                match self.delete_files(&one).await {
                    Ok(()) => {
                        queue::remove(&self.db, &one).await?;
                        ExportStatistics::count(&self.queue.statistics.removed);
                    }
                    // It is tried again: the row stays until the file is gone.
                    Err(error) => {
                        ExportStatistics::count(&self.queue.statistics.faults);
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            error,
                            tenant.id = %one.tenant,
                            export.id = %one.id,
                            "the file of an export could not be deleted"
                        );
                    }
                }
            }
        }
    }

    async fn delete_files(&self, ended: &Ended) -> Result<(), FileError> {
        for key in ended.storage_keys() {
            self.files.delete(&key).await?;
        }
        Ok(())
    }
}
