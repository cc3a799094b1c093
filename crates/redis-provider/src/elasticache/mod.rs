//! The adapter for Amazon ElastiCache, or any Redis 6 or Valkey server, over RESP3: a cluster or
//! a single server.
//!
//! ```text
//! mod        the port's calls                     contact     the first word with a server
//! dispatch   commands, batches, redirections      diagnosis   what is wrong with the settings
//! router     nodes, and who owns which slot       topology    CLUSTER SLOTS, read strictly
//! refresh    keeps that map fresh                 view        one moment's knowledge
//! node       a server: one or more links          scan        a walk over all shards
//! link       a connection, kept up for ever       subscription   messages, and when some are lost
//! together   keys that one command reads          batch          from many answers to one
//! ```
//!
//! The client library is used for single connections only; which node a command goes to is
//! decided here. Its own cluster mode stops all shards when one node dies, and sends commands
//! again of which nobody knows whether they were executed.
//!
//! Keys of one slot are read by one command, `MGET`; keys of several by one for each slot, in one
//! pipeline for each node. The client library takes some arrays for news of a subscription, see
//! `request`; such a length is never asked for.

mod batch;
mod connection;
mod contact;
mod credentials;
mod diagnosis;
mod dispatch;
mod errors;
mod link;
mod node;
mod pulse;
mod refresh;
mod request;
mod router;
mod scan;
mod settings;
mod subscription;
mod tls;
mod together;
mod topology;
mod values;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::Value;
use futures_util::future::{join_all, try_join_all};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::contact::discover;
pub use self::credentials::{CredentialError, CredentialSource, Credentials, Login};
use self::diagnosis::Trouble;
use self::errors::{Access, Failure};
use self::node::Node;
use self::request::Request;
use self::router::Router;
use self::settings::Plan;
pub use self::settings::{ClusterMode, ElastiCacheSettings, Messages};
use self::subscription::Feed;
pub use self::tls::TlsSettings;
use crate::dialect;
use crate::error::RedisError;
use crate::limits;
use crate::misconfiguration::ConnectError;
use crate::port::{
    Command, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription, Topology,
};
use crate::script;

