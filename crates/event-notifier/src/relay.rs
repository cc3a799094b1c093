//! The first lane of the outbox: what an event changes is acted on, and said to be.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use employer_store::outbox::{self, Waiting};
use employer_store::{OutboxEvent, StoreError, WorkerDb};
use tokio::sync::{Notify, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Acknowledgements waiting to be written. When it is full, further ones are dropped: the relay
/// then repeats those events, which handlers bear.
const ACKNOWLEDGEMENT_QUEUE: usize = 1_024;

/// Longest pause between two attempts while the database or a handler fails.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Pause between two questions what waits, and for how long.
const AGE_INTERVAL: Duration = Duration::from_secs(5);

/// What is to be done about an event.
#[async_trait]
pub trait EventHandler: Send + Sync + std::fmt::Debug {
    /// Acts on the event; may be called again for one that it has finished with.
    async fn handle(&self, event: &OutboxEvent) -> Result<(), HandlerError>;
}

/// The event could not be acted on now; the relay tries again.
#[derive(Debug, thiserror::Error)]
#[error("the event could not be acted on")]
pub struct HandlerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// How the relay works through the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Pause between two looks at the outbox, and between two batches of acknowledgements.
    pub interval: Duration,
    /// Age from which a row counts as left undone by the request that wrote it.
    pub min_age: Duration,
    /// Most rows claimed at a time.
    pub batch: u16,
    /// Longest time for one batch: a database that went away without a word, or a handler that
    /// hangs, must not end the relay. The claim is dropped, so its rows are free again.
    pub deadline: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(250),
            min_age: Duration::from_secs(1),
            batch: 100,
            deadline: Duration::from_secs(30),
        }
    }
}

/// Counters of the relay since the start of the process.
#[derive(Debug, Default)]
pub struct RelayStatistics {
    repeated: AtomicU64,
    acknowledged: AtomicU64,
    failures: AtomicU64,
    waiting: Mutex<Option<Waiting>>,
}

impl RelayStatistics {
    /// Events that the relay acted on because the request path had not.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Events that the request path had acted on itself.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Attempts that failed, of the database or of the handler.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How long the oldest event had been waiting a few seconds ago, in whichever lane, zero where
    /// none was; `None` while the database does not tell.
    pub fn oldest_age(&self) -> Option<Duration> {
        self.waiting().map(|now| now.to_act.max(now.to_tell).unwrap_or_default())
    }

