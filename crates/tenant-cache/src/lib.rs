//! The tenant-scoped cache: never wrong after a write, never shared across tenants.
//!
//! Callers are the HTTP surface, which reads through [`TenantCache::get_or_load`], and whoever
//! has finished a write or repeats one's consequences, which calls
//! [`TenantCache::invalidate_change`].
//!
//! Invariants:
//! - **Generations are captured before the load.** Every value depends on the stamps of the
//!   platform, its tenant, its feature and its tags. They are read before the loader starts and
//!   sealed with what it returns. An invalidation replaces a stamp; a value sealed with another
//!   one is a miss for ever, however late it is stored.
//! - **One load for a key and its generations** at a time in the process. A reader who came after
//!   an invalidation never joins a load that began before it.
//! - **An error of the provider is not a miss**: the answer then comes from the loader, behind a
//!   limit on concurrent loads, and is marked [`Outcome::Bypass`]. Readers share such a load for a
//!   second at most, and never across an invalidation that this process has tried.
//! - **A value is one at its place only.** What the provider answers belongs to the tenant, key and
//!   operation that was asked for, or it is a miss; where an operation is sensitive it is sealed to
//!   them, and the provider never sees it in plain text.
//! - What is cached, for how long, and which event drops it, is one table: [`registry`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use redis_provider::{MemoryProvider, MemorySettings};
//! use tenancy::{Evidence, SystemClock, TenantId, TenantScope};
//! use tenant_cache::{CacheSettings, Loaded, Operation, Outcome, TenantCache};
//!
//! let provider = Arc::new(MemoryProvider::new(MemorySettings::default()));
//! let cache = TenantCache::new(provider, Arc::new(SystemClock), CacheSettings::default());
//! # #[allow(clippy::disallowed_methods)]
//! let scope = TenantScope::from_verified(
//!     TenantId::from_uuid(uuid::Uuid::now_v7()),
//!     "org_example".parse().unwrap(),
//!     Evidence::SystemTask("example"),
//! );
//!
//! let load = || async { Ok::<_, std::io::Error>(Some(Loaded::new(["an answer"]))) };
//! for expected in [Outcome::Miss, Outcome::Hit] {
//!     let key = Operation::JobsList.key(&scope).part("all").build();
//!     let answer = cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await.unwrap();
//!     assert_eq!(answer.unwrap().outcome, expected);
//! }
//! # });
//! ```

mod admin;
mod admission;
mod answer;
mod auditor;
mod batch;
mod cache;
mod coherence;
mod envelope;
mod figures;
mod flight;
mod freshness;
mod generation;
mod gutter;
mod invalidation;
mod kept;
mod load;
mod load_lease;
mod negatives;
mod news;
mod purge_target;
mod read;
pub mod registry;
mod replay;
mod settings;
mod shelves;
mod slices;
mod statistics;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod tries;
mod turned_back;

pub use admin::keys::{KeyCursor, KeyEntry, KeyKind, KeyPage};
pub use admin::{CacheStatus, Dropped, Estimate, PurgeMode, Purged};
pub use answer::{CacheError, CachedAnswer, Content, Loaded, Outcome};
pub use batch::BatchKey;
pub use cache::TenantCache;
pub use envelope::{RefusedValues, SealingKeyMissing};
pub use news::TOPIC;
pub use purge_target::{NotAGroup, PurgeTarget};
pub use redis_provider::{
    Budget, CircuitState, Circuits, Cost, DURATION_BOUNDS, MethodReport, ProviderReport,
    RedisError, ServerInfo,
};
pub use registry::{Class, Operation, Policy};
pub use sealing::KeyRing;
pub use settings::CacheSettings;
pub use shelves::Usage;
pub use slices::JobSlice;
pub use statistics::{CacheHealth, CacheStatistics, OperationStatistics};
