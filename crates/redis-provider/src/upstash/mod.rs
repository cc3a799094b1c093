//! The adapter for Upstash, over its REST interface.
//!
//! - Commands of concurrent callers share requests ([`batch`]); bytes that are not text go alone,
//!   as the body of a request ([`encode`]).
//! - Answers are base64, so that every byte comes back ([`document`], [`reply`]).
//! - What changes something is sent once, unless the request provably did not leave ([`errors`]).
//! - A caller sees what was answered before: a token of the service travels with each request
//!   ([`sync_token`]).
//! - Every command is charged for; they are counted, those sent again as well ([`wire`]).
//!
//! Nothing tells when the service lost an acknowledged write, so `interruptions` stays at 0 here;
//! the breaker above counts outages.

mod batch;
mod binary;
mod core;
mod document;
mod encode;
mod errors;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod health;
mod pipeline;
mod probe;
mod programs;
mod reply;
mod request;
mod settings;
mod sse;
mod subscription;
mod sync_token;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::batch::{Batcher, Limits};
use self::core::{Core, Load};
use self::errors::{Access, Fault, from_text};
use self::programs::Programs;
use self::request::Requests;
pub use self::settings::UpstashSettings;
use self::subscription::{Feed, Streams};
use self::wire::Wire;
use crate::dialect;
use crate::error::RedisError;
use crate::limits;
use crate::misconfiguration::ConnectError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription, Topology,
};
use crate::report::ProviderReport;
use crate::script;

/// The adapter for Upstash.
///
/// It works without the service: calls then fail, and work again when it is there. One task
/// collects commands into requests, and one runs for each subscription; they end with
/// [`close`](Self::close) or when the provider is dropped.
///
/// A call takes at most the command timeout, a subscription at most the connect timeout and two
/// command timeouts.
pub struct UpstashProvider {
    core: Arc<Core>,
    streams: Arc<Streams>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl UpstashProvider {
    /// Checks the settings and looks at the service, for the connect timeout at most: a key is
    /// written and read back. A service that cannot be reached is no error.
    ///
    /// Must be called within a tokio runtime.
    pub async fn connect(settings: &UpstashSettings) -> Result<Self, ConnectError> {
        settings.check()?;
        let wire = Arc::new(Wire::new(settings)?);
        let requests = Requests { programs: Programs::new() };
        probe::look(&wire, &requests, settings.connect_timeout).await?;

        let (shared, inbox) = mpsc::unbounded_channel();
        let limits = Limits {
            window: settings.batch_window,
            commands: settings.batch_commands,
            bytes: settings.batch_bytes,
        };
        let batcher = Batcher::new(Arc::clone(&wire), limits, inbox);
        let core = Arc::new(Core::new(wire, requests, settings.batch_bytes, shared));
        let streams = Arc::new(Streams {
            core: Arc::clone(&core),
            client: wire::stream_client(settings)?,
            base: settings.base()?,
            open_limit: settings.connect_timeout + settings.command_timeout * 2,
            silence_limit: settings.silence_limit,
            echo_limit: settings.command_timeout * 2,
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let stopped = stop.clone();
        tracker.spawn(async move {
            stopped.run_until_cancelled(batcher.run()).await;
        });
        Ok(Self { core, streams, tracker, stop })
    }

    /// Ends every subscription and every request under way, and waits for their tasks. Later calls
    /// fail.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn check_open(&self) -> Result<(), RedisError> {
        if self.stop.is_cancelled() {
            return Err(RedisError::Unavailable("the provider is closed".to_owned()));
        }
        Ok(())
    }

    /// Keys in as many parts as requests must have, of which one is nearly always enough.
    fn parts<'a>(&self, keys: &'a [&'a str]) -> Vec<&'a [&'a str]> {
        let (mut parts, mut rest) = (Vec::new(), keys);
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|key| {
                // Six bytes for one, at worst, when it is escaped.
                bytes += key.len() * 6 + 3;
                bytes <= self.core.batch_bytes
            });
            let (part, others) = rest.split_at(fitting.count().max(1));
            parts.push(part);
            rest = others;
        }
        parts
    }
}

impl Drop for UpstashProvider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for UpstashProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpstashProvider")
            .field("address", &self.core.wire.health.address())
            .field("is_encrypted", &self.core.wire.is_encrypted)
            .finish_non_exhaustive()
    }
}

/// The error of a later part of a call whose earlier parts were applied.
fn after_others(error: RedisError) -> RedisError {
    match error {
        RedisError::Unavailable(_) | RedisError::Timeout { .. } => Access::Write.timeout(),
        other => other,
    }
}