/// The adapter for ElastiCache.
///
/// It works without a server: calls then fail at once, and it connects by itself when there is
/// one. Tasks run for it, one for each connection, one for the map of the cluster and one for each
/// subscription; they end with [`close`](Self::close) or when the provider is dropped.
///
/// A call takes at most the command timeout and 50 ms; a subscription at most the connect timeout
/// and three command timeouts. A node that does not answer costs calls for its own slots only, and
/// after a few of them those fail at once.
pub struct ElastiCacheProvider {
    router: Arc<Router>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl ElastiCacheProvider {
    /// Checks the settings and begins to connect; waits for the connections for the connect
    /// timeout at most, and goes on without them. What waiting will not mend is an error: a
    /// password that is refused, a certificate that is not trusted, a cluster where a single
    /// server was expected.
    ///
    /// Must be called within a tokio runtime.
    pub async fn connect(settings: &ElastiCacheSettings) -> Result<Self, ConnectError> {
        let plan = Plan::from_settings(settings)?;
        let until = Instant::now() + plan.connect_timeout;
        let discovered = tokio::time::timeout_at(until, discover(&plan, true)).await;
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let router = Arc::new(Router::new(plan, tracker.clone(), stop.clone()));
        let provider = Self { router: Arc::clone(&router), tracker, stop };
        match discovered {
            Ok(Ok(found)) => router.adopt(found),
            Ok(Err(Trouble::Wrong(wrong))) => return Err(wrong.into()),
            Ok(Err(away @ Trouble::Away(_))) => router.note_trouble(&away),
            Err(_) => {
                let slow = "connecting to Redis took too long".to_owned();
                router.note_trouble(&Trouble::Away(slow));
            }
        }
        provider.tracker.spawn(refresh::keep_fresh(Arc::clone(&router)));
        let view = router.view();
        let primaries = join_all(view.primaries().map(|node| node.wait_until_tried()));
        // Not to be connected yet is no error: calls say so while it lasts.
        let _tried_or_not = tokio::time::timeout_at(until, primaries).await;
        Ok(provider)
    }

    /// Ends every subscription and the connections, and waits for their tasks. Later calls fail.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Runs one command.
    async fn run(&self, request: Request<'_>) -> Result<Reply, RedisError> {
        request.reply(self.router.run(request).await?)
    }

    /// Runs commands and answers each.
    async fn run_all(&self, requests: &[Request<'_>]) -> Vec<Result<Reply, RedisError>> {
        let answers = self.router.run_all(requests).await;
        answers.into_iter().zip(requests).map(|(answer, request)| request.reply(answer?)).collect()
    }

    /// Asks all primaries at once; an error where one does not answer.
    async fn ask_primaries<T, F>(
        &self,
        ask: impl Fn(Arc<Node>, Instant) -> F,
    ) -> Result<Vec<T>, RedisError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let view = self.router.view();
        if view.is_unknown() {
            return Err(self.router.unknown());
        }
        let deadline = Instant::now() + self.router.plan().command_timeout;
        let answers = view.primaries().map(|node| ask(Arc::clone(node), deadline));
        try_join_all(answers).await.map_err(told)
    }
}

/// What a caller is told of a failure that is not followed.
fn told(failure: Failure) -> RedisError {
    match failure {
        Failure::Error(error) => error,
        Failure::Moved(_) | Failure::Ask(_) | Failure::TryAgain => {
            RedisError::Protocol("a redirection of a command without a key".to_owned())
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
            .field("plan", self.router.plan())
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
        // What is read most: a value with its generations.
        if together::are_one_slot(keys) {
            let answer = self.router.run(Request::GetTogether(keys)).await?;
            return values::many(answer, keys.len());
        }
        let groups = together::by_slot(keys);
        let requests: Vec<_> = groups.iter().map(together::Group::request).collect();
        let answers = self.router.run_all(&requests).await;
        let mut found = vec![None; keys.len()];
        for (group, answer) in groups.iter().zip(answers) {
            group.fill(&mut found, answer?)?;
        }
        Ok(found)
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        limits::check_set(key, &value, options)?;
        applied(&self.run(Request::Set(key, &value, options)).await?)
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        limits::check_keys(keys)?;
        let requests: Vec<_> = keys.iter().map(|key| Request::Unlink(key)).collect();
        batch::count_deleted(self.run_all(&requests).await)
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        limits::check_key(key)?;
        applied(&self.run(Request::Expire(key, ttl)).await?)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        limits::check_key(key)?;
        match self.run(Request::Increment(key, by, ttl)).await? {
            Reply::Script(ScriptReply::Integer(count)) => Ok(count),
            other => Err(mismatch(&other)),
        }
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        limits::check_prefix(prefix)?;
        self.router.scan(prefix, &cursor).await
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
        if self.router.is_sharded() {
            let request = Request::Publish(topic, &payload);
            let receivers = values::integer(&self.router.run(request).await?, "SPUBLISH")?;
            if receivers == 0 {
                // Whoever sends mostly listens as well, and should have been one.
                self.router.signals().note_unheard(request.slot());
            }
            return Ok(());
        }
        let node = self.router.speaker(topic).ok_or_else(|| self.router.unreachable())?;
        let deadline = Instant::now() + self.router.plan().command_timeout;
        let publish = async move |sender: link::Sender| {
            Box::pin(sender.publish::<Value, _, _>(topic, payload)).await
        };
        let receivers = node.call(Access::Write, deadline, publish).await.map_err(told)?;
        values::integer(&receivers, "PUBLISH").map(drop)
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        limits::check_topics(topics)?;
        if self.stop.is_cancelled() {
            return Err(self.router.unreachable());
        }
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let feed = Feed::open(Arc::clone(&self.router), topics).await?;
        let (stream, task) = feed.into_stream(self.stop.clone());
        self.tracker.spawn(task);
        Ok(stream)
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        let started = Instant::now();
        self.ask_primaries(async |node, deadline| {
            let ping = async |sender: link::Sender| sender.ping::<Value>(None).await;
            node.call(Access::Read, deadline, ping).await
        })
        .await?;
        Ok(started.elapsed())
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        let answers = self.ask_primaries(async |node, deadline| {
            let info = async |sender: link::Sender| sender.info::<Value>(None).await;
            node.call(Access::Read, deadline, info).await
        });
        let mut infos = Vec::new();
        for answer in answers.await? {
            let text = values::optional_bytes(answer, "INFO")?.unwrap_or_default();
            infos.push(dialect::server_info(&String::from_utf8_lossy(&text)));
        }
        let view = self.router.view();
        let replicas = view.nodes().filter(|placed| placed.primary.is_some()).count();
        let topology = if view.is_cluster {
            Topology::Cluster { primaries: infos.len(), replicas }
        } else {
            Topology::Single
        };
        let is_encrypted = self.router.plan().tls.is_some();
        Ok(ServerInfo { topology, is_encrypted, ..batch::sum(infos) })
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
        let replies = self.run_all(&requests).await;
        if let Some(error) = batch::failure_of_all(&replies) {
            return Err(error);
        }
        let mut replies = replies.into_iter();
        let missing = || Err(RedisError::Protocol("too few answers to a pipeline".to_owned()));
        Ok(checks
            .into_iter()
            .map(|check| check.and_then(|()| replies.next().unwrap_or_else(missing)))
            .collect())
    }

    fn interruptions(&self) -> u64 {
        self.router.signals().interruptions()
    }

    /// Each connection that is made anew and each failover counts; while a connection stands and
    /// nobody took over from its server, nothing was lost.
    fn tells_every_interruption(&self) -> bool {
        true
    }
}
