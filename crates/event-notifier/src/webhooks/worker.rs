//! Takes what is due, sends it, and writes down what came of it.

use std::sync::Arc;
use std::time::Duration;

use employer_store::webhooks::queue::{self, ClaimBounds, DueDelivery, Next};
use employer_store::{StoreError, WorkerDb};
use tenancy::Clock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::AddressRules;
use super::attempt;
use super::client::WebhookClient;
use super::schedule::Schedule;
use super::statistics::WebhookStatistics;
use super::upkeep::Upkeep;
use super::vault::WebhookVault;

/// How much longer than an attempt a delivery is kept from others: what happened has to be written
/// down in that time.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// Longest pause between two looks at the queue while the database fails.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// One tenant has at most one in so many of the attempts that one process makes.
const PARTS: usize = 4;

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Pause between two looks at the queue.
    pub interval: Duration,
    /// Longest time for one attempt.
    pub timeout: Duration,
    /// Pauses between attempts.
    pub schedule: Schedule,
    /// First pause for a receiver that has failed several times in a row; each further one doubles
    /// it.
    pub rest: Duration,
    /// Attempts of one process at a time.
    pub concurrency: usize,
    /// Attempts at one endpoint at a time, all processes together.
    pub per_endpoint: u16,
    /// How long an endpoint may fail before it is given up.
    pub disable_after: Duration,
    /// How long the log of finished deliveries is kept.
    pub keep: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(15),
            schedule: Schedule::standard(),
            rest: Duration::from_secs(5),
            concurrency: 32,
            per_endpoint: 4,
            disable_after: Duration::from_secs(5 * 24 * 3_600),
            keep: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

impl WebhookSettings {
    /// Attempts for one tenant at a time, all processes together: however many endpoints it has and
    /// however slow they are, most places of each process stay free for others.
    fn per_tenant(&self) -> i64 {
        let part = i64::try_from(self.concurrency / PARTS).unwrap_or(i64::MAX);
        part.max(self.per_endpoint.into())
    }
}

