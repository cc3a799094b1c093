//! Takes what is due, and mails it when its time has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use employer_store::feed::{self, DueMail};
use employer_store::{StoreError, WorkerDb};
use tenancy::Clock;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::compose::{ComposeError, MailFace};
use super::moment::{Moment, moment};
use super::token::UnsubscribeKeys;
use super::transport::{MailTransport, SendError};

/// People whose mails one process has in hand.
const PEOPLE: i64 = 20;

/// How long they are kept from others: longer than all of them take, one after the other, at worst.
const LEASE: Duration = Duration::from_secs(20 * 35);

/// A mail that could not be sent for so long is not news any more.
const OLDEST: time::Duration = time::Duration::days(3);

/// Bounds of the pause before a mail is tried again.
const PAUSES: (time::Duration, time::Duration) =
    (time::Duration::minutes(1), time::Duration::hours(6));

/// How mails are sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Pause between two looks at what is due.
    pub interval: Duration,
    /// How they leave.
    pub transport: MailTransport,
    /// How they present themselves.
    pub face: MailFace,
    /// Sign the link that ends them.
    pub keys: UnsubscribeKeys,
}

/// Counters of the worker since the start of the process.
#[derive(Debug, Default)]
pub struct MailStatistics {
    sent: AtomicU64,
    postponed: AtomicU64,
    failed: AtomicU64,
}

impl MailStatistics {
    /// Mails that left.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Mails that wait for a digest or the end of quiet hours.
    pub fn postponed(&self) -> u64 {
        self.postponed.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Sends mails until it is stopped. Several may run beside each other.
#[derive(Debug)]
pub struct MailWorker {
    db: WorkerDb,
    settings: MailSettings,
    clock: Arc<dyn Clock>,
    statistics: Arc<MailStatistics>,
}

impl MailWorker {
    /// Starts a worker on `tasks`; it ends soon after `stop` is cancelled.
    pub fn spawn(
        db: WorkerDb,
        settings: MailSettings,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<MailStatistics> {
        let statistics = Arc::new(MailStatistics::default());
        let worker = Self { db, settings, clock, statistics: Arc::clone(&statistics) };
        tasks.spawn(worker.run_until_stopped(stop));
        statistics
    }

    async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.turn(&stop).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "mails could not be looked for");
            }
        }
    }

    async fn turn(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        loop {
            let due = feed::claim_mail(&self.db, PEOPLE, LEASE).await?;
            if due.is_empty() {
                return Ok(());
            }
            for mail in &due {
                // What is left goes back at once, not when the lease is over.
                let again = if stop.is_cancelled() {
                    Some(self.clock.now())
                } else {
                    self.handle(mail).await?
                };
                feed::settle_mail(&self.db, mail, again).await?;
            }
            if stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Sends a mail, where now is the time for it. Answers when it is due again.
    async fn handle(&self, mail: &DueMail) -> Result<Option<OffsetDateTime>, StoreError> {
        let Some(oldest) = mail.items.iter().map(|item| item.created_at).min() else {
            return Ok(None);
        };
        let Some(to) = feed::find_addressee(&self.db, mail).await? else { return Ok(None) };
        let now = self.clock.now();
        if !to.is_active {
            return Ok(Some(now + PAUSES.1));
        }
        if let Moment::Later(at) = moment(now, oldest, &to.wishes) {
            self.statistics.postponed.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(at));
        }
        let titles = feed::job_titles(&self.db, mail).await?;
        let token = self.settings.keys.token(mail.tenant, mail.user);
        let message = match self.settings.face.compose(mail, &to, &titles, &token) {
            Ok(message) => message,
            Err(error) => {
                self.cannot_be_made(mail, &error);
                return Ok(None);
            }
        };
        match self.settings.transport.send(message).await {
            Ok(()) => {
                self.statistics.sent.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Ok(self.next_try(mail, &error, oldest, now)),
        }
    }

    fn cannot_be_made(&self, mail: &DueMail, error: &ComposeError) {
        self.statistics.failed.fetch_add(1, Ordering::Relaxed);
        let error = error as &dyn std::error::Error;
        tracing::warn!(error, user.id = %mail.user, "a mail cannot be made");
    }

    /// When a mail that did not leave is tried again: the pauses grow with its age, and what is
    /// refused or old is given up. What a server says may quote an address, so it is not logged.
    fn next_try(
        &self,
        mail: &DueMail,
        error: &SendError,
        oldest: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        self.statistics.failed.fetch_add(1, Ordering::Relaxed);
        let age: time::Duration = now - oldest;
        let pause: time::Duration = age / 2_i32;
        let is_hopeless = matches!(error, SendError::Refused(_)) || age > OLDEST;
        tracing::warn!(%error, user.id = %mail.user, is_hopeless, "a mail did not leave");
        (!is_hopeless).then(|| now + pause.clamp(PAUSES.0, PAUSES.1))
    }
}
