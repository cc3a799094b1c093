//! The streams of this instance, and what reaches them.
//!
//! ```text
//! registry    who has how many        client     one stream: its queue, its place in the feed
//! replay      from the feed to it     watch      whether it may go on, and whether it is behind
//! snapshots   figures                 truth      what Postgres is asked
//! ```
//!
//! A stream is at its feed's end or somebody reads the feed for it. At the end it takes the notice
//! that comes next; any other number says that something is missing, and the feed is read. So what
//! messages lose is found by the next message, by the word that messages were lost, or by the next
//! look, and nothing is written twice or out of order.

mod client;
mod figures;
mod registry;
mod replay;
mod settings;
mod snapshots;
#[cfg(test)]
mod tests;
mod truth;
mod watch;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tenancy::{Clock, EventKind, Role, TenantId, UserId};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Client, Offered};
pub use self::figures::HubFigures;
pub use self::registry::Refused;
use self::registry::Registry;
pub use self::settings::HubSettings;
use self::snapshots::Watched;
pub use self::snapshots::{Figures, InvalidSubject, Snapshot, Subject};
pub use self::truth::{Head, Page, Sight, Standing, Truth, TruthUnavailable, Viewer};
use crate::lane::Message;
use crate::stream::{self, Cursor, Why};

/// Where a client wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It says nothing: at the end of the feed.
    AtHead,
    /// After what it has.
    After(Cursor),
    /// It says something that nobody understands.
    Unreadable,
}

/// Whom a change of access concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// One member.
    Member(TenantId, UserId),
    /// Everybody in the tenant.
    Tenant(TenantId),
    /// Perhaps anybody.
    Anybody,
}