/// The client for webhooks could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for webhooks cannot be made")]
pub struct UnusableClient(#[source] reqwest::Error);

/// Wakes the worker, and knows what it did. The default one is nobody's.
#[derive(Clone, Debug, Default)]
pub struct WebhookHandle {
    wake: Arc<Notify>,
    statistics: Arc<WebhookStatistics>,
}

impl WebhookHandle {
    /// Says that something has become due. Never waits.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Counters since the start of the process.
    pub fn statistics(&self) -> &WebhookStatistics {
        &self.statistics
    }
}

/// Sends webhooks until it is stopped.
#[derive(Clone, Debug)]
pub struct WebhookWorker {
    db: WorkerDb,
    client: WebhookClient,
    vault: WebhookVault,
    settings: Arc<WebhookSettings>,
    clock: Arc<dyn Clock>,
    turns: Arc<Semaphore>,
    handle: WebhookHandle,
    tasks: TaskTracker,
}

impl WebhookWorker {
    /// Starts a worker on `tasks`. It takes nothing new soon after `stop` is cancelled; what it has
    /// sent by then it still writes down.
    ///
    /// # Errors
    ///
    /// Where the HTTP client cannot be made.
    pub fn spawn(
        db: WorkerDb,
        vault: WebhookVault,
        rules: AddressRules,
        settings: WebhookSettings,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<WebhookHandle, UnusableClient> {
        let client = WebhookClient::new(rules, settings.timeout).map_err(UnusableClient)?;
        let handle = WebhookHandle { wake: Arc::default(), statistics: Arc::default() };
        let upkeep = Upkeep { db: db.clone(), vault: vault.clone(), keep: settings.keep };
        tasks.spawn(upkeep.run_until_stopped(stop.clone()));
        let worker = Self {
            db,
            client,
            vault,
            clock,
            turns: Arc::new(Semaphore::new(settings.concurrency)),
            settings: Arc::new(settings),
            handle: handle.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(worker.run_until_stopped(stop));
        Ok(handle)
    }

    async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                // While the database fails nobody hurries it.
                () = self.handle.wake.notified(), if backoff.is_zero() => {}
            }
            match self.turn(&stop).await {
                Ok(()) => backoff = Duration::ZERO,
                Err(error) => {
                    WebhookStatistics::count(&self.handle.statistics.faults);
                    backoff = (backoff * 2).clamp(self.settings.interval, MAX_BACKOFF);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the queue of webhooks could not be read");
                    ticks.reset_at(Instant::now() + backoff);
                }
            }
        }
    }

    /// Takes as much as there is room for.
    async fn turn(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        while !stop.is_cancelled() {
            let free = self.turns.available_permits();
            if free == 0 {
                return Ok(());
            }
            let due = queue::claim(
                &self.db,
                ClaimBounds {
                    limit: i64::try_from(free).unwrap_or(i64::MAX),
                    per_endpoint: self.settings.per_endpoint.into(),
                    per_tenant: self.settings.per_tenant(),
                    lease: self.settings.timeout + LEASE_MARGIN,
                },
            )
            .await?;
            let is_last = due.len() < free;
            for delivery in due {
                let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return Ok(()) };
                self.tasks.spawn(self.clone().attempt(delivery, turn));
            }
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn attempt(self, delivery: DueDelivery, turn: OwnedSemaphorePermit) {
        let started = Instant::now();
        let timestamp = self.clock.now().unix_timestamp();
        let reply = attempt::send(&self.client, &self.vault, &delivery, timestamp).await;
        let duration = started.elapsed();
        let result = attempt::judge(&delivery, reply, duration, &self.settings, &mut rand::rng());
        self.count(result.outcome, result.next);
        tracing::debug!(
            tenant.id = %delivery.tenant,
            webhook.id = %delivery.endpoint,
            event.id = %delivery.event,
            webhook.attempt = delivery.attempt,
            webhook.outcome = result.outcome,
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "sent a webhook"
        );
        match queue::record(&self.db, &delivery, &result).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                WebhookStatistics::count(&self.handle.statistics.disabled);
                tracing::info!(
                    tenant.id = %delivery.tenant,
                    webhook.id = %delivery.endpoint,
                    webhook.disabled_for = reason.as_str(),
                    "gave up a webhook endpoint"
                );
            }
            // Its lease will be over, and it will be sent again: receivers know it by its id.
            Err(error) => {
                WebhookStatistics::count(&self.handle.statistics.faults);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what came of a webhook could not be written down");
            }
        }
        drop(turn);
        // The endpoint may have more, which had to wait for this one.
        self.handle.wake();
    }

    fn count(&self, outcome: &str, next: Next) {
        let statistics = &self.handle.statistics;
        match next {
            Next::Delivered => return WebhookStatistics::count(&statistics.delivered),
            Next::GiveUp | Next::Gone => WebhookStatistics::count(&statistics.given_up),
            Next::Retry(_) => {}
        }
        WebhookStatistics::count(&statistics.failed);
        if outcome == "forbidden_address" {
            WebhookStatistics::count(&statistics.forbidden);
        }
        if outcome == attempt::SECRET_UNREADABLE {
            WebhookStatistics::count(&statistics.faults);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_tenant(concurrency: usize, per_endpoint: u16) -> i64 {
        WebhookSettings { concurrency, per_endpoint, ..WebhookSettings::default() }.per_tenant()
    }

    #[test]
    fn a_tenant_has_a_part_of_the_places_and_enough_for_one_endpoint() {
        assert_eq!(per_tenant(32, 4), 8);
        assert_eq!(per_tenant(400, 4), 100);
        assert_eq!(per_tenant(8, 4), 4);
        assert_eq!(per_tenant(1, 1), 1);
    }
}