#[async_trait]
impl RedisProvider for UpstashProvider {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        limits::check_key(key)?;
        self.check_open()?;
        reply::optional_bytes(self.core.call(request::get(key)?).await?, "GET")
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        limits::check_keys(keys)?;
        self.check_open()?;
        let deadline = self.core.deadline();
        let mut values = Vec::with_capacity(keys.len());
        for part in self.parts(keys) {
            let answer = self.core.call_until(deadline, request::get_many(part)?).await;
            let answer = answer.map_err(|fault| fault.into_error(Access::Read))?;
            values.append(&mut reply::values(answer, part.len())?);
        }
        Ok(values)
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        limits::check_set(key, &value, options)?;
        self.check_open()?;
        let command = self.core.requests.set(key, &value, options)?;
        reply::is_written(self.core.call(command).await?)
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        limits::check_keys(keys)?;
        self.check_open()?;
        let deadline = self.core.deadline();
        let mut deleted = 0;
        for (index, part) in self.parts(keys).into_iter().enumerate() {
            let answer = self.core.call_until(deadline, request::unlink(part)?).await;
            let answer = answer.map_err(|fault| fault.into_error(Access::Write));
            let answer = if index == 0 { answer } else { answer.map_err(after_others) };
            deleted += reply::count(&answer?, "UNLINK")?;
        }
        Ok(deleted)
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        limits::check_key(key)?;
        self.check_open()?;
        reply::flag(&self.core.call(request::expire(key, ttl)?).await?, "PEXPIRE")
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        limits::check_key(key)?;
        self.check_open()?;
        let commands = request::increment(key, by, ttl)?;
        let deadline = self.core.deadline();
        let answers =
            self.core.attempt_until(deadline, Access::Write, &Load::Atomic(&commands)).await;
        let mut answers = answers.map_err(|fault| fault.into_error(Access::Write))?;
        // The second answer is the counter's; the first says whether it was new.
        match answers.pop() {
            Some(Ok(value)) => reply::integer(&value, "INCRBY"),
            Some(Err(text)) => Err(from_text(&text)),
            None => Err(RedisError::Protocol("no answer of INCRBY".to_owned())),
        }
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        limits::check_prefix(prefix)?;
        self.check_open()?;
        let cursor = if cursor == ScanCursor::START { "0".to_owned() } else { cursor.0 };
        if cursor.len() > 20 || !cursor.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RedisError::Rejected("a cursor of another scan".to_owned()));
        }
        reply::scan_page(self.core.call(request::scan(prefix, &cursor)?).await?, prefix)
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        script::check(script, keys, arguments)?;
        self.check_open()?;
        let key = keys.first().copied().unwrap_or_default();
        let Core { requests, .. } = &*self.core;
        let program = requests.programs.get(script);
        let deadline = self.core.deadline();
        let refused = |fault: Fault| fault.into_error(Access::Write);
        if program.is_loaded()
            && let Some(known) = requests.evaluate_known(script, key, arguments)
        {
            match self.core.call_until(deadline, known).await {
                // It was not run: a restart or another replica does not have it.
                Err(fault) if fault.is_unknown_script() => program.set_loaded(false),
                outcome => return reply::script_reply(outcome.map_err(refused)?),
            }
        }
        let command = requests.evaluate(script, key, arguments)?;
        let answer = self.core.call_until(deadline, command).await.map_err(refused)?;
        program.set_loaded(true);
        reply::script_reply(answer)
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        limits::check_message(topic, &payload)?;
        self.check_open()?;
        let command = request::publish(topic, &payload)?;
        reply::integer(&self.core.call(command).await?, "PUBLISH").map(drop)
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        limits::check_topics(topics)?;
        self.check_open()?;
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let feed = Feed::open(&self.streams, topics).await?;
        let (stream, task) = feed.into_stream(self.stop.clone());
        self.tracker.spawn(task);
        Ok(stream)
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        self.check_open()?;
        let started = Instant::now();
        self.core.call(request::ping()?).await?;
        Ok(started.elapsed())
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        self.check_open()?;
        let answer = self.core.call(request::info()?).await?;
        let text = reply::optional_bytes(answer, "INFO")?.unwrap_or_default();
        let told = dialect::server_info(&String::from_utf8_lossy(&text));
        let server = match told.server.split_once(' ') {
            Some((_, version)) => format!("upstash {version}"),
            None => "upstash".to_owned(),
        };
        let is_encrypted = self.core.wire.is_encrypted;
        Ok(ServerInfo { server, topology: Topology::Rest, is_encrypted, ..told })
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        self.check_open()?;
        self.core.pipeline(&commands).await
    }

    fn report(&self) -> ProviderReport {
        ProviderReport { cost: self.core.wire.cost(), ..ProviderReport::default() }
    }
}
