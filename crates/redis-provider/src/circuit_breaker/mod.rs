//! A decorator that stops asking a service which does not answer.

mod circuit;
#[cfg(test)]
mod model;
mod settings;
mod verdict;
mod window;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use self::circuit::{Change, Circuit, Ending, Refusal, Ticket};
pub use self::settings::BreakerSettings;
use self::verdict::{Verdict, judge, judge_pipeline};
use crate::error::RedisError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::report::{Circuits, ProviderReport};

/// Fails calls at once while the service does not answer most of them.
///
/// Calls that read and calls that write have a circuit each. It opens when too many calls of the
/// last moments failed ([`RedisError::Unavailable`], [`Timeout`](RedisError::Timeout),
/// [`Protocol`](RedisError::Protocol)) or were slow. [`RedisError::Rejected`] is an answer like
/// any other. [`RedisError::Throttled`] opens both circuits at once, for as long as the service
/// says. A call that its caller gives up counts as slow if it was by then, and else not at all.
///
/// When its time is over, one call goes through; the circuit closes if that is answered, and else
/// stays open, longer each time. Where the service inside cannot tell of its own
/// [`interruptions`](RedisProvider::interruptions), each closing raises them, before the answer is
/// handed out.
///
/// There is no timer and no task: a circuit that nobody calls stays half-open.
#[derive(Debug)]
pub struct CircuitBreaker {
    inner: Arc<dyn RedisProvider>,
    circuits: Mutex<Both>,
    closings: AtomicU64,
}

#[derive(Debug)]
struct Both {
    reads: Circuit,
    writes: Circuit,
}

/// Which circuit a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Reads,
    Writes,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
        }
    }
}

impl Both {
    const fn side(&mut self, side: Side) -> &mut Circuit {
        match side {
            Side::Reads => &mut self.reads,
            Side::Writes => &mut self.writes,
        }
    }
}

/// A call under way. Dropped without an answer, it has been abandoned.
struct Call<'a> {
    breaker: &'a CircuitBreaker,
    side: Side,
    ticket: Ticket,
    started: Instant,
    is_settled: bool,
}

impl Call<'_> {
    fn settle(mut self, verdict: Verdict<'_>) {
        self.is_settled = true;
        self.breaker.settle(&self, verdict);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.breaker.settle(self, Verdict::Ended(Ending::Abandoned));
        }
    }
}

impl CircuitBreaker {
    /// Both circuits are closed at first.
    pub fn new(inner: Arc<dyn RedisProvider>, settings: &BreakerSettings) -> Self {
        let now = Instant::now();
        let circuit = || Circuit::new(settings, || rand::rng().random_range(-1.0..=1.0), now);
        let circuits = Mutex::new(Both { reads: circuit(), writes: circuit() });
        Self { inner, circuits, closings: AtomicU64::new(0) }
    }

    fn circuits(&self) -> MutexGuard<'_, Both> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, side: Side) -> Result<Call<'_>, RedisError> {
        let started = Instant::now();
        let leave = self.circuits().side(side).admit(started);
        match leave {
            Ok(ticket) => Ok(Call { breaker: self, side, ticket, started, is_settled: false }),
            Err(refusal) => Err(refused(side, refusal)),
        }
    }

    fn settle(&self, call: &Call<'_>, verdict: Verdict<'_>) {
        let now = Instant::now();
        let took = now.saturating_duration_since(call.started);
        let mut circuits = self.circuits();
        let circuit = circuits.side(call.side);
        match verdict {
            Verdict::Ended(ending) => {
                let change = circuit.settle(call.ticket, ending, took, now);
                let is_closed = matches!(change, Some(Change::Closed { .. }));
                if is_closed && !self.inner.tells_every_interruption() {
                    // Under the lock: nobody gets through before it is raised.
                    self.closings.fetch_add(1, Ordering::Release);
                }
                drop(circuits);
                if let Some(change) = change {
                    log(call.side, change, "");
                }
            }
            Verdict::Throttled { reason, wait } if circuit.is_current(call.ticket) => {
                let reads = circuits.reads.throttle(wait, now);
                let writes = circuits.writes.throttle(wait, now);
                drop(circuits);
                for (side, change) in [(Side::Reads, reads), (Side::Writes, writes)] {
                    if let Some(change) = change {
                        log(side, change, reason);
                    }
                }
            }
            Verdict::Throttled { .. } => {}
        }
    }

    async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        self.through(Side::Reads, call, judge).await
    }

    async fn write<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        self.through(Side::Writes, call, judge).await
    }

    async fn through<T>(
        &self,
        side: Side,
        call: impl Future<Output = Result<T, RedisError>>,
        verdict: impl FnOnce(&Result<T, RedisError>) -> Verdict<'_>,
    ) -> Result<T, RedisError> {
        let leave = self.admit(side)?;
        let answer = call.await;
        leave.settle(verdict(&answer));
        answer
    }
}

fn refused(side: Side, refusal: Refusal) -> RedisError {
    let side = side.as_str();
    RedisError::Unavailable(match refusal {
        Refusal::Open(left) => {
            format!("the circuit is open for {side}, for another {} ms", left.as_millis())
        }
        Refusal::Probing => {
            format!("the circuit is open for {side} until a call that is under way succeeds")
        }
    })
}

fn log(side: Side, change: Change, reason: &str) {
    let circuit = side.as_str();
    match change {
        Change::Opened { counts, wait } => tracing::warn!(
            circuit,
            calls = counts.calls,
            failed = counts.failed,
            slow = counts.slow,
            retry_ms = wait.as_millis(),
            "circuit opened: too many Redis calls fail or are slow"
        ),
        Change::Throttled { wait } => tracing::warn!(
            circuit,
            reason,
            retry_ms = wait.as_millis(),
            "circuit opened: the Redis service refuses calls for now"
        ),
        // An outage is one warning, however long it lasts.
        Change::StayedOpen { failed_probes, wait } => tracing::debug!(
            circuit,
            failed_probes,
            retry_ms = wait.as_millis(),
            "circuit stays open: a call that tried the Redis service failed"
        ),
        Change::Closed { after, failed_probes } => tracing::info!(
            circuit,
            failed_probes,
            open_ms = after.as_millis(),
            "circuit closed: the Redis service answers again"
        ),
    }
}

#[async_trait]
impl RedisProvider for CircuitBreaker {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.read(self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        self.read(self.inner.get_many(keys)).await
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        self.write(self.inner.set(key, value, options)).await
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        self.write(self.inner.delete_many(keys)).await
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        self.write(self.inner.expire(key, ttl)).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        self.write(self.inner.increment(key, by, ttl)).await
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        self.read(self.inner.scan(prefix, cursor)).await
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        self.write(self.inner.evaluate(script, keys, arguments)).await
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        self.write(self.inner.publish(topic, payload)).await
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        self.read(self.inner.subscribe(topics)).await
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        self.read(self.inner.ping()).await
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        self.read(self.inner.info()).await
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        let is_read = commands.iter().all(Command::is_read);
        let side = if is_read { Side::Reads } else { Side::Writes };
        self.through(side, self.inner.pipeline(commands), judge_pipeline).await
    }

    fn interruptions(&self) -> u64 {
        self.inner.interruptions().wrapping_add(self.closings.load(Ordering::Acquire))
    }

    fn tells_every_interruption(&self) -> bool {
        self.inner.tells_every_interruption()
    }

    fn report(&self) -> ProviderReport {
        let mut report = self.inner.report();
        let now = Instant::now();
        let circuits = self.circuits();
        report.circuits =
            Circuits { reads: circuits.reads.state(now), writes: circuits.writes.state(now) };
        report
    }
}
