//! The second lane of the outbox: people are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use employer_store::feed::{self, FannedOut, Published, TellingSettings};
use employer_store::{StoreError, WorkerDb};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pace::Pace;
use crate::relay::RelayHandle;
use crate::webhooks::WebhookHandle;

/// Longest pause between two attempts while the database fails.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Who shows live what people were told. What it misses stands in the inboxes all the same.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// These events were told, in the order of writing; it is committed. Must not wait.
    fn told(&self, events: Vec<Published>);
}

/// How the lane works through the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOutSettings {
    /// Pause before the outbox is looked at unasked; doubles while nothing is found.
    pub interval: Duration,
    /// Longest such pause.
    pub longest_interval: Duration,
    /// Longest time for one batch: a database that went away without a word must not end the lane.
    /// More than an event that is told alone may take.
    pub deadline: Duration,
    /// How people are told.
    pub telling: TellingSettings,
}

impl Default for FanOutSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(250),
            longest_interval: Duration::from_secs(2),
            deadline: Duration::from_secs(30),
            telling: TellingSettings {
                batch: 200,
                mail_delay: Duration::from_secs(900),
                max_attempts: 5,
                alone: Duration::from_secs(20),
            },
        }
    }
}

/// Counters of the lane since the start of the process.
#[derive(Debug, Default)]
pub struct FanOutStatistics {
    events: AtomicU64,
    notifications: AtomicU64,
    failures: AtomicU64,
    parked: AtomicU64,
}

impl FanOutStatistics {
    /// Events that were told.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Notifications that were written, and changes of inboxes that were passed on.
    pub fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Events that this process gave up.
    pub fn parked(&self) -> u64 {
        self.parked.load(Ordering::Relaxed)
    }

    fn saw(&self, done: &FannedOut) {
        let notifications = done.published.iter().map(|event| event.recipients.len()).sum();
        self.events.fetch_add(count(done.taken), Ordering::Relaxed);
        self.notifications.fetch_add(count(notifications), Ordering::Relaxed);
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Tells people of events until it is stopped. Several may run beside each other.
#[derive(Debug)]
pub struct FanOut {
    db: WorkerDb,
    listener: Arc<dyn Listener>,
    webhooks: WebhookHandle,
    settings: FanOutSettings,
    wake: Arc<Notify>,
    statistics: Arc<FanOutStatistics>,
}

impl FanOut {
    /// Starts the lane on `tasks`; `webhooks` is woken when it has queued some. It looks at the outbox as soon as `relay` hears of a commit; it
    /// ends soon after `stop` is cancelled.
    pub fn spawn(
        db: WorkerDb,
        listener: Arc<dyn Listener>,
        webhooks: WebhookHandle,
        settings: FanOutSettings,
        relay: &RelayHandle,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<FanOutStatistics> {
        let statistics = Arc::new(FanOutStatistics::default());
        let (wake, counters) = (relay.commits(), Arc::clone(&statistics));
        let lane = Self { db, listener, webhooks, settings, wake, statistics: counters };
        tasks.spawn(lane.run_until_stopped(stop));
        statistics
    }

    async fn run_until_stopped(self, stop: CancellationToken) {
        let (mut pause, mut backoff) = (Duration::ZERO, Duration::ZERO);
        let mut pace = Pace::new(self.settings.telling.batch);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified(), if backoff.is_zero() => {}
                () = tokio::time::sleep(pause.max(backoff)) => {}
            }
            match self.turn(&stop, &mut pace).await {
                Ok(told) => {
                    pause = self.next_pause(pause, told);
                    backoff = Duration::ZERO;
                }
                Err(error) => {
                    self.statistics.failures.fetch_add(1, Ordering::Relaxed);
                    pace.failed();
                    backoff = (backoff * 2).clamp(self.settings.interval, MAX_BACKOFF);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        retry_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
                        "people could not be told"
                    );
                }
            }
        }
        // What the last requests wrote need not wait for another instance to look.
        if let Err(error) = self.turn(&CancellationToken::new(), &mut pace).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the last events wait");
        }
    }

    fn next_pause(&self, pause: Duration, told: usize) -> Duration {
        if told > 0 {
            return self.settings.interval;
        }
        (pause * 2).clamp(self.settings.interval, self.settings.longest_interval)
    }

    /// Tells of everything that waits; a stop ends it between two batches. Answers how many events
    /// that were.
    async fn turn(&self, stop: &CancellationToken, pace: &mut Pace) -> Result<usize, TurnError> {
        let mut told = 0;
        loop {
            let (batch, started) = (pace.size(), Instant::now());
            let taken = match self.tell(batch, None).await {
                // One event fails all of its batch: they are told one by one, to find it.
                Err(TurnError::Store(error)) if is_its_own_fault(&error, batch) => {
                    self.one_by_one(batch).await?
                }
                taken => {
                    let taken = taken?;
                    pace.told(taken, started.elapsed());
                    taken
                }
            };
            told += taken;
            if taken < usize::from(batch) || stop.is_cancelled() {
                return Ok(told);
            }
        }
    }

    async fn one_by_one(&self, batch: u16) -> Result<usize, TurnError> {
        let waiting = feed::next_waiting(&self.db, batch);
        let ids = timeout(self.settings.deadline, waiting).await??;
        for id in &ids {
            match self.tell(1, Some(*id)).await {
                Ok(_) => {}
                Err(TurnError::Store(error)) if error.is_collision() => {}
                Err(TurnError::Store(error)) if is_its_own_fault(&error, 1) => {
                    self.blame(*id, &error).await?;
                    // Whether it is the event or the database that is slow, the others would show
                    // one after the other; they are looked at anew.
                    if error.is_timeout() {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ids.len())
    }

    async fn blame(&self, id: i64, error: &StoreError) -> Result<(), TurnError> {
        self.statistics.failures.fetch_add(1, Ordering::Relaxed);
        let note = feed::note_failure(&self.db, &self.settings.telling, id, error);
        let is_parked = timeout(self.settings.deadline, note).await??;
        // The server's message may quote the row; its code does not.
        let class = error.class();
        if is_parked {
            self.statistics.parked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(outbox.id = id, error.class = class, "gave up telling of an event");
        } else {
            tracing::warn!(outbox.id = id, error.class = class, "an event could not be told");
        }
        Ok(())
    }

    async fn tell(&self, batch: u16, only: Option<i64>) -> Result<usize, TurnError> {
        let telling = TellingSettings { batch, ..self.settings.telling };
        let tell = feed::fan_out(&self.db, &telling, only);
        let done = timeout(self.settings.deadline, tell).await??;
        self.statistics.saw(&done);
        if done.has_webhooks {
            self.webhooks.wake();
        }
        if !done.published.is_empty() {
            self.listener.told(done.published);
        }
        Ok(done.taken)
    }
}

/// Whether it may be one event that fails, and not the database or the moment. What takes too long
/// may do in a smaller batch, until it is one.
fn is_its_own_fault(error: &StoreError, batch: u16) -> bool {
    !error.is_unavailable() || (batch == 1 && error.is_timeout())
}

#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("the outbox could not be told")]
    Store(#[from] StoreError),
    #[error("a batch took too long")]
    TooSlow(#[from] Elapsed),
}
