//! The in-process adapter: no service, no set-up, one process.
//!
//! For development and tests. It keeps the port's semantics exactly, but what it holds is gone
//! with the process and is not shared with another.

mod pubsub;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use self::pubsub::Bus;
use self::store::Store;
use crate::error::RedisError;
use crate::limits;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription, Topology,
};
use crate::script;

/// How much the in-process adapter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes of keys and values, with 256 bytes an entry for the collections that hold them. When
    /// they are used up, entries that were not read lately make room, those without a time to live
    /// included.
    pub max_bytes: usize,
    /// Messages that a subscriber may be behind before it loses some and gets a gap.
    pub message_capacity: usize,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { max_bytes: 128 * 1024 * 1024, message_capacity: 4096 }
    }
}

/// The in-process adapter.
pub struct MemoryProvider {
    store: Mutex<Store>,
    bus: Bus,
}

impl MemoryProvider {
    /// An empty one.
    pub fn new(settings: MemorySettings) -> Self {
        Self {
            store: Mutex::new(Store::new(settings.max_bytes)),
            bus: Bus::new(settings.message_capacity),
        }
    }

    /// No code of others runs under the lock, and a broken invariant could only cost entries.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, command: Command) -> Result<Reply, RedisError> {
        limits::check_command(&command)?;
        let now = Instant::now();
        let mut store = self.store();
        match command {
            Command::Get(key) => Ok(Reply::Value(store.get(&key, now))),
            Command::Set(key, value, options) => {
                store.set(&key, &value, options, now).map(Reply::Applied)
            }
            Command::Delete(key) => Ok(Reply::Applied(store.delete(&key, now))),
            Command::Expire(key, ttl) => Ok(Reply::Applied(store.expire(&key, ttl, now))),
            Command::Evaluate(script, keys, arguments) => {
                let key = keys.first().map_or("", String::as_str);
                store.evaluate(script, key, &arguments, now).map(Reply::Script)
            }
        }
    }
}

impl fmt::Debug for MemoryProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store();
        formatter
            .debug_struct("MemoryProvider")
            .field("keys", &store.len(Instant::now()))
            .field("bytes", &store.bytes())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl RedisProvider for MemoryProvider {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        limits::check_key(key)?;
        Ok(self.store().get(key, Instant::now()))
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        limits::check_keys(keys)?;
        let now = Instant::now();
        let mut store = self.store();
        Ok(keys.iter().map(|key| store.get(key, now)).collect())
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        limits::check_set(key, &value, options)?;
        self.store().set(key, &value, options, Instant::now())
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        limits::check_keys(keys)?;
        let now = Instant::now();
        let mut store = self.store();
        Ok(keys.iter().map(|key| u64::from(store.delete(key, now))).sum())
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        limits::check_key(key)?;
        Ok(self.store().expire(key, ttl, Instant::now()))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        limits::check_key(key)?;
        self.store().increment(key, by, ttl, Instant::now())
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        limits::check_prefix(prefix)?;
        self.store().scan(prefix, &cursor, Instant::now())
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        script::check(script, keys, arguments)?;
        let key = keys.first().copied().unwrap_or_default();
        self.store().evaluate(script, key, arguments, Instant::now())
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        limits::check_message(topic, &payload)?;
        self.bus.publish(topic, payload);
        Ok(())
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        limits::check_topics(topics)?;
        Ok(self.bus.subscribe(topics))
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        let started = std::time::Instant::now();
        drop(self.store());
        Ok(started.elapsed())
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        let store = self.store();
        Ok(ServerInfo {
            server: "memory".to_owned(),
            used_memory_bytes: u64::try_from(store.bytes()).ok(),
            evicted_keys: Some(store.evicted()),
            keys: u64::try_from(store.len(Instant::now())).ok(),
            keys_without_ttl: u64::try_from(store.len_without_ttl()).ok(),
            max_memory_bytes: u64::try_from(store.max_bytes()).ok(),
            eviction_policy: Some("allkeys-clock".to_owned()),
            topology: Topology::InProcess,
            is_encrypted: false,
        })
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        limits::check_pipeline(&commands)?;
        Ok(commands.into_iter().map(|command| self.run(command)).collect())
    }
}
