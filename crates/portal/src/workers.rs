//! What runs beside the HTTP server.

use std::sync::Arc;
use std::time::Duration;

use employer_store::{WorkerDb, api_keys, audit, feed, idempotency, jobs, sessions};
use portal_api::auth::KeyUses;
use tenancy::Clock;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

/// Pause between two removals of stored answers and sessions whose time is over.
const CLEANUP: Duration = Duration::from_secs(600);

/// Rows of the trail removed in one statement.
const FINDINGS_AT_A_TIME: i64 = 10_000;

/// Inboxes shortened in one transaction.
const INBOXES_AT_A_TIME: i64 = 100;

/// Longest wait for one of these jobs: a database that went away without a word must not end them.
const DEADLINE: Duration = Duration::from_secs(60);

/// Closes jobs whose last day has passed, and has people told before; the relay does what follows
/// from it. Clears away what is over as well.
#[derive(Debug)]
pub(crate) struct JobExpiry {
    pub(crate) db: WorkerDb,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) interval: Duration,
    pub(crate) batch: i64,
    /// How long the platform's trail is kept.
    pub(crate) keep_findings: Duration,
    /// How long before a job's last day its people are told.
    pub(crate) expiring_lead: Duration,
    /// How long notifications are kept.
    pub(crate) keep_notifications: Duration,
}

impl JobExpiry {
    pub(crate) async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_cleanup = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if timeout(DEADLINE, self.close_expired()).await.is_err() {
                tracing::warn!("closing jobs took too long and was given up");
            }
            if timeout(DEADLINE, self.tell_expiring()).await.is_err() {
                tracing::warn!("telling of jobs near their last day took too long");
            }
            if Instant::now() >= next_cleanup {
                if timeout(DEADLINE, self.forget_old_answers()).await.is_err() {
                    tracing::warn!("removing old answers took too long and was given up");
                }
                if timeout(DEADLINE, self.forget_old_sessions()).await.is_err() {
                    tracing::warn!("removing old sessions took too long and was given up");
                }
                if timeout(DEADLINE, self.forget_old_findings()).await.is_err() {
                    tracing::warn!("shortening the trail took too long and was given up");
                }
                if timeout(DEADLINE, self.forget_old_notifications()).await.is_err() {
                    tracing::warn!("removing old notifications took too long and was given up");
                }
                next_cleanup = Instant::now() + CLEANUP;
            }
        }
    }

    async fn close_expired(&self) {
        match jobs::close_expired(&self.db, self.clock.now(), self.batch).await {
            Ok(events) if events.is_empty() => {}
            Ok(events) => {
                tracing::info!(jobs.closed = events.len(), "closed jobs past their last day");
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "jobs could not be closed"
                );
            }
        }
    }

    async fn tell_expiring(&self) {
        let (now, lead) = (self.clock.now(), self.expiring_lead);
        match jobs::tell_expiring(&self.db, now, lead, self.batch).await {
            Ok(0) => {}
            Ok(told) => tracing::info!(jobs.told = told, "told of jobs near their last day"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "nobody could be told of jobs near their last day");
            }
        }
    }

    async fn forget_old_notifications(&self) {
        let (now, keep) = (self.clock.now(), self.keep_notifications);
        loop {
            match feed::purge(&self.db, now, keep, INBOXES_AT_A_TIME).await {
                Ok(0) => return,
                Ok(gone) => tracing::debug!(notifications.removed = gone, "removed old ones"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::warn!(error, "old notifications could not be removed");
                }
            }
        }
    }

    async fn forget_old_sessions(&self) {
        loop {
            match sessions::purge_ended(&self.db).await {
                Ok(0) => return,
                Ok(removed) => tracing::debug!(sessions.removed = removed, "removed old sessions"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::warn!(error, "old sessions could not be removed");
                }
            }
        }
    }

    /// A part of what is old; the rest goes in the next turns.
    async fn forget_old_findings(&self) {
        let (now, keep) = (self.clock.now(), self.keep_findings);
        if let Err(error) = audit::forget_findings(&self.db, now, keep, FINDINGS_AT_A_TIME).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the platform's trail could not be shortened"
            );
        }
    }

    async fn forget_old_answers(&self) {
        if let Err(error) = idempotency::purge_expired(&self.db, self.clock.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old answers could not be removed"
            );
        }
    }
}

/// Writes down when API keys were used, many at once; the last time when the portal stops.
#[derive(Debug)]
pub(crate) struct KeyUseWriter {
    pub(crate) db: WorkerDb,
    pub(crate) uses: KeyUses,
    pub(crate) interval: Duration,
}

impl KeyUseWriter {
    pub(crate) async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            self.write().await;
            if is_last {
                return;
            }
        }
    }

    async fn write(&self) {
        let uses = self.uses.take();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = api_keys::record_uses(&self.db, &uses).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the uses of API keys could not be written down");
            self.uses.give_back(uses);
        }
    }
}
