//! The adapter for Amazon ElastiCache, or any Redis 6 or Valkey server, over RESP3.
//!
//! Built for one node. Commands go over one multiplexed connection, each once; several keys are
//! several single-key commands in one pipeline, which a cluster takes as well. There is a second
//! reason not to use `MGET`: the client library takes an array of three or four whose first
//! element reads `subscribe` for news of a subscription, swallows it, and from then on gives every
//! caller the answer to somebody else's command.

mod credentials;
mod errors;
mod link;
mod request;
mod settings;
mod subscription;
mod tls;
mod values;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, FredResult, PubsubInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::credentials::{CredentialError, CredentialSource, Credentials, Login};
use self::errors::{Access, from_client};
use self::link::Link;
use self::request::Request;
use self::settings::Plan;
pub use self::settings::{ClusterMode, ElastiCacheSettings};
use self::subscription::Feed;
pub use self::tls::TlsSettings;
use crate::dialect;
use crate::error::RedisError;
use crate::limits::{self, ttl_millis};
use crate::misconfiguration::ConnectError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::script;

/// Keys that the server looks at for a page of a scan.
const SCAN_COUNT: &str = "500";

/// Makes the counter with its time to live in one step, so that none is left without one. The
/// answer is text, because Lua's numbers are doubles.
const INCREMENT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[1], '0', 'PX', ARGV[2])
end
redis.call('INCRBY', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])";

