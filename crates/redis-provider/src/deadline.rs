//! A decorator that ends every wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::budget::Budget;
use crate::error::RedisError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::report::ProviderReport;

/// Gives every call the smaller of a limit and what is left of its request's [`Budget`].
///
/// Nothing is sent when the budget is used up: the call is then [`RedisError::Unavailable`]. The
/// adapters have limits of their own; this one holds whatever they do. A subscription is made
/// within four times the limit, because connections are.
#[derive(Debug)]
pub struct Deadline {
    inner: Arc<dyn RedisProvider>,
    limit: Duration,
}

/// Whether a call that got no answer may have changed something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

impl Deadline {
    /// Calls of `inner` take at most `limit`.
    pub fn new(inner: Arc<dyn RedisProvider>, limit: Duration) -> Self {
        Self { inner, limit }
    }

    async fn within<T>(
        &self,
        effect: Effect,
        limit: Duration,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let budget = Budget::current();
        let left = budget.as_ref().map_or(limit, |budget| limit.min(budget.remaining()));
        if left.is_zero() {
            return Err(RedisError::Unavailable(
                "the request has used up its time for Redis".to_owned(),
            ));
        }
        let _wait = budget.as_ref().map(Budget::start_wait);
        match tokio::time::timeout(left, call).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(RedisError::Timeout { maybe_applied: effect == Effect::Writes }),
        }
    }

    async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        self.within(Effect::Reads, self.limit, call).await
    }

    async fn write<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        self.within(Effect::Writes, self.limit, call).await
    }
}

#[async_trait]
impl RedisProvider for Deadline {
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
        self.within(Effect::Reads, self.limit * 4, self.inner.subscribe(topics)).await
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
        let effect = if is_read { Effect::Reads } else { Effect::Writes };
        self.within(effect, self.limit, self.inner.pipeline(commands)).await
    }

    fn interruptions(&self) -> u64 {
        self.inner.interruptions()
    }

    fn tells_every_interruption(&self) -> bool {
        self.inner.tells_every_interruption()
    }

    fn report(&self) -> ProviderReport {
        self.inner.report()
    }
}
