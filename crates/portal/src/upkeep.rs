//! What grows for ever unless somebody clears it away: one instance at a time does, in turns that the
//! next one goes on from.

use std::sync::Arc;
use std::time::Duration;

use employer_store::chores::{self, Turn};
use employer_store::{StoreError, WorkerDb, feed};
use portal_api::files::FileStore;
use portal_api::metrics::UpkeepFigures;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chore::Chore;
use crate::files::sweep::{Exports, FileSweep, Resumes};
use crate::settings::Settings;

/// The name of the chore.
const LOG: &str = "event_log";

/// How often an instance looks whether there is a turn to take.
const STEP: Duration = Duration::from_secs(60);

/// Longest time for a turn, and how long it stays with an instance that says nothing more.
const DEADLINE: Duration = Duration::from_secs(50);
const HOLD: Duration = Duration::from_secs(120);

/// Steps of one turn: at most 100,000 events a minute, and short ones.
const STEPS: u32 = 50;

/// Pause after all of it has been looked at.
const REST: Duration = Duration::from_secs(3_600);

/// Starts what clears away on `tasks`; answers where it is counted.
pub(crate) fn start(
    settings: &Settings,
    db: &WorkerDb,
    files: &Arc<dyn FileStore>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> UpkeepFigures {
    let figures = UpkeepFigures::default();
    let log = LogKeeper {
        db: db.clone(),
        clock: Arc::clone(clock),
        keep: Duration::from_hours(24 * u64::from(settings.tuning.events.keep_days)),
        figures: figures.clone(),
    };
    tasks.spawn(log.run_until_stopped(stop.clone()));
    let orphan_hours = settings.tuning.files.orphan_hours;
    if orphan_hours > 0 {
        let sweep = FileSweep {
            store: Arc::clone(files),
            db: db.clone(),
            clock: Arc::clone(clock),
            kinds: vec![Box::new(Resumes), Box::new(Exports)],
            grace: Duration::from_hours(orphan_hours.into()),
            figures: figures.clone(),
        };
        tasks.spawn(sweep.run_until_stopped(stop.clone()));
    }
    figures
}

/// Has the log of events forget what is old.
#[derive(Debug)]
struct LogKeeper {
    db: WorkerDb,
    clock: Arc<dyn Clock>,
    keep: Duration,
    figures: UpkeepFigures,
}

impl Chore for LogKeeper {
    const NAME: &'static str = "forget old events";
    const EVERY: Duration = STEP;
    const DEADLINE: Duration = DEADLINE;

    type Failure = StoreError;

    async fn look(&self) -> Result<(), StoreError> {
        match chores::take_turn(&self.db, LOG, HOLD).await? {
            Some(turn) => self.forget(turn).await,
            None => Ok(()),
        }
    }
}

impl LogKeeper {
    async fn forget(&self, mut turn: Turn) -> Result<(), StoreError> {
        let now = self.clock.now();
        let gone = feed::forget_log(&self.db, &mut turn, now, self.keep, STEPS).await?;
        self.figures.add_events(gone.events);
        if gone.events > 0 {
            tracing::debug!(events.forgotten = gone.events, "shortened the log of events");
        }
        if gone.is_all {
            turn.end_round(&self.db, REST).await
        } else {
            turn.put_down(&self.db).await
        }
    }
}
