//! What is tried, and how long it may take.
//!
//! The targets are the source documents': 2 s for a connection, 30 ms for a health check, and for
//! commands the 10 ms within which a service nearby answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::{
    Command, Incoming, RedisError, RedisProvider, Reply, ScanCursor, Script, ServerInfo, SetOptions,
};
use tokio::time::{Instant, timeout};

use crate::settings::Service;

const CONNECTING: Duration = Duration::from_secs(2);
const HEALTH_CHECK: Duration = Duration::from_millis(30);
const COMMAND: Duration = Duration::from_millis(10);

/// Longest wait for a message that was published.
const DELIVERY: Duration = Duration::from_secs(2);
/// What is written lives no longer than this, whatever happens to us.
const TTL: Duration = Duration::from_secs(60);
/// Commands in the batch.
const BATCH: usize = 20;

/// Every byte may stand in a value.
const VALUE: &[u8] = b"\x00\r\n\"{any byte}\xff";

/// One thing that was tried.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    pub(super) target: Duration,
    /// What is wrong and what to do, where it failed.
    pub(super) failure: Option<String>,
}

/// Keys and topic of this run: another one at the same time has others.
struct Names {
    key: String,
    keys: Vec<String>,
    topic: String,
}

impl Names {
    fn new() -> Self {
        let run: u64 = rand::random();
        // In the tenants' name space: a user's rights may end there.
        let key = format!("tenant:{{redis-check:{run:016x}}}:probe");
        // Without a common hash tag, so that a cluster's nodes all get some.
        let keys = (0..BATCH).map(|n| format!("tenant:redis-check:{run:016x}:{n}")).collect();
        Self { key, keys, topic: format!("portal:redis-check:{run:016x}") }
    }
}

/// Tries everything, whatever fails on the way; answers also what the service says of itself.
pub(super) async fn run(
    adapter: &dyn RedisProvider,
    service: &Service,
    connected: Duration,
) -> (Vec<Step>, Option<ServerInfo>) {
    let names = Names::new();
    let mut steps =
        vec![Step { name: "CONNECT", took: connected, target: CONNECTING, failure: None }];
    let mut info = None;
    let mut done = |name, target, started: Instant, outcome: Result<(), RedisError>| {
        let failure = outcome.err().map(|error| service.explain_failure(&error));
        steps.push(Step { name, took: started.elapsed(), target, failure });
    };
    let started = Instant::now();
    done("PING", HEALTH_CHECK, started, adapter.ping().await.map(|_| ()));
    let started = Instant::now();
    let told = adapter.info().await.map(|told| info = Some(told));
    done("INFO", HEALTH_CHECK, started, told);
    let key = names.key.as_str();
    let started = Instant::now();
    let written = adapter.set(key, Bytes::from_static(VALUE), SetOptions::with_ttl(TTL)).await;
    let is_written = written.is_ok();
    done("SET", COMMAND, started, written.map(|_| ()));
    let started = Instant::now();
    let read = adapter.get(key).await.and_then(|value| expect(!is_written, value.as_deref()));
    done("GET", COMMAND, started, read);
    let started = Instant::now();
    done("EXPIRE", COMMAND, started, adapter.expire(key, TTL).await.map(|_| ()));
    let started = Instant::now();
    done("DELETE", COMMAND, started, adapter.delete_many(&[key]).await.map(|_| ()));
    let started = Instant::now();
    done("PIPELINE", HEALTH_CHECK, started, batch(adapter, &names.keys).await);
    let started = Instant::now();
    done("EVAL", COMMAND, started, script(adapter, key).await);
    let started = Instant::now();
    done("SCAN", HEALTH_CHECK, started, adapter.scan(key, ScanCursor::START).await.map(|_| ()));
    let (took, heard) = message(adapter, &names.topic).await;
    let published = Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
    done("PUBLISH", HEALTH_CHECK, published, heard);
    (steps, info)
}

fn expect(is_unknown: bool, value: Option<&[u8]>) -> Result<(), RedisError> {
    if is_unknown || value == Some(VALUE) {
        return Ok(());
    }
    Err(RedisError::Protocol("what was read is not what was written".to_owned()))
}

/// Writes, reads and deletes in one batch, over all slots.
async fn batch(adapter: &dyn RedisProvider, keys: &[String]) -> Result<(), RedisError> {
    let value = Bytes::from_static(VALUE);
    let set = |key: &String| Command::Set(key.clone(), value.clone(), SetOptions::with_ttl(TTL));
    succeed(adapter.pipeline(keys.iter().map(set).collect()).await?)?;
    let read = adapter.pipeline(keys.iter().cloned().map(Command::Get).collect()).await?;
    for reply in read {
        let Reply::Value(value) = reply? else {
            return Err(RedisError::Protocol("a read answered something else".to_owned()));
        };
        expect(false, value.as_deref())?;
    }
    succeed(adapter.pipeline(keys.iter().cloned().map(Command::Delete).collect()).await?)
}

fn succeed(replies: Vec<Result<Reply, RedisError>>) -> Result<(), RedisError> {
    replies.into_iter().try_for_each(|reply| reply.map(|_| ()))
}

/// Runs one of the portal's own scripts, with all that it calls.
async fn script(adapter: &dyn RedisProvider, key: &str) -> Result<(), RedisError> {
    let stamp = Bytes::from_static(b"0000000000000001-redis-check");
    let ttl = Bytes::from(TTL.as_millis().to_string());
    adapter.evaluate(Script::AdvanceStamp, &[key], &[stamp.clone(), ttl]).await?;
    adapter.evaluate(Script::DeleteIfEquals, &[key], &[stamp]).await.map(|_| ())
}

/// From publishing a message to hearing it; the subscription itself is not in the time.
async fn message(adapter: &dyn RedisProvider, topic: &str) -> (Duration, Result<(), RedisError>) {
    let mut subscription = match adapter.subscribe(&[topic]).await {
        Ok(subscription) => subscription,
        Err(error) => return (Duration::ZERO, Err(error)),
    };
    let started = Instant::now();
    let published = adapter.publish(topic, Bytes::from_static(VALUE)).await;
    let heard = async {
        while let Some(incoming) = subscription.next().await {
            if matches!(incoming, Incoming::Message { .. }) {
                break;
            }
        }
    };
    let outcome = match published {
        Err(error) => Err(error),
        Ok(()) => timeout(DELIVERY, heard).await.map_err(|_| {
            RedisError::Protocol("a message was published and did not arrive".to_owned())
        }),
    };
    (started.elapsed(), outcome)
}
