//! The provider port and its adapters: one contract for unlike Redis services.
//!
//! Callers know [`RedisProvider`] and nothing else; which service answers is decided once, by the
//! binary's settings. tenant-cache, session-store and event-notifier may call the port; only the
//! binary may name an adapter.
//!
//! - [`MemoryProvider`]: in process, for development.
//! - [`ElastiCacheProvider`]: a Redis or Valkey server over RESP3.
//! - [`UpstashProvider`]: a database at Upstash, over its REST interface.
//! - [`guard`]: what a remote service's adapter is put behind: [`Deadline`], [`Metered`],
//!   [`CircuitBreaker`].
//! - [`Backplane`]: the process's one subscription, shared out by topic.
//!
//! What must hold, whoever answers: an error is never a miss; every call ends within a deadline;
//! nothing that is not idempotent is sent twice; a subscription says when it may have lost
//! something. The suite in `testing::contract` (feature `testing`) holds every adapter to it.
//!
//! ```
//! use std::time::Duration;
//!
//! use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider, SetOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), RedisError> {
//! let provider = MemoryProvider::new(MemorySettings::default());
//! let options = SetOptions::with_ttl(Duration::from_secs(60));
//! assert!(provider.set("greeting", "hello".into(), options.if_absent()).await?);
//! assert!(!provider.set("greeting", "again".into(), options.if_absent()).await?);
//! assert_eq!(provider.get("greeting").await?.as_deref(), Some(&b"hello"[..]));
//! assert_eq!(provider.get("nothing").await?, None);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod backplane;
mod budget;
mod circuit_breaker;
mod deadline;
mod dialect;
mod elasticache;
mod error;
mod guard;
mod iam;
pub mod limits;
mod memory;
mod metered;
mod misconfiguration;
mod port;
mod report;
mod script;
#[cfg(feature = "testing")]
pub mod testing;
mod upstash;

pub use backplane::Backplane;
pub use budget::Budget;
pub use circuit_breaker::{BreakerSettings, CircuitBreaker};
pub use deadline::Deadline;
pub use elasticache::{
    ClusterMode, CredentialError, CredentialSource, Credentials, ElastiCacheProvider,
    ElastiCacheSettings, Login, Messages, TlsSettings,
};
pub use error::RedisError;
pub use guard::{GuardSettings, guard};
pub use iam::{AwsKeys, IamCredentials, IamSettings};
pub use memory::{MemoryProvider, MemorySettings};
pub use metered::Metered;
pub use misconfiguration::{ConnectError, Misconfiguration};
pub use port::{
    Command, Condition, Expiry, Incoming, RedisProvider, Reply, ScanCursor, ScanPage, Script,
    ScriptReply, ServerInfo, SetOptions, Subscription, Topology,
};
pub use report::{CircuitState, Circuits, Cost, DURATION_BOUNDS, MethodReport, ProviderReport};
pub use upstash::{UpstashProvider, UpstashSettings};
