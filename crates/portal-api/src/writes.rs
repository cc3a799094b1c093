//! What a write goes through: the transaction, its idempotency key, and what follows the commit.
//!
//! Order: commit (the events are rows of the same transaction) → copies of sessions and memberships,
//! then new cache generations → tell the relay that these events are done → answer. Whatever is cut off after the commit, the relay
//! repeats from the rows, so a request never fails for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use employer_store::idempotency::{self, Idempotency, StoredResponse};
use employer_store::{OutboxEvent, TenantTx};
use event_notifier::{RelayHandle, RelayStatistics};
use serde::Serialize;
use tenancy::{Actor, TenantScope};
use tenant_cache::{Budget, TenantCache};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::access::AccessChanges;
use crate::error::{ApiError, ErrorCode};
use crate::extract::IdempotencyKey;
use crate::state::PortalState;

/// Longest time for what a write does before its commit. Past it nothing has happened.
const WORK_DEADLINE: Duration = Duration::from_secs(20);

/// Longest wait for a commit and its invalidations; past it the caller learns that the outcome is
/// not known, while both go on.
pub(crate) const COMMIT_DEADLINE: Duration = Duration::from_secs(10);

/// Does what follows from an event: whoever lost access first, then what was cached. The first does
/// not keep the second from being done. May be repeated.
///
/// # Errors
///
/// Where it is to be repeated.
pub async fn act(
    access: &AccessChanges,
    cache: &TenantCache,
    scope: &TenantScope,
    event: &OutboxEvent,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let changed = access.apply(scope, event).await;
    cache.invalidate_change(scope, &event.change()).await?;
    Ok(changed?)
}

/// What follows a committed write.
#[derive(Clone, Debug)]
pub struct Writes {
    cache: TenantCache,
    access: AccessChanges,
    relay: RelayHandle,
    tasks: TaskTracker,
    left_to_relay: Arc<AtomicU64>,
}

impl Writes {
    /// Invalidates through `cache`, changes access through `access`, and reports to `relay`.
    pub fn new(cache: TenantCache, access: AccessChanges, relay: RelayHandle) -> Self {
        let (tasks, left_to_relay) = (TaskTracker::new(), Arc::default());
        Self { cache, access, relay, tasks, left_to_relay }
    }

    /// Acts on the events of a committed write. What fails is left to the relay: the write stands.
    pub async fn finish(&self, scope: &TenantScope, events: Vec<OutboxEvent>) {
        if !events.is_empty() {
            self.relay.committed();
        }
        let mut handled = Vec::with_capacity(events.len());
        for event in &events {
            let outcome = act(&self.access, &self.cache, scope, event).await;
            match outcome {
                Ok(()) => handled.push(event.id),
                Err(error) => {
                    self.left_to_relay.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        event.kind = %event.kind,
                        tenant.id = %event.tenant,
                        outbox.id = event.id,
                        error = &*error as &dyn std::error::Error,
                        "what follows from a write is left to the relay"
                    );
                }
            }
        }
        self.relay.handled(&handled);
    }

    /// Commits and acts on the events, on a task of its own: a caller who hangs up in between
    /// leaves no stale cache behind. The task goes on with the caller's time for Redis, since the
    /// caller waits for it; what that time does not suffice for is the relay's.
    pub async fn commit(&self, tx: TenantTx) -> Result<(), ApiError> {
        let writes = self.clone();
        let work = async move {
            let scope = tx.scope().clone();
            let events = tx.commit().await?;
            writes.finish(&scope, events).await;
            Ok::<_, employer_store::StoreError>(())
        };
        Ok(self.see_through(COMMIT_DEADLINE, work).await??)
    }

    /// Does something that must not stop in the middle when its caller hangs up, on a task of its
    /// own with the caller's time for Redis. The caller waits for at most `deadline`; the task goes
    /// on.
    pub(crate) async fn see_through<F>(
        &self,
        deadline: Duration,
        work: F,
    ) -> Result<F::Output, ApiError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let work = work.in_current_span();
        let task = match Budget::current() {
            Some(budget) => self.tasks.spawn(budget.scope(work)),
            None => self.tasks.spawn(work),
        };
        match tokio::time::timeout(deadline, task).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(panicked)) => Err(ApiError::internal(panicked)),
            Err(elapsed) => Err(ApiError::unavailable(elapsed)),
        }
    }

    /// How many invalidations were left to the relay since the start.
    pub fn left_to_relay(&self) -> u64 {
        self.left_to_relay.load(Ordering::Relaxed)
    }

    /// Counters of the relay since the start.
    pub fn relay_statistics(&self) -> &RelayStatistics {
        self.relay.statistics()
    }

    /// Waits for commits under way; part of the shutdown.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The answer to a write, in a form that can be kept and given again.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with a JSON body.
    pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body).map_err(ApiError::internal)?;
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Ok(Self { status, headers, body })
    }

    /// An answer without a body.
    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    fn to_stored(&self) -> StoredResponse {
        StoredResponse {
            status: self.status.as_u16(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    fn from_stored(stored: StoredResponse) -> Result<Self, ApiError> {
        let status = StatusCode::from_u16(stored.status).map_err(ApiError::internal)?;
        Ok(Self { status, headers: stored.headers, body: stored.body })
    }

    fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        response.body(self.body)
    }
}

/// One attempt to change something: who, what, and the client's own name for it.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) scope: &'a TenantScope,
    pub(crate) actor: &'a Actor,
    /// Method and path: the same key names another attempt elsewhere.
    pub(crate) route: String,
    pub(crate) key: &'a IdempotencyKey,
    /// SHA-256 of the body.
    pub(crate) digest: [u8; 32],
}

