//! A decorator that measures.

mod figures;
mod histogram;
mod methods;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use self::figures::{Figures, Outcome};
use self::methods::Methods;
use crate::error::RedisError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::report::{Cost, ProviderReport};

/// Counts calls, errors, time and bytes by method, and tells `tracing` of each call.
///
/// [`report`](RedisProvider::report) has the figures. Each call that is answered is an event at
/// trace level, each other one at debug level, with the method, the outcome, the time and the
/// number of keys; never a key or a value.
///
/// An adapter that counts its own [`Cost`] knows better, and its account is passed on.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<dyn RedisProvider>,
    methods: Methods,
    commands: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// Keys, topics or commands, each of which services count.
    keys: usize,
    bytes: usize,
}

impl Request {
    const fn of(keys: usize, bytes: usize) -> Self {
        Self { keys, bytes }
    }

    fn of_all(keys: &[&str]) -> Self {
        Self { keys: keys.len(), bytes: keys.iter().map(|key| key.len()).sum() }
    }
}

/// A call under way. Dropped without an answer, it has been abandoned.
struct Call<'a> {
    metered: &'a Metered,
    figures: &'a Figures,
    request: Request,
    started: Instant,
    outcome: Outcome,
    bytes_received: usize,
}

impl Call<'_> {
    fn tell(&self, duration: Duration) {
        let (method, keys) = (self.figures.method, self.request.keys);
        let (outcome, duration_us) = (self.outcome.as_str(), duration.as_micros());
        if self.outcome == Outcome::Answered {
            tracing::trace!(method, keys, outcome, duration_us, "Redis call");
        } else {
            tracing::debug!(method, keys, outcome, duration_us, "Redis call");
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.figures.record(self.outcome, duration);
        // Most of what is unavailable was never sent.
        if self.outcome != Outcome::Unavailable {
            self.metered.charge(self.request, self.bytes_received);
        }
        self.tell(duration);
    }
}

impl Metered {
    /// Measures the calls of `inner`.
    pub fn new(inner: Arc<dyn RedisProvider>) -> Self {
        Self {
            inner,
            methods: Methods::new(),
            commands: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
        }
    }

    async fn measure<T>(
        &self,
        figures: &Figures,
        request: Request,
        call: impl Future<Output = Result<T, RedisError>>,
        size: impl FnOnce(&T) -> usize,
    ) -> Result<T, RedisError> {
        let mut running = Call {
            metered: self,
            figures,
            request,
            started: Instant::now(),
            outcome: Outcome::Abandoned,
            bytes_received: 0,
        };
        let answer = call.await;
        running.outcome = Outcome::of(&answer);
        running.bytes_received = answer.as_ref().map_or(0, size);
        answer
    }

    fn charge(&self, request: Request, bytes_received: usize) {
        let add = |counter: &AtomicU64, by: usize| {
            if by > 0 {
                counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        };
        add(&self.commands, request.keys);
        add(&self.bytes_sent, request.bytes);
        add(&self.bytes_received, bytes_received);
    }
}

fn reply_size(reply: &ScriptReply) -> usize {
    match reply {
        ScriptReply::Bytes(bytes) => bytes.len(),
        ScriptReply::Nil | ScriptReply::Integer(_) => 0,
    }
}

fn command_size(command: &Command) -> usize {
    match command {
        Command::Get(key) | Command::Delete(key) | Command::Expire(key, _) => key.len(),
        Command::Set(key, value, _) => key.len() + value.len(),
        Command::Evaluate(_, keys, arguments) => {
            keys.iter().map(String::len).sum::<usize>()
                + arguments.iter().map(Bytes::len).sum::<usize>()
        }
    }
}

const fn nothing<T>(_: &T) -> usize {
    0
}

#[async_trait]
impl RedisProvider for Metered {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        let request = Request::of(1, key.len());
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.measure(&self.methods.get, request, self.inner.get(key), size).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        let request = Request::of_all(keys);
        let size = |values: &Vec<Option<Bytes>>| values.iter().flatten().map(Bytes::len).sum();
        self.measure(&self.methods.get_many, request, self.inner.get_many(keys), size).await
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        let request = Request::of(1, key.len() + value.len());
        let call = self.inner.set(key, value, options);
        self.measure(&self.methods.set, request, call, nothing).await
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        let request = Request::of_all(keys);
        let call = self.inner.delete_many(keys);
        self.measure(&self.methods.delete_many, request, call, nothing).await
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        let request = Request::of(1, key.len());
        self.measure(&self.methods.expire, request, self.inner.expire(key, ttl), nothing).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        let request = Request::of(1, key.len());
        let call = self.inner.increment(key, by, ttl);
        self.measure(&self.methods.increment, request, call, nothing).await
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        let request = Request::of(1, prefix.len());
        let size = |page: &ScanPage| page.keys.iter().map(String::len).sum();
        self.measure(&self.methods.scan, request, self.inner.scan(prefix, cursor), size).await
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        let mut request = Request::of_all(keys);
        request.bytes += arguments.iter().map(Bytes::len).sum::<usize>();
        let call = self.inner.evaluate(script, keys, arguments);
        self.measure(&self.methods.evaluate, request, call, reply_size).await
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        let request = Request::of(1, topic.len() + payload.len());
        let call = self.inner.publish(topic, payload);
        self.measure(&self.methods.publish, request, call, nothing).await
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        let request = Request::of_all(topics);
        let call = self.inner.subscribe(topics);
        self.measure(&self.methods.subscribe, request, call, nothing).await
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        self.measure(&self.methods.ping, Request::of(1, 0), self.inner.ping(), nothing).await
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        self.measure(&self.methods.info, Request::of(1, 0), self.inner.info(), nothing).await
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        let request = Request::of(commands.len(), commands.iter().map(command_size).sum());
        let size = |replies: &Vec<Result<Reply, RedisError>>| {
            let size = |reply: &Reply| match reply {
                Reply::Value(value) => value.as_ref().map_or(0, Bytes::len),
                Reply::Script(reply) => reply_size(reply),
                Reply::Applied(_) => 0,
            };
            replies.iter().flatten().map(size).sum()
        };
        self.measure(&self.methods.pipeline, request, self.inner.pipeline(commands), size).await
    }

    fn interruptions(&self) -> u64 {
        self.inner.interruptions()
    }

    fn tells_every_interruption(&self) -> bool {
        self.inner.tells_every_interruption()
    }

    fn report(&self) -> ProviderReport {
        let mut report = self.inner.report();
        report.calls = self.methods.all().into_iter().filter_map(Figures::report).collect();
        if report.cost == Cost::default() {
            report.cost = Cost {
                commands: self.commands.load(Ordering::Relaxed),
                requests: 0,
                bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
                bytes_received: self.bytes_received.load(Ordering::Relaxed),
            };
        }
        report
    }
}
