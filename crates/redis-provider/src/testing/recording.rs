//! A decorator that counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::RedisError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::report::ProviderReport;

/// Counts the calls of a provider by method name; `pipeline.get` and the like are commands within
/// pipelines.
#[derive(Debug)]
pub struct RecordingRedis {
    inner: Arc<dyn RedisProvider>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl RecordingRedis {
    /// Wraps a provider.
    pub fn new(inner: Arc<dyn RedisProvider>) -> Self {
        Self { inner, counts: Mutex::default() }
    }

    /// How often a method was called, or a command stood in a pipeline.
    pub fn count(&self, name: &str) -> u64 {
        self.counts().get(name).copied().unwrap_or(0)
    }

    /// Every count that is not 0.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls there were, a pipeline being one: the round trips of a single node.
    pub fn calls(&self) -> u64 {
        self.counts().iter().filter(|(name, _)| !name.contains('.')).map(|(_, count)| count).sum()
    }

    /// Starts again at 0.
    pub fn reset(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn record(&self, name: &'static str) -> &dyn RedisProvider {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name).or_default() += 1;
        &*self.inner
    }
}

const fn name_in_pipeline(command: &Command) -> &'static str {
    match command {
        Command::Get(..) => "pipeline.get",
        Command::Set(..) => "pipeline.set",
        Command::Delete(..) => "pipeline.delete",
        Command::Expire(..) => "pipeline.expire",
        Command::Evaluate(..) => "pipeline.evaluate",
    }
}

#[async_trait]
impl RedisProvider for RecordingRedis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.record("get").get(key).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        self.record("get_many").get_many(keys).await
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        self.record("set").set(key, value, options).await
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        self.record("delete_many").delete_many(keys).await
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        self.record("expire").expire(key, ttl).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        self.record("increment").increment(key, by, ttl).await
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        self.record("scan").scan(prefix, cursor).await
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        self.record("evaluate").evaluate(script, keys, arguments).await
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        self.record("publish").publish(topic, payload).await
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        self.record("subscribe").subscribe(topics).await
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        self.record("ping").ping().await
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        self.record("info").info().await
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        for command in &commands {
            self.record(name_in_pipeline(command));
        }
        self.record("pipeline").pipeline(commands).await
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