/// Does `work` in one transaction, once for each idempotency key.
///
/// The answer is kept in the same transaction, so it exists exactly if the change does. Errors are
/// not kept: another attempt with the same key tries again.
pub(crate) async fn write_once<W>(
    state: &PortalState,
    attempt: Attempt<'_>,
    work: W,
) -> Result<HttpResponse, ApiError>
where
    W: AsyncFnOnce(&mut TenantTx) -> Result<Answer, ApiError>,
{
    let prepared = tokio::time::timeout(WORK_DEADLINE, prepare(state, attempt, work)).await;
    match prepared.map_err(ApiError::unavailable)?? {
        Prepared::Replay(answer) => {
            Ok(answer.with_header("Idempotency-Replayed", "true").into_response())
        }
        Prepared::Fresh(tx, answer) => {
            state.writes.commit(tx).await?;
            Ok(answer.into_response())
        }
    }
}

/// What is left to do about an attempt.
enum Prepared {
    /// Give the first answer again.
    Replay(Answer),
    /// Commit, then answer.
    Fresh(TenantTx, Answer),
}

async fn prepare<W>(
    state: &PortalState,
    attempt: Attempt<'_>,
    work: W,
) -> Result<Prepared, ApiError>
where
    W: AsyncFnOnce(&mut TenantTx) -> Result<Answer, ApiError>,
{
    let mut tx = state.db.begin(attempt.scope, attempt.actor).await?;
    let key = attempt.key.0.as_deref();
    // Two people may choose the same key; each has their own attempts.
    let route = format!("{} {}", attempt.actor.audit_name(), attempt.route);
    if let Some(key) = key {
        match idempotency::begin(&mut tx, &route, key, &attempt.digest).await? {
            Idempotency::Fresh => {}
            // Whoever comes next with this key need not wait for this connection's next use.
            Idempotency::Replay(stored) => {
                tx.rollback().await?;
                return Answer::from_stored(stored).map(Prepared::Replay);
            }
            Idempotency::Mismatch => {
                tx.rollback().await?;
                return Err(mismatch());
            }
            Idempotency::InFlight => return Err(in_flight()),
        }
    }
    let answer = work(&mut tx).await?;
    if let Some(key) = key {
        let expires_at = state.clock.now() + state.settings.idempotency_ttl;
        let stored = answer.to_stored();
        idempotency::store(&mut tx, &route, key, &attempt.digest, &stored, expires_at).await?;
    }
    Ok(Prepared::Fresh(tx, answer))
}

pub(crate) fn mismatch() -> ApiError {
    ApiError::new(
        ErrorCode::IdempotencyMismatch,
        "This Idempotency-Key came with another body before. Use a new key for a new request.",
    )
    .with_field("header:Idempotency-Key", "reused", "was used with another body")
}

pub(crate) fn in_flight() -> ApiError {
    ApiError::new(
        ErrorCode::IdempotencyInFlight,
        "The first request with this Idempotency-Key has not been answered yet.",
    )
    .with_retry_after(Duration::from_secs(1))
}