/// The live streams of this process. Clones share them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    truth: Arc<dyn Truth>,
    source: Option<Arc<dyn Figures>>,
    clock: Arc<dyn Clock>,
    settings: HubSettings,
    registry: Mutex<Registry>,
    /// Subjects whose figures changed since they were shown.
    changed: Mutex<HashSet<(TenantId, Subject)>>,
    heard_at: Mutex<Option<Instant>>,
    reads: Semaphore,
    look: Notify,
    figures: HubFigures,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("streams", &self.count()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub without streams, which looks after those to come on `tasks` until `stop`.
    pub fn spawn(
        truth: Arc<dyn Truth>,
        source: Option<Arc<dyn Figures>>,
        clock: Arc<dyn Clock>,
        settings: HubSettings,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let hub = Self(Arc::new(Inner {
            truth,
            source,
            clock,
            registry: Mutex::default(),
            changed: Mutex::default(),
            heard_at: Mutex::default(),
            reads: Semaphore::new(settings.reads.max(1)),
            look: Notify::new(),
            figures: HubFigures::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
            settings,
        }));
        tasks.spawn(watch::look_after(Arc::clone(&hub.0), stop.clone()));
        tasks.spawn(watch::show_figures(Arc::clone(&hub.0), stop));
        hub
    }

    /// Opens a stream for a viewer who has just been verified. What their role shows in some jobs
    /// only waits until it is known in which, and nothing is passed over meanwhile.
    pub fn open(
        &self,
        viewer: Viewer,
        role: Role,
        resume: Resume,
        subjects: &[Subject],
    ) -> Result<LiveStream, Refused> {
        let inner = &self.0;
        let share = rand::random_range(0.8..=1.0);
        let age = inner.settings.max_age.mul_f64(share);
        let (sight, watched) = (Sight::of_role(role), Watched::new(subjects));
        let client = Arc::new(Client::new(viewer, sight, watched, Instant::now() + age));
        if let Err(refused) = inner.registry().admit(&client, &inner.settings) {
            inner.figures.refused.one(refused);
            return Err(refused);
        }
        inner.figures.opened.one();
        let retry_ms = rand::random_range(2_000..=5_000);
        client.push(stream::first_bytes(retry_ms));
        let reading = replay::read(Arc::clone(inner), Arc::clone(&client), Some((resume, age)));
        inner.spawn(reading);
        Ok(LiveStream { inner: Arc::clone(inner), client })
    }

    /// Passes on what was published.
    pub fn deliver(&self, message: &Message) {
        let inner = &self.0;
        inner.figures.messages.one();
        inner.notes_change(message);
        if message.kind == EventKind::FeedChanged {
            return self.feed_changed(message);
        }
        let Some(notice) = message.notice() else { return };
        let mut written = notice.write();
        let lag = (inner.clock.now() - message.occurred_at).whole_milliseconds();
        let lag = u64::try_from(lag).unwrap_or_default();
        let registry = inner.registry();
        for (user, seq) in &message.recipients {
            for client in registry.of(message.tenant, *user) {
                match client.offer(*seq, &mut written) {
                    Offered::Taken => {
                        inner.figures.delivered.one();
                        inner.figures.lag_ms.add(lag);
                    }
                    Offered::Passed => {}
                    Offered::Behind => inner.catch_up(client),
                    Offered::Full => inner.close(client, Why::Slow),
                }
            }
        }
    }

    fn feed_changed(&self, message: &Message) {
        let registry = self.0.registry();
        for (user, _) in &message.recipients {
            registry.of(message.tenant, *user).iter().for_each(|client| client.feed_changed());
        }
        drop(registry);
        self.0.look.notify_one();
    }

    /// Something arrived: the way of messages is open.
    pub fn hears(&self) {
        *self.0.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether messages arrive, as far as is known.
    pub fn is_heard(&self) -> bool {
        self.0.is_heard(Instant::now())
    }

    /// How long nothing has arrived; for ever where nothing ever did.
    pub(crate) fn silence(&self) -> Duration {
        let heard_at = *self.0.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        heard_at.map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Messages may have been lost: every stream is looked at.
    pub fn misses_messages(&self) {
        self.0.figures.gaps.one();
        *self.0.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.recheck(Concern::Anybody);
    }

    /// Somebody's access changed: their streams are looked at, at once.
    pub fn recheck(&self, concern: Concern) {
        let registry = self.0.registry();
        match concern {
            Concern::Member(tenant, user) => {
                registry.of(tenant, user).iter().for_each(|client| client.is_to_be_looked_at());
            }
            Concern::Tenant(tenant) => registry
                .all()
                .filter(|client| client.viewer.scope.tenant() == tenant)
                .for_each(|client| client.is_to_be_looked_at()),
            Concern::Anybody => registry.all().for_each(|client| client.is_to_be_looked_at()),
        }
        drop(registry);
        self.0.look.notify_one();
    }

    /// Opens no more streams and ends each at a random moment within `window`, so that their clients
    /// do not come back to the other instances all at once. Answers when all have ended.
    pub async fn drain(&self, window: Duration) {
        let begun = Instant::now();
        self.0.registry().drains();
        for client in self.0.all() {
            client.ends_at(begun + window.mul_f64(rand::random_range(0.0..=1.0)));
        }
        let grace = window + DRAIN_GRACE;
        while self.count() > 0 && begun.elapsed() < grace {
            self.0.look.notify_one();
            tokio::time::sleep(DRAIN_STEP).await;
        }
        self.0.all().iter().for_each(|client| self.0.close(client, Why::Drain));
    }

    /// How many streams are open.
    pub fn count(&self) -> usize {
        self.0.registry().count()
    }

    /// Whether figures can be watched at all.
    pub fn has_figures(&self) -> bool {
        self.0.source.is_some()
    }

    /// Counters since the start.
    pub fn figures(&self) -> &HubFigures {
        &self.0.figures
    }

    /// A message could not be published: whoever is connected finds what it said in the feed.
    pub(crate) fn misses_publishing(&self) {
        self.0.figures.unpublished.one();
    }

    pub(crate) fn misses_meaning(&self) {
        self.0.figures.unreadable.one();
    }
}

/// How long streams may take to end after their last word.
const DRAIN_GRACE: Duration = Duration::from_secs(1);
const DRAIN_STEP: Duration = Duration::from_millis(50);

impl Inner {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Client>> {
        self.registry().all().map(Arc::clone).collect()
    }

    fn is_heard(&self, now: Instant) -> bool {
        let heard_at = *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        heard_at.is_some_and(|at| now.duration_since(at) < self.settings.silence)
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    fn catch_up(self: &Arc<Self>, client: &Arc<Client>) {
        self.figures.caught_up.one();
        self.spawn(replay::read(Arc::clone(self), Arc::clone(client), None));
    }

    fn close(&self, client: &Arc<Client>, why: Why) {
        if client.close(why) {
            self.figures.closed.one(why);
        }
    }

    /// Figures of what the message is about are out of date, where anybody watches any here.
    fn notes_change(&self, message: &Message) {
        let Some(job) = message.job.filter(|_| self.source.is_some()) else { return };
        if self.registry().has_any_of(message.tenant) {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.insert((message.tenant, Subject::Tenant));
            changed.insert((message.tenant, Subject::Job(job)));
        }
    }

    /// These figures could not be shown, and are to be with the next ones.
    fn shows_again(&self, tenant: TenantId, subjects: Vec<Subject>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.extend(subjects.into_iter().map(|subject| (tenant, subject)));
    }
}

/// One open stream, as the HTTP surface writes it. Dropping it closes it.
pub struct LiveStream {
    inner: Arc<Inner>,
    client: Arc<Client>,
}

impl LiveStream {
    /// The next bytes; `None` at the end.
    pub fn poll_bytes(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        self.client.poll_bytes(context)
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        if !self.client.is_closing() {
            self.inner.figures.left.one();
        }
        self.client.leaves();
        self.inner.registry().remove(&self.client);
    }
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveStream")
            .field("viewer", &self.client.viewer)
            .finish_non_exhaustive()
    }
}
