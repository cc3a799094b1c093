//! The nightly comparison of figures with the log of events; and the days that are built of them.

use std::sync::Arc;
use std::time::Duration;

use employer_store::{StoreError, WorkerDb, analytics};
use portal_api::metrics::FigureAudits;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chore::Chore;
use crate::figure_days;
use crate::settings::Settings;

/// How often an instance looks whether an audit is due, and what came of the last one.
const STEP: Duration = Duration::from_secs(60);

/// Longest time for an audit.
const DEADLINE: Duration = Duration::from_secs(3_000);

/// After this an audit that did not end is taken over: whoever began it has given up.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Starts the comparisons on `tasks`, and what builds days; answers where comparisons are shown.
pub(crate) fn start(
    settings: &Settings,
    db: &WorkerDb,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> FigureAudits {
    let audits = FigureAudits::default();
    let auditor = FigureAuditor {
        db: db.clone(),
        clock: Arc::clone(clock),
        every: Duration::from_secs(u64::from(settings.tuning.analytics.audit_hours) * 3_600),
        audits: audits.clone(),
    };
    tasks.spawn(auditor.run_until_stopped(stop.clone()));
    figure_days::start(db, stop, tasks);
    audits
}

/// Compares figures with the log when that is due. Every instance may run one: a row says whose turn
/// it is.
#[derive(Debug)]
struct FigureAuditor {
    db: WorkerDb,
    clock: Arc<dyn Clock>,
    every: Duration,
    audits: FigureAudits,
}

impl Chore for FigureAuditor {
    const NAME: &'static str = "compare figures with the log";
    const EVERY: Duration = STEP;
    const DEADLINE: Duration = DEADLINE;

    type Failure = StoreError;

    async fn look(&self) -> Result<(), StoreError> {
        if let Some(due_at) = analytics::claim_audit(&self.db, self.every, PATIENCE).await? {
            let drifting = analytics::audit(&self.db, due_at, self.clock.now()).await?;
            tracing::info!(figures.drifting = drifting, "compared figures with the log");
        }
        self.audits.set(analytics::last_audit(&self.db).await?);
        Ok(())
    }
}
