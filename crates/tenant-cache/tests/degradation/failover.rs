//! A provider that can fall back to an earlier state, as a failover to a replica that is behind
//! does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis_provider::{
    Command, MemoryProvider, MemorySettings, RedisError, RedisProvider, Reply, ScanCursor,
    ScanPage, Script, ScriptReply, ServerInfo, SetOptions, Subscription,
};

/// What a replica had at some time.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot(Vec<(String, Bytes)>);

/// Values in memory, with failovers, random ways there and back, and parts that are down.
#[derive(Debug)]
pub(crate) struct Failover {
    current: Mutex<Arc<MemoryProvider>>,
    interruptions: AtomicU64,
    /// Longest way in one direction, and its randomness.
    latency: Option<(Duration, Mutex<StdRng>)>,
    /// Keys with this text are in a part that is down.
    dead: Mutex<Option<&'static str>>,
    /// How long the answers of reads and of pipelines take.
    late: Mutex<(Duration, Duration)>,
}

impl Failover {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            current: Mutex::new(memory()),
            interruptions: AtomicU64::new(0),
            latency: None,
            dead: Mutex::default(),
            late: Mutex::default(),
        })
    }

    pub(crate) fn with_latency(longest: Duration, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            current: Mutex::new(memory()),
            interruptions: AtomicU64::new(0),
            latency: Some((longest, Mutex::new(StdRng::seed_from_u64(seed)))),
            dead: Mutex::default(),
            late: Mutex::default(),
        })
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let memory = self.now();
        let mut pairs = Vec::new();
        let mut cursor = Some(ScanCursor::START);
        while let Some(from) = cursor {
            let page = memory.scan("", from).await.unwrap();
            for key in page.keys {
                let value = memory.get(&key).await.unwrap().unwrap();
                pairs.push((key, value));
            }
            cursor = page.next;
        }
        Snapshot(pairs)
    }

    /// From now on the state is the snapshot's: what was acknowledged since is lost.
    pub(crate) async fn fails_over_to(&self, snapshot: &Snapshot) {
        let replica = memory();
        for (key, value) in &snapshot.0 {
            replica.set(key, value.clone(), SetOptions::default()).await.unwrap();
        }
        // First the count, as the port demands.
        self.interruptions.fetch_add(1, Ordering::SeqCst);
        *self.current.lock().unwrap() = replica;
    }

    /// The part that holds keys with this text is down, or none is.
    pub(crate) fn loses_part(&self, text: Option<&'static str>) {
        *self.dead.lock().unwrap() = text;
    }

    /// Reads and pipelines are done at once, and answered so much later.
    pub(crate) fn answers_after(&self, reads: Duration, writes: Duration) {
        *self.late.lock().unwrap() = (reads, writes);
    }

    fn now(&self) -> Arc<MemoryProvider> {
        Arc::clone(&self.current.lock().unwrap())
    }

    fn check(&self, key: &str) -> Result<(), RedisError> {
        match *self.dead.lock().unwrap() {
            Some(dead) if key.contains(dead) => {
                Err(RedisError::Unavailable("this part is down".to_owned()))
            }
            _ => Ok(()),
        }
    }

    async fn way(&self) {
        if let Some((longest, random)) = &self.latency {
            let way = random.lock().unwrap().random_range(Duration::ZERO..*longest);
            tokio::time::sleep(way).await;
        }
    }
}

/// Sleeping for no time would still wait for the clock's next tick.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn memory() -> Arc<MemoryProvider> {
    Arc::new(MemoryProvider::new(MemorySettings::default()))
}

/// Makes a call that the state at the end of the way there answers; what happens on the way back
/// does not change the answer.
macro_rules! ask {
    ($provider:ident, $method:ident($($argument:expr),*)) => {{
        $provider.way().await;
        let answer = $provider.now().$method($($argument),*).await;
        $provider.way().await;
        answer
    }};
}

#[async_trait]
impl RedisProvider for Failover {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.check(key)?;
        ask!(self, get(key))
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        keys.iter().try_for_each(|key| self.check(key))?;
        let (late, _) = *self.late.lock().unwrap();
        let values = ask!(self, get_many(keys));
        pass(late).await;
        values
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        self.check(key)?;
        ask!(self, set(key, value, options))
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        ask!(self, delete_many(keys))
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        ask!(self, expire(key, ttl))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        ask!(self, increment(key, by, ttl))
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        ask!(self, scan(prefix, cursor))
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        ask!(self, evaluate(script, keys, arguments))
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        ask!(self, publish(topic, payload))
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        ask!(self, subscribe(topics))
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        ask!(self, ping())
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        ask!(self, info())
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        self.way().await;
        let memory = self.now();
        let mut replies = Vec::new();
        for command in commands {
            let key = match &command {
                Command::Evaluate(_, keys, _) => keys.first().map_or("", String::as_str),
                Command::Get(key)
                | Command::Set(key, ..)
                | Command::Delete(key)
                | Command::Expire(key, _) => key,
            };
            let checked = self.check(key);
            replies.push(match checked {
                Ok(()) => memory.pipeline(vec![command]).await?.remove(0),
                Err(error) => Err(error),
            });
        }
        let (_, late) = *self.late.lock().unwrap();
        pass(late).await;
        self.way().await;
        Ok(replies)
    }

    fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::SeqCst)
    }
}
