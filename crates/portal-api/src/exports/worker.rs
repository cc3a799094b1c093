//! Takes exports from the queue, makes them, and writes down what came of it.

use std::sync::Arc;
use std::time::Duration;

use employer_store::exports::queue::{self, Claimed, MOST_ATTEMPTS};
use employer_store::exports::{self as store, FailedFor, Made, Settled};
use employer_store::{StoreError, TenantDb, WorkerDb};
use tenancy::{Actor, Evidence, TenantScope};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::making::{Unmade, make};
use super::sweep::Sweeper;
use super::{ExportQueue, ExportSettings, ExportStatistics};
use crate::files::{FileStore, Files, Unclaimed};
use crate::writes::Writes;

/// What the audit trail calls whoever makes exports.
const ACTOR: &str = "exports";

/// Longest time for one attempt.
const LONGEST: Duration = Duration::from_secs(600);
/// Longest time for writing down what came of it.
const SETTLING: Duration = Duration::from_secs(20);
/// Signs of life in the time of one lease.
const SIGNS: u32 = 3;
/// First pause before a failed attempt is followed by another one; it doubles.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause between two looks at the queue while the database fails.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// What exports are made of and where they go.
#[derive(Clone, Debug)]
pub struct ExportMakers {
    /// Where figures are read.
    pub db: TenantDb,
    /// Where the queue is.
    pub worker_db: WorkerDb,
    /// Where files are kept.
    pub store: Arc<dyn FileStore>,
    /// What follows the commit that makes one ready.
    pub writes: Writes,
}

impl ExportMakers {
    /// Starts making and removing exports on `tasks`, as the settings say. When `stop` is cancelled,
    /// what is in the making goes back into the queue.
    pub fn start(
        self,
        settings: ExportSettings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> ExportQueue {
        let queue = ExportQueue::new(settings);
        if settings.concurrency == 0 {
            return queue;
        }
        let files = Files::new(self.store);
        let sweeper =
            Sweeper { db: self.worker_db.clone(), files: files.clone(), queue: queue.clone() };
        tasks.spawn(sweeper.run_until_stopped(stop.clone()));
        let worker = Worker {
            db: self.db,
            worker_db: self.worker_db,
            files,
            writes: self.writes,
            turns: Arc::new(Semaphore::new(settings.concurrency)),
            queue: queue.clone(),
            stop: stop.clone(),
            attempts: TaskTracker::new(),
        };
        tasks.spawn(worker.run_until_stopped());
        queue
    }
}

#[derive(Clone, Debug)]
struct Worker {
    db: TenantDb,
    worker_db: WorkerDb,
    files: Files,
    writes: Writes,
    turns: Arc<Semaphore>,
    queue: ExportQueue,
    stop: CancellationToken,
    attempts: TaskTracker,
}

impl Worker {
    async fn run_until_stopped(self) {
        let mut ticks = tokio::time::interval(self.queue.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = Duration::ZERO;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = ticks.tick() => {}
                // While the database fails nobody hurries it.
                () = self.queue.asked.notified(), if backoff.is_zero() => {}
            }
            match self.turn().await {
                Ok(()) => backoff = Duration::ZERO,
                Err(error) => {
                    self.note_fault();
                    backoff = (backoff * 2).clamp(self.queue.settings.interval, MAX_BACKOFF);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the queue of exports could not be read");
                    ticks.reset_at(Instant::now() + backoff);
                }
            }
        }
        self.attempts.close();
        self.attempts.wait().await;
        self.files.drain().await;
    }

    /// Takes as much as there is room for.
    async fn turn(&self) -> Result<(), StoreError> {
        while !self.stop.is_cancelled() {
            let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else { return Ok(()) };
            let lease = self.queue.settings.lease;
            let Some(claimed) = queue::claim(&self.worker_db, lease).await? else { return Ok(()) };
            self.attempts.spawn(self.clone().attempt(claimed, turn));
        }
        Ok(())
    }

    async fn attempt(self, claimed: Claimed, turn: OwnedSemaphorePermit) {
        let started = Instant::now();
        let scope = scope(&claimed);
        let most = self.queue.settings.max_bytes;
        let making = timeout(LONGEST, make(&self.db, &self.files, (&scope, &claimed), most));
        let outcome = tokio::select! {
            made = making => Some(made.unwrap_or(Err(Unmade::TooLong))),
            () = self.holds(&claimed) => None,
            () = self.stop.cancelled() => {
                // Another instance goes on with it at once.
                return self.put_back(&claimed, Duration::ZERO).await;
            }
        };
        match outcome {
            None => self.note_lost(&claimed),
            Some(Ok((file, made))) => self.settle(&scope, &claimed, file, &made, started).await,
            Some(Err(Unmade::Never(reason))) => self.fail(&scope, &claimed, reason).await,
            Some(Err(error)) => {
                self.tell_fault(&claimed, &error);
                if claimed.attempt >= MOST_ATTEMPTS {
                    self.fail(&scope, &claimed, FailedFor::GaveUp).await;
                } else {
                    let doublings = u32::from(claimed.attempt.unsigned_abs()).saturating_sub(1);
                    self.put_back(&claimed, PAUSE * 2_u32.saturating_pow(doublings)).await;
                }
            }
        }
        drop(turn);
        // The tenant may have more, which had to wait for this one.
        self.queue.asked.notify_one();
    }

