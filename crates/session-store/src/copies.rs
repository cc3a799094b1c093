//! The copies of what the ledger knows: for the lease in this process, for longer in Redis.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis_provider::{Backplane, Command, Incoming, RedisError, RedisProvider, Script, SetOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenancy::{OrgId, TenantId, UserId};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, SemaphorePermit, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::change::{AccessChange, AccessSignal, TOPIC};
use crate::envelope::{self, Copy, TOMBSTONE};
use crate::error::StoreUnavailable;
use crate::figures::{AccessFigures, Figures};
use crate::held::{Held, Reading};
use crate::organization::{OrganizationData, TenantStatus, redis_key};
use crate::record::SessionRecord;
use crate::sid::Sid;
use crate::trust::{Mark, Trust};

/// How long a tombstone stands for a session: longer than anybody who has read the ledger before
/// its end takes to write a copy. A session does not come back, so nothing is lost by it.
const GRAVE: Duration = Duration::from_mins(10);

/// How long one stands for organization data: the same, and until then it is read anew.
const GRACE: Duration = Duration::from_secs(30);

/// Longest time from a question to the ledger to the write of the copy; what takes longer is not
/// written.
const LATEST_WRITE: Duration = Duration::from_secs(15);

/// How long organization data may be believed when nothing drops it.
const ORGANIZATION_TTL: Duration = Duration::from_hours(1);

/// Signals that a listener may be behind before it loses some.
const SIGNALS: usize = 1_024;

/// Most keys of one pipeline.
const BATCH: usize = 500;

/// How long sessions live and how they are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session ends after this long without a request.
    pub idle: Duration,
    /// A session ends this long after the sign-in, however busy it is.
    pub absolute: Duration,
    /// How long the process relies on what it has read.
    pub lease: Duration,
    /// How many sessions and memberships it holds for that long.
    pub held: usize,
    /// How many look-ups may ask the ledger at a time.
    pub ledger_lookups: usize,
    /// Longest wait of a look-up for its turn.
    pub ledger_queue: Duration,
}

impl SessionSettings {
    /// How old the last written sign of life must be before a request writes a new one: a tenth
    /// of the idle time, and at most five minutes.
    ///
    /// A write on each request would cost more than the request, for a precision that nobody asks
    /// for. The price is that an idle session may end up to this much early, never late.
    pub fn touch_after(&self) -> Duration {
        const AT_LATEST: Duration = Duration::from_mins(5);
        (self.idle / 10).min(AT_LATEST)
    }
}

/// A session as copies have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionCopy {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) touched_at: OffsetDateTime,
    pub(crate) record: SessionRecord,
}

/// A session that was verified within the lease; none where it is known to have ended.
pub(crate) type HeldSession = Option<Arc<SessionRecord>>;

/// The copies of sessions and memberships. Clones share them.
#[derive(Clone, Debug)]
pub struct AccessCopies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: Arc<dyn RedisProvider>,
    settings: SessionSettings,
    trust: Trust,
    sessions: Held<Sid, HeldSession>,
    members: Held<(UserId, TenantId), (OrgId, Arc<OrganizationData>)>,
    turns: Semaphore,
    figures: Figures,
    signals: broadcast::Sender<AccessSignal>,
    backplane: OnceLock<Backplane>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A question for organization data that the ledger has to answer.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub(crate) reading: Reading,
    pub(crate) mark: Mark,
    pub(crate) asked: Instant,
}

impl AccessCopies {
    /// No copies yet. Does no I/O.
    pub fn new(provider: Arc<dyn RedisProvider>, settings: SessionSettings) -> Self {
        Self(Arc::new(Inner {
            trust: Trust::new(Arc::clone(&provider)),
            provider,
            sessions: Held::new(settings.lease, settings.held),
            members: Held::new(settings.lease, settings.held),
            turns: Semaphore::new(settings.ledger_lookups.max(1)),
            figures: Figures::default(),
            signals: broadcast::Sender::new(SIGNALS),
            backplane: OnceLock::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            settings,
        }))
    }