/// The adapter for ElastiCache.
///
/// It works without a server: calls then fail at once, and it connects by itself when there is
/// one. Two kinds of tasks run for it, one for the connection and one for each subscription; they
/// end with [`close`](Self::close) or when the provider is dropped.
///
/// A call takes at most the command timeout and 50 ms; a subscription at most the connect timeout
/// and three command timeouts.
pub struct ElastiCacheProvider {
    link: Arc<Link>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl ElastiCacheProvider {
    /// Checks the settings and begins to connect; waits for the connection for one attempt's time
    /// at most, and goes on without it.
    ///
    /// Must be called within a tokio runtime.
    pub async fn connect(settings: &ElastiCacheSettings) -> Result<Self, ConnectError> {
        let link = Arc::new(Link::new(Plan::from_settings(settings)?));
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (kept, token) = (Arc::clone(&link), stop.clone());
        tracker.spawn(async move { kept.keep_up(token).await });
        let provider = Self { link, tracker, stop };
        provider.link.wait_until_up().await;
        Ok(provider)
    }

    /// Ends every subscription and the connection, and waits for their tasks. Later calls fail.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Runs one command.
    async fn run(&self, request: Request<'_>) -> Result<Reply, RedisError> {
        let sender = self.link.sender()?;
        let answer = self.link.call(request.access(), request.send(&sender)).await?;
        request.reply(answer)
    }

    /// Runs commands in one round trip and answers each.
    async fn run_all(
        &self,
        requests: &[Request<'_>],
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        let is_read = requests.iter().all(|request| request.access() == Access::Read);
        let access = if is_read { Access::Read } else { Access::Write };
        let answers = self.link.call(access, self.send_all(requests)).await?;
        let replies = answers.into_iter().zip(requests).map(|(answer, request)| {
            request.reply(self.link.understand(request.access(), answer)?)
        });
        Ok(replies.collect())
    }

    /// A failure of the whole comes from the library as a single answer.
    async fn send_all(&self, requests: &[Request<'_>]) -> FredResult<Vec<FredResult<Value>>> {
        let sender = self.link.sender().map_err(|_| Error::new(ErrorKind::Routing, "no client"))?;
        let pipeline = sender.pipeline().with_options(sender.options());
        for request in requests {
            request.send(&pipeline).await?;
        }
        let mut answers = pipeline.try_all::<Value>().await;
        let is_whole = answers.len() == requests.len();
        match answers.pop() {
            Some(Err(error)) if !is_whole || !errors::is_reply(&error) => Err(error),
            Some(last) if is_whole => {
                answers.push(last);
                Ok(answers)
            }
            _ if requests.is_empty() => Ok(Vec::new()),
            _ => Err(Error::new(ErrorKind::Protocol, "too few answers to a pipeline")),
        }
    }
}

impl Drop for ElastiCacheProvider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for ElastiCacheProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ElastiCacheProvider")
            .field("plan", self.link.plan())
            .finish_non_exhaustive()
    }
}

fn mismatch(reply: &Reply) -> RedisError {
    // The kind only: a value may be somebody's data.
    let kind = match reply {
        Reply::Value(_) => "a value",
        Reply::Applied(_) => "a flag",
        Reply::Script(_) => "a script's answer",
    };
    RedisError::Protocol(format!("{kind} as the answer of another command"))
}

fn value(reply: Reply) -> Result<Option<Bytes>, RedisError> {
    match reply {
        Reply::Value(value) => Ok(value),
        other => Err(mismatch(&other)),
    }
}

fn applied(reply: &Reply) -> Result<bool, RedisError> {
    match reply {
        Reply::Applied(applied) => Ok(*applied),
        other => Err(mismatch(other)),
    }
}

#[async_trait]
impl RedisProvider for ElastiCacheProvider {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        limits::check_key(key)?;
        value(self.run(Request::Get(key)).await?)
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        limits::check_keys(keys)?;
        let requests: Vec<_> = keys.iter().map(|key| Request::Get(key)).collect();
        let replies = self.run_all(&requests).await?;
        replies.into_iter().map(|reply| value(reply?)).collect()
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        limits::check_set(key, &value, options)?;
        applied(&self.run(Request::Set(key, &value, options)).await?)
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        limits::check_keys(keys)?;
        let requests: Vec<_> = keys.iter().map(|key| Request::Unlink(key)).collect();
        let mut deleted = 0;
        for reply in self.run_all(&requests).await? {
            deleted += u64::from(applied(&reply?)?);
        }
        Ok(deleted)
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        limits::check_key(key)?;
        applied(&self.run(Request::Expire(key, ttl)).await?)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        limits::check_key(key)?;
        let sender = self.link.sender()?;
        let arguments = [by.to_string(), ttl_millis(ttl).to_string()].map(Bytes::from);
        let call = request::evaluate(&sender, INCREMENT, key, arguments.into_iter());
        values::counter(self.link.call(Access::Write, call).await?)
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        limits::check_prefix(prefix)?;
        let cursor = if cursor == ScanCursor::START { "0".to_owned() } else { cursor.0 };
        if cursor.len() > 20 || !cursor.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RedisError::Rejected("a cursor of another scan".to_owned()));
        }
        let pattern = dialect::prefix_pattern(prefix);
        let arguments = vec![cursor.as_str(), "MATCH", &pattern, "COUNT", SCAN_COUNT];
        let command = CustomCommand::new_static("SCAN", ClusterHash::Random, false);
        let sender = self.link.sender()?;
        let answer = self.link.call(Access::Read, sender.custom(command, arguments)).await?;
        values::scan_page(answer, prefix)
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        script::check(script, keys, arguments)?;
        let key = keys.first().copied().unwrap_or_default();
        match self.run(Request::Script(script, key, arguments)).await? {
            Reply::Script(reply) => Ok(reply),
            other => Err(mismatch(&other)),
        }
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        limits::check_message(topic, &payload)?;
        let sender = self.link.sender()?;
        let call = sender.publish::<Value, _, _>(topic, payload);
        let receivers = self.link.call(Access::Write, call).await?;
        values::integer(&receivers, "PUBLISH").map(drop)
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        limits::check_topics(topics)?;
        if self.stop.is_cancelled() {
            return Err(RedisError::Unavailable("the provider is closed".to_owned()));
        }
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let feed = Feed::open(self.link.plan(), topics)
            .await
            .map_err(|error| from_client(&error, Access::Read))?;
        let (stream, task) = feed.into_stream(self.stop.clone());
        self.tracker.spawn(task);
        Ok(stream)
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        let sender = self.link.sender()?;
        let started = Instant::now();
        self.link.call(Access::Read, sender.ping::<Value>(None)).await?;
        Ok(started.elapsed())
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        let sender = self.link.sender()?;
        let answer = self.link.call(Access::Read, sender.info::<Value>(None)).await?;
        let text = values::optional_bytes(answer, "INFO")?.unwrap_or_default();
        Ok(dialect::server_info(&String::from_utf8_lossy(&text)))
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        limits::check_pipeline(&commands)?;
        // What is refused here is not sent; its answer takes its place among the others.
        let checks: Vec<_> = commands.iter().map(limits::check_command).collect();
        let requests: Vec<_> = commands
            .iter()
            .zip(&checks)
            .filter(|(_, check)| check.is_ok())
            .map(|(command, _)| Request::from_command(command))
            .collect();
        let mut replies = self.run_all(&requests).await?.into_iter();
        let missing = || Err(RedisError::Protocol("too few answers to a pipeline".to_owned()));
        Ok(checks
            .into_iter()
            .map(|check| check.and_then(|()| replies.next().unwrap_or_else(missing)))
            .collect())
    }
}