    /// Gives signs of life, until the export is somebody else's or was deleted. Whoever cannot give
    /// one in the time of the lease has to believe so.
    async fn holds(&self, claimed: &Claimed) {
        let lease = self.queue.settings.lease;
        let mut known_until = Instant::now() + lease;
        loop {
            sleep(lease / SIGNS).await;
            let asked = Instant::now();
            match queue::renew(&self.worker_db, claimed, lease).await {
                Ok(true) => known_until = asked + lease,
                Ok(false) => return,
                Err(_) if Instant::now() >= known_until => return,
                Err(error) => {
                    self.note_fault();
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, export.id = %claimed.id, "no sign of life was given");
                }
            }
        }
    }

    /// Writes down that the file is whole. From the commit on it is somebody's, and stays where
    /// nobody knows what became of the commit: the row knows which attempts there were.
    async fn settle(
        &self,
        scope: &TenantScope,
        claimed: &Claimed,
        file: Unclaimed,
        made: &Made,
        started: Instant,
    ) {
        let settled = timeout(SETTLING, self.write_down(scope, claimed, file, made)).await;
        match settled {
            Ok(Ok(Settled::Ready)) => {
                ExportStatistics::count(&self.queue.statistics.ready);
                tracing::info!(
                    tenant.id = %claimed.tenant,
                    export.id = %claimed.id,
                    export.bytes = made.bytes,
                    duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "an export is ready"
                );
            }
            Ok(Ok(Settled::NotAllowed)) => {
                ExportStatistics::count(&self.queue.statistics.failed);
            }
            Ok(Ok(Settled::Lost)) => self.note_lost(claimed),
            Ok(Err(error)) => {
                self.tell_fault(claimed, &error);
                self.put_back(claimed, PAUSE).await;
            }
            // Its lease will be over, and somebody takes it again.
            Err(_elapsed) => self.note_fault(),
        }
    }

    async fn write_down(
        &self,
        scope: &TenantScope,
        claimed: &Claimed,
        file: Unclaimed,
        made: &Made,
    ) -> Result<Settled, StoreError> {
        let keep = self.queue.settings.bounds.keep;
        let mut tx = self.db.begin(scope, &Actor::System(ACTOR)).await?;
        let settled = store::finish(&mut tx, claimed, made, keep).await?;
        if settled == Settled::Ready {
            file.claim();
        }
        match tx.commit().await {
            Ok(events) => {
                self.writes.finish(scope, events).await;
                Ok(settled)
            }
            Err(error) => {
                if !error.leaves_open() {
                    self.files.discard(claimed.id.as_uuid(), claimed.storage_key());
                }
                Err(error)
            }
        }
    }

    async fn fail(&self, scope: &TenantScope, claimed: &Claimed, reason: FailedFor) {
        let write_down = async {
            let mut tx = self.db.begin(scope, &Actor::System(ACTOR)).await?;
            let keep = self.queue.settings.bounds.keep;
            let is_ours = store::fail(&mut tx, claimed, reason, keep).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(is_ours)
        };
        match timeout(SETTLING, write_down).await {
            Ok(Ok(true)) => {
                ExportStatistics::count(&self.queue.statistics.failed);
                tracing::info!(
                    tenant.id = %claimed.tenant,
                    export.id = %claimed.id,
                    export.failed_for = reason.as_str(),
                    "an export has failed"
                );
            }
            Ok(Ok(false)) => self.note_lost(claimed),
            // Its lease will be over, and somebody takes it again.
            Ok(Err(_)) | Err(_) => self.note_fault(),
        }
    }

    async fn put_back(&self, claimed: &Claimed, after: Duration) {
        ExportStatistics::count(&self.queue.statistics.put_back);
        // Where this fails its lease will be over.
        if queue::put_back(&self.worker_db, claimed, after).await.is_err() {
            self.note_fault();
        }
    }

    fn tell_fault(&self, claimed: &Claimed, error: &(dyn std::error::Error + 'static)) {
        self.note_fault();
        tracing::warn!(
            error,
            tenant.id = %claimed.tenant,
            export.id = %claimed.id,
            export.attempt = claimed.attempt,
            "an export could not be made"
        );
    }

    fn note_lost(&self, claimed: &Claimed) {
        ExportStatistics::count(&self.queue.statistics.lost);
        tracing::info!(export.id = %claimed.id, "an export was taken over, or deleted");
    }

    fn note_fault(&self) {
        ExportStatistics::count(&self.queue.statistics.faults);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the row was written under row level security by the tenant it names"
)]
fn scope(claimed: &Claimed) -> TenantScope {
    TenantScope::from_verified(claimed.tenant, claimed.org.clone(), Evidence::SystemTask(ACTOR))
}
