//! The port: what the portal asks of a Redis service, whichever it is.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use crate::error::RedisError;
use crate::report::ProviderReport;

/// A Redis-like service, spoken to in bytes.
///
/// Semantics that every adapter keeps, the in-process one included, and that
/// `testing::contract` checks:
///
/// - Every call ends within the adapter's deadline, in an answer or an error. **An error is never
///   a miss**: `Ok(None)` means that the service said the key is absent.
/// - Keys and values are bytes; any byte may stand in a value, and an empty value is not absence.
/// - A time to live is rounded up to whole milliseconds and is at least one.
/// - What is over a bound of [`limits`](crate::limits) is [`RedisError::Rejected`] before it is
///   sent; a time to live is cut to [`MAX_TTL`](crate::limits::MAX_TTL).
/// - Calls over several keys may span slots; an adapter groups them and keeps the order of the
///   answers equal to the order of the keys.
/// - Nothing that is not idempotent is retried. [`RedisError::Timeout`] says whether the command
///   may have been applied.
#[async_trait]
pub trait RedisProvider: Send + Sync + std::fmt::Debug + 'static {
    /// Reads one key.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError>;

    /// Reads keys in one round trip a slot; the answer has one element for each key, in order.
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError>;

    /// Writes one key. `Ok(false)` means that [`SetOptions::condition`] did not hold and nothing
    /// was written.
    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError>;

    /// Deletes keys without blocking the server; answers how many existed.
    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError>;

    /// Sets the time to live of a key; `Ok(false)` means that there is no such key.
    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError>;

    /// Adds to a decimal counter, which starts at 0 where absent, and answers its new value.
    /// A new counter lives for `ttl`; an existing one keeps the time it has left.
    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError>;

    /// One page of the keys that begin with `prefix` (taken literally, never as a pattern).
    /// For hygiene and the development key list only: its cost grows with the whole keyspace.
    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError>;

    /// Runs a script of ours atomically; all its keys are in one slot.
    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError>;

    /// Sends a message to whoever is subscribed right now: at most once, no memory of it.
    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError>;

    /// Subscribes to topics; what is published after the answer arrives. The stream never ends
    /// silently: whenever messages may have been lost it yields [`Incoming::Gap`], and it goes on.
    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError>;

    /// Asks the service whether it is there; answers how long that took.
    async fn ping(&self) -> Result<Duration, RedisError>;

    /// What the service says of itself.
    async fn info(&self) -> Result<ServerInfo, RedisError>;

    /// Runs commands in one round trip where the service can; not atomic, a result for each in
    /// order. Commands for the same key are carried out in order, others in any. The outer error
    /// means that nothing is known about any of them.
    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError>;

    /// How often the service may have lost writes that it had acknowledged: reconnections,
    /// failovers, the end of an outage. Whoever relies on a write having stayed compares this
    /// number with the one of before: it is raised before the first answer that may come from a
    /// state without that write. Costs no round trip.
    fn interruptions(&self) -> u64 {
        0
    }

    /// Whether [`interruptions`](Self::interruptions) tells of all there are, so that a service
    /// which was slow or silent for a while need not be taken for one that lost something.
    fn tells_every_interruption(&self) -> bool {
        false
    }

    /// What the provider knows of itself. Costs no round trip.
    fn report(&self) -> ProviderReport {
        ProviderReport::default()
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// How long the value lives.
    pub expiry: Expiry,
    /// When it is written at all.
    pub condition: Condition,
}

impl SetOptions {
    /// Writes unconditionally; the value lives for `ttl`.
    pub const fn with_ttl(ttl: Duration) -> Self {
        Self { expiry: Expiry::After(ttl), condition: Condition::Always }
    }

    /// The same, but only if the key is absent (`NX`).
    #[must_use]
    pub const fn if_absent(mut self) -> Self {
        self.condition = Condition::IfAbsent;
        self
    }

    /// The same, but only if the key is present (`XX`).
    #[must_use]
    pub const fn if_present(mut self) -> Self {
        self.condition = Condition::IfPresent;
        self
    }
}

/// How long a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Expiry {
    /// Until it is deleted or evicted.
    #[default]
    Never,
    /// For this long; at least one millisecond.
    After(Duration),
    /// For as long as the value that it replaces would have lived (`KEEPTTL`).
    Keep,
}

/// When a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if the key is absent.
    IfAbsent,
    /// Only if the key is present.
    IfPresent,
}

