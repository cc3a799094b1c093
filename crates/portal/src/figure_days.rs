//! The days of figures, built beside everything else.

use std::time::Duration;

use employer_store::{StoreError, WorkerDb, analytics};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chore::Chore;

/// How often an instance looks whether days of somebody are due.
const STEP: Duration = Duration::from_secs(60);

/// Days that are built in one transaction: few enough for whoever adds to one of them, which is rare,
/// not to wait for long.
const AT_A_TIME: usize = 8;

/// Longest time for one transaction.
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts the work on `tasks`.
pub(crate) fn start(db: &WorkerDb, stop: &CancellationToken, tasks: &TaskTracker) {
    let builder = DayBuilder { db: db.clone() };
    tasks.spawn(builder.run_until_stopped(stop.clone()));
}

/// Builds the days that are due. Every instance may run one: each takes up another tenant.
#[derive(Debug)]
struct DayBuilder {
    db: WorkerDb,
}

impl Chore for DayBuilder {
    const NAME: &'static str = "build days of figures";
    const EVERY: Duration = STEP;
    /// Each of its transactions has one of its own.
    const DEADLINE: Duration = Duration::MAX;

    type Failure = StoreError;

    /// Goes on until nobody is due.
    async fn look(&self) -> Result<(), StoreError> {
        analytics::notice_zones(&self.db).await?;
        loop {
            let step = analytics::build_days(&self.db, AT_A_TIME);
            let Ok(step) = timeout(DEADLINE, step).await else {
                tracing::warn!("building days of figures took too long");
                return Ok(());
            };
            let Some(done) = step? else { return Ok(()) };
            if done.removed > 0 {
                tracing::info!(tenant.id = %done.tenant, days = done.removed, "gave up days of another zone");
            }
        }
    }
}