    /// Tells other instances of changes by this backplane, and hears of theirs. Without it they are
    /// noticed when a lease ends.
    ///
    /// To be called once, within a runtime. The backplane must carry [`TOPIC`].
    ///
    /// # Errors
    ///
    /// [`RedisError::Rejected`] where it does not.
    pub fn joins(&self, backplane: Backplane) -> Result<(), RedisError> {
        let mut news = backplane.listen(TOPIC)?;
        // Held weakly: who listens must not keep the copies alive.
        let copies = Arc::downgrade(&self.0);
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(async move {
            while let Some(incoming) = news.next().await {
                let Some(inner) = copies.upgrade() else { return };
                match incoming {
                    Incoming::Message { payload, .. } => {
                        inner.forget(AccessSignal::from_message(&payload));
                    }
                    Incoming::Gap => inner.misses_messages(),
                }
            }
            if let Some(inner) = copies.upgrade() {
                inner.misses_messages();
            }
        }));
        // A second call changes nothing.
        let _first = self.0.backplane.set(backplane);
        Ok(())
    }

    /// Hears of every change of access, for whoever keeps something open for a person: look again
    /// whether they may. A listener that falls behind is told so and has to look at everybody.
    pub fn signals(&self) -> broadcast::Receiver<AccessSignal> {
        self.0.signals.subscribe()
    }

    /// Counters since the start of the process.
    pub fn figures(&self) -> AccessFigures {
        self.0.figures.now()
    }

    /// The settings.
    pub fn settings(&self) -> SessionSettings {
        self.0.settings
    }

    /// Makes a committed change bite: drops what this process holds, then the copies in Redis, then
    /// tells other instances. When this answers `Ok` no instance believes older copies any more
    /// once its lease is over; when it fails it is to be repeated until it succeeds.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; other instances may then still believe what they find in Redis.
    pub async fn apply(&self, change: &AccessChange) -> Result<(), RedisError> {
        let signal = AccessSignal::of(change);
        self.0.forget(signal);
        let graves = change.ended.iter().map(|sid| (sid.redis_key(), GRAVE));
        let members = change.members.iter().map(|user| (redis_key(*user, &change.org), GRACE));
        let commands: Vec<Command> = graves
            .chain(members)
            .map(|(key, ttl)| {
                Command::Set(key, Bytes::from_static(TOMBSTONE), SetOptions::with_ttl(ttl))
            })
            .collect();
        let mut outcome = Ok(());
        for batch in commands.chunks(BATCH) {
            let replies = match self.0.provider.pipeline(batch.to_vec()).await {
                Ok(replies) => replies,
                Err(error) => vec![Err(error)],
            };
            for reply in replies {
                if let Err(error) = reply {
                    self.fails();
                    outcome = Err(error);
                }
            }
        }
        if let (Some(backplane), Some(message)) = (self.0.backplane.get(), signal.to_message())
            && let Err(error) = backplane.publish(TOPIC, message).await
        {
            // Nobody relies on it: leases end by themselves.
            tracing::debug!(%error, "other instances notice a change of access with their leases");
        }
        outcome
    }

    /// Waits for a turn to ask the ledger: what an outage of Redis costs it is bounded.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable::Busy`] where too many others wait.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreUnavailable> {
        let turn = tokio::time::timeout(self.0.settings.ledger_queue, self.0.turns.acquire()).await;
        let turn = turn.ok().and_then(Result::ok);
        let counter = if turn.is_some() { &self.0.figures.ledger } else { &self.0.figures.refused };
        counter.count();
        turn.ok_or(StoreUnavailable::Busy)
    }

    /// A member's organization data, from this process or from Redis.
    pub async fn organization(
        &self,
        user: UserId,
        tenant: TenantId,
        org: &OrgId,
    ) -> Result<Arc<OrganizationData>, Question> {
        if let Some(data) = self.held_organization(user, tenant, org) {
            self.0.figures.held.count();
            return Ok(data);
        }
        let reading = self.0.members.reading();
        let found = self.read::<OrganizationData>(&redis_key(user, org)).await;
        if let Copy::Of(data, confirmed_at) = found
            && self.0.trust.believes(confirmed_at)
        {
            self.0.figures.copies.count();
            let data = Arc::new(data);
            self.0.members.put((user, tenant), (org.clone(), Arc::clone(&data)), reading);
            return Ok(data);
        }
        Err(self.question())
    }

    /// The same, from this process alone.
    pub fn held_organization(
        &self,
        user: UserId,
        tenant: TenantId,
        org: &OrgId,
    ) -> Option<Arc<OrganizationData>> {
        self.0
            .members
            .get_if(&(user, tenant), |(of_org, data)| (of_org == org).then(|| Arc::clone(data)))
    }

    /// To be taken before the ledger is asked for organization data.
    pub fn question(&self) -> Question {
        Question {
            reading: self.0.members.reading(),
            mark: self.0.trust.mark(),
            asked: Instant::now(),
        }
    }

    /// Keeps what the ledger answered to `question` at the time `at` of its own clock.
    pub async fn keep_organization(
        &self,
        question: Question,
        (user, tenant, org): (UserId, TenantId, &OrgId),
        data: &Arc<OrganizationData>,
        at: OffsetDateTime,
    ) {
        self.0.trust.settle(question.mark, at);
        self.0.members.put((user, tenant), (org.clone(), Arc::clone(data)), question.reading);
        // The end of a suspension should be noticed at once, however it came about.
        if data.tenant_status == TenantStatus::Active {
            self.write(&redis_key(user, org), &**data, at, ORGANIZATION_TTL, question.asked).await;
        }
    }

    pub(crate) fn held_session(&self, sid: &Sid) -> Option<HeldSession> {
        self.0.sessions.get(sid)
    }

    /// Counts a session that was found here, or in Redis.
    pub(crate) fn count_session(&self, is_held: bool) {
        let Figures { held, copies, .. } = &self.0.figures;
        if is_held { held.count() } else { copies.count() }
    }

    pub(crate) fn session_reading(&self) -> Reading {
        self.0.sessions.reading()
    }

    pub(crate) fn hold_session(&self, sid: Sid, session: HeldSession, reading: Reading) {
        self.0.sessions.put(sid, session, reading);
    }

    /// A session as Redis has it, and whether that may be believed.
    pub(crate) async fn find_session(&self, sid: &Sid) -> (Copy<SessionCopy>, bool) {
        let found = self.read(&sid.redis_key()).await;
        let is_believed = match &found {
            Copy::Of(_, confirmed_at) => self.0.trust.believes(*confirmed_at),
            // A session that has ended does not come back.
            Copy::Tombstone => true,
            Copy::Missing => false,
        };
        (found, is_believed)
    }

    pub(crate) async fn keep_session(
        &self,
        copy: &SessionCopy,
        at: OffsetDateTime,
        ttl: Duration,
        asked: Instant,
    ) {
        self.write(&copy.record.sid.redis_key(), copy, at, ttl, asked).await;
    }

    /// Says in Redis, too, that a session has ended. Nobody relies on it.
    pub(crate) async fn bury_session(&self, sid: &Sid) {
        let options = SetOptions::with_ttl(GRAVE);
        let tombstone = Bytes::from_static(TOMBSTONE);
        if let Err(error) = self.0.provider.set(&sid.redis_key(), tombstone, options).await {
            self.fails();
            tracing::debug!(kind = error.kind(), "the end of a session is not in Redis");
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        self.0.trust.mark()
    }

    pub(crate) fn settle(&self, mark: Mark, at: OffsetDateTime) {
        self.0.trust.settle(mark, at);
    }

    /// What Redis has. Where it does not answer, copies need a new confirmation: replacements of
    /// them may have failed as well. What is no copy of ours would stand in the way of one, so it is
    /// removed.
    async fn read<T: DeserializeOwned>(&self, key: &str) -> Copy<T> {
        match self.0.provider.get(key).await {
            Ok(None) => Copy::Missing,
            Ok(Some(bytes)) => {
                let copy = envelope::decode(&bytes);
                if matches!(copy, Copy::Missing) {
                    self.remove(key, bytes).await;
                }
                copy
            }
            Err(error) => {
                self.fails();
                tracing::debug!(kind = error.kind(), "a copy could not be read");
                Copy::Missing
            }
        }
    }

    /// A call of Redis failed, and with it perhaps the replacement of a copy.
    fn fails(&self) {
        self.0.figures.failures.count();
        self.0.trust.doubt();
    }

    async fn remove(&self, key: &str, bytes: Bytes) {
        let removed = self.0.provider.evaluate(Script::DeleteIfEquals, &[key], &[bytes]).await;
        if let Err(error) = removed {
            self.fails();
            tracing::debug!(kind = error.kind(), "what is no copy could not be removed");
        }
    }

    /// Writes a copy where there is no newer one and no tombstone. That it is not there costs a
    /// look at the ledger, so a failure is none.
    async fn write<T: Serialize>(
        &self,
        key: &str,
        content: &T,
        at: OffsetDateTime,
        ttl: Duration,
        asked: Instant,
    ) {
        let Ok(bytes) = envelope::encode(content, at) else { return };
        if ttl.is_zero() || asked.elapsed() >= LATEST_WRITE {
            return;
        }
        let arguments = [bytes, Bytes::from(ttl.as_millis().max(1).to_string())];
        let written = self.0.provider.evaluate(Script::AdvanceStamp, &[key], &arguments).await;
        if let Err(error) = written {
            self.fails();
            tracing::debug!(kind = error.kind(), "a copy could not be written");
        }
    }
}

impl Inner {
    /// Drops what the process holds, and tells whoever listens.
    fn forget(&self, signal: AccessSignal) {
        self.sessions.drop_where(|_, session| {
            // That a session has ended stays true.
            session.as_ref().is_some_and(|session| signal.concerns(session.tenant, session.user))
        });
        self.members.drop_where(|(user, tenant), _| signal.concerns(*tenant, *user));
        // An error means that nobody listens.
        let _nobody_listens = self.signals.send(signal);
    }

    fn misses_messages(&self) {
        self.trust.doubt();
        self.forget(AccessSignal::Anybody);
    }
}