/// A command of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// As [`RedisProvider::get`]; answers [`Reply::Value`].
    Get(String),
    /// As [`RedisProvider::set`]; answers [`Reply::Applied`].
    Set(String, Bytes, SetOptions),
    /// Deletes one key; answers [`Reply::Applied`]: whether it existed.
    Delete(String),
    /// As [`RedisProvider::expire`]; answers [`Reply::Applied`].
    Expire(String, Duration),
    /// As [`RedisProvider::evaluate`]; answers [`Reply::Script`].
    Evaluate(Script, Vec<String>, Vec<Bytes>),
}

impl Command {
    /// Whether it changes nothing, whatever becomes of it.
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Get(_))
    }
}

/// The answer to a command of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The value, or `None` where the key is absent.
    Value(Option<Bytes>),
    /// Whether the command changed anything.
    Applied(bool),
    /// What the script answered.
    Script(ScriptReply),
}

/// The scripts that may run in the service: a closed set, each with a Rust twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Script {
    /// Replaces a generation stamp by a newer one.
    ///
    /// One key; arguments: the new stamp, its time to live in milliseconds in decimal (`0` for
    /// none). Stamps are compared as bytes over the length of the time part, the first 16 bytes.
    /// Answers the stamp in force afterwards: the new one where it was written, or the old one
    /// where its time part is not less, so that the caller can make a newer one.
    AdvanceStamp,
    /// The same, and the new stamp is followed by the one that it replaces, the first 32 bytes of
    /// what was there, so that readers can tell what was in force until now.
    AdvanceStampSoftly,
    /// Deletes a key only while it holds an expected value: the release of a lock.
    ///
    /// One key; argument: the expected value. Answers `1` or `0`.
    DeleteIfEquals,
    /// Charges an account that is paid back as time goes by: a limit of requests.
    ///
    /// One key, which holds the time at which all is paid back; arguments, in microseconds and in
    /// decimal: the time now, the charge, the most that may be owed; and `1` where the charge
    /// stands in any case, else `0`. Answers what is owed with the charge. Where that is more than
    /// the most, a charge that stands makes it the most; any other is not made, and the answer is
    /// how much too much it would have been, below zero. A charge of 0 only looks.
    Charge,
}

impl Script {
    /// Every script.
    pub const ALL: [Self; 4] =
        [Self::AdvanceStamp, Self::AdvanceStampSoftly, Self::DeleteIfEquals, Self::Charge];
}

/// What a script answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptReply {
    /// Nothing.
    Nil,
    /// A number.
    Integer(i64),
    /// Bytes.
    Bytes(Bytes),
}

/// Where a scan goes on; [`ScanCursor::START`] begins one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScanCursor(pub String);

impl ScanCursor {
    /// The beginning.
    pub const START: Self = Self(String::new());
}

/// One page of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage {
    /// Keys found; may be empty although more pages follow.
    pub keys: Vec<String>,
    /// Where to go on; `None` at the end.
    pub next: Option<ScanCursor>,
}

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// `redis`, `upstash` or `memory`, with the version where it is told.
    pub server: String,
    /// Bytes of data held, where it is told.
    pub used_memory_bytes: Option<u64>,
    /// Keys evicted for want of memory since the start, where it is told.
    pub evicted_keys: Option<u64>,
    /// Keys held, where it is told.
    pub keys: Option<u64>,
    /// Those of them that never expire, where it is told.
    pub keys_without_ttl: Option<u64>,
    /// Most bytes of data that may be held, where it is told; 0 means without a limit.
    pub max_memory_bytes: Option<u64>,
    /// What goes when the memory is full, such as `volatile-lru`, where it is told.
    pub eviction_policy: Option<String>,
    /// How many servers there are, and how they are reached.
    pub topology: Topology,
    /// Whether the way to the service is encrypted.
    pub is_encrypted: bool,
}

/// How a service is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Topology {
    /// In this process.
    #[default]
    InProcess,
    /// One server.
    Single,
    /// A cluster of this many primaries and replicas, as far as they are known.
    Cluster {
        /// Nodes that own slots.
        primaries: usize,
        /// Their replicas.
        replicas: usize,
    },
    /// Behind a REST interface, which does not tell.
    Rest,
}

/// What a subscription yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message.
    Message {
        /// The topic it was sent to.
        topic: String,
        /// Its bytes.
        payload: Bytes,
    },
    /// Messages may have been lost before this point: trust nothing that they would have told.
    Gap,
}

/// A stream of messages and gaps that does not end while its provider lives.
pub type Subscription = Pin<Box<dyn Stream<Item = Incoming> + Send>>;