    /// What waited in the outbox a few seconds ago; `None` while the database does not tell.
    pub fn waiting(&self) -> Option<Waiting> {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw_waiting(&self, waiting: Option<Waiting>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}

/// Tells the relay what was committed, and what is done already.
#[derive(Clone, Debug)]
pub struct RelayHandle {
    acknowledgements: mpsc::Sender<i64>,
    commits: Arc<Notify>,
    statistics: Arc<RelayStatistics>,
}

impl RelayHandle {
    /// Says that events have been committed: people are told at once.
    pub fn committed(&self) {
        self.commits.notify_one();
    }

    /// What wakes the lane that tells people.
    pub(crate) fn commits(&self) -> Arc<Notify> {
        Arc::clone(&self.commits)
    }

    /// Says that these events have been acted on; their rows are deleted soon. Never waits.
    pub fn handled(&self, ids: &[i64]) {
        for id in ids {
            if self.acknowledgements.try_send(*id).is_err() {
                tracing::debug!(outbox.id = id, "acknowledgement dropped, the relay will repeat");
            }
        }
    }

    /// Counters since the start of the process.
    pub fn statistics(&self) -> &RelayStatistics {
        &self.statistics
    }
}

/// Works through the outbox until it is stopped.
#[derive(Debug)]
pub struct Relay {
    db: WorkerDb,
    handler: Arc<dyn EventHandler>,
    settings: RelaySettings,
    acknowledgements: mpsc::Receiver<i64>,
    /// Said to be done while the other lane held them; they are said once more.
    held: Vec<i64>,
    statistics: Arc<RelayStatistics>,
}

impl Relay {
    /// Starts a relay on `tasks`; it ends soon after `stop` is cancelled.
    pub fn spawn(
        db: WorkerDb,
        handler: Arc<dyn EventHandler>,
        settings: RelaySettings,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> RelayHandle {
        let (sender, acknowledgements) = mpsc::channel(ACKNOWLEDGEMENT_QUEUE);
        let statistics = Arc::new(RelayStatistics::default());
        let handle = RelayHandle {
            acknowledgements: sender,
            commits: Arc::default(),
            statistics: Arc::clone(&statistics),
        };
        let held = Vec::new();
        let relay = Self { db, handler, settings, acknowledgements, held, statistics };
        tasks.spawn(relay.run_until_stopped(stop));
        handle
    }

    async fn run_until_stopped(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = Duration::ZERO;
        let mut next_age = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            match self.turn(&stop).await {
                Ok(()) => backoff = Duration::ZERO,
                Err(error) => {
                    self.statistics.failures.fetch_add(1, Ordering::Relaxed);
                    backoff = (backoff * 2).clamp(self.settings.interval, MAX_BACKOFF);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        retry_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
                        "outbox relay failed"
                    );
                    ticks.reset_at(Instant::now() + backoff);
                }
            }
            if Instant::now() >= next_age {
                self.look_at_outbox().await;
                next_age = Instant::now() + AGE_INTERVAL;
            }
        }
        // What the request path has finished should not be repeated after a restart.
        if let Err(error) = self.acknowledge().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "last acknowledgements lost");
        }
    }

    /// One look at everything that waits; a stop ends it between two batches.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<(), TurnError> {
        let deadline = self.settings.deadline;
        timeout(deadline, self.acknowledge()).await??;
        while !stop.is_cancelled() {
            let repeated = timeout(deadline, self.repeat_undone()).await??;
            if repeated < usize::from(self.settings.batch) {
                break;
            }
        }
        Ok(())
    }

    /// Asked whether or not the turn went well: what cannot be acted on grows old.
    async fn look_at_outbox(&self) {
        let asked = timeout(self.settings.deadline, outbox::waiting(&self.db)).await;
        self.statistics.saw_waiting(asked.ok().and_then(Result::ok));
    }

    async fn acknowledge(&mut self) -> Result<(), StoreError> {
        let again = self.held.len();
        let mut ids = std::mem::take(&mut self.held);
        while let Ok(id) = self.acknowledgements.try_recv() {
            ids.push(id);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let written = outbox::acknowledge(&self.db, &ids).await?;
        self.held = ids.split_off(again);
        self.held.retain(|id| !written.contains(id));
        let written = u64::try_from(written.len()).unwrap_or_default();
        self.statistics.acknowledged.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    async fn repeat_undone(&self) -> Result<usize, TurnError> {
        let limit = i64::from(self.settings.batch);
        let claim = outbox::claim(&self.db, limit, self.settings.min_age).await?;
        let count = claim.events().len();
        let (told, failed) = self.tell(claim.events()).await;
        if !told.is_empty() {
            claim.finish_these(&told).await?;
            let told = told.len().try_into().unwrap_or(0);
            self.statistics.repeated.fetch_add(told, Ordering::Relaxed);
        }
        failed.map_or(Ok(count), |error| Err(error.into()))
    }

    /// Hands events to the handler; answers which it has finished with, and why not with all.
    ///
    /// What one tenant's events need may be away while all is well with the others', so a failure
    /// keeps back the tenant's own events only.
    async fn tell(&self, events: &[OutboxEvent]) -> (Vec<i64>, Option<HandlerError>) {
        let (mut told, mut kept_back, mut failed) = (Vec::new(), HashSet::new(), None);
        for event in events {
            if kept_back.contains(&event.tenant) {
                continue;
            }
            if let Err(error) = self.handler.handle(event).await {
                kept_back.insert(event.tenant);
                failed.get_or_insert(error);
                continue;
            }
            told.push(event.id);
            tracing::info!(
                event.kind = %event.kind,
                tenant.id = %event.tenant,
                outbox.id = event.id,
                "repeated what the request path left undone"
            );
        }
        (told, failed)
    }
}

#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("the outbox could not be read")]
    Store(#[from] StoreError),
    #[error("an event could not be handled")]
    Handler(#[from] HandlerError),
    #[error("a batch took too long")]
    TooSlow(#[from] Elapsed),
}
