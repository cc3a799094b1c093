//! A provider that fails, hangs, loses replies and forgets what it acknowledged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod failover;
mod journal;
mod loads;
mod model;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{RedisError, RedisProvider};
use tenancy::{Clock, Evidence, Tag, TenantId, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, Loaded, Operation, Outcome, TenantCache};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::failover::Failover;

/// The time of day when a test begins.
const AT_START: OffsetDateTime = time::macros::datetime!(2026-03-01 12:00 UTC);

/// Longer than the pause between two looks at the journal.
const A_TICK: Duration = Duration::from_millis(150);

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

/// The runtime's own time as the time of day, so that paused tests hold both with one hand.
#[derive(Debug)]
struct RuntimeClock {
    epoch: Instant,
    at_epoch: OffsetDateTime,
}

impl RuntimeClock {
    fn with_skew(skew: time::Duration) -> Self {
        Self { epoch: Instant::now(), at_epoch: AT_START + skew }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> OffsetDateTime {
        self.at_epoch + self.epoch.elapsed()
    }
}

/// One process: its cache, and its way to the provider that all share.
struct Instance {
    way: Arc<FaultyRedis>,
    cache: TenantCache,
}

impl Instance {
    fn on(provider: &Arc<Failover>) -> Self {
        let settings = CacheSettings::default().without_process_level();
        Self::with(provider, settings, time::Duration::ZERO)
    }

    fn with(provider: &Arc<Failover>, settings: CacheSettings, skew: time::Duration) -> Self {
        let provider: Arc<dyn RedisProvider> = Arc::clone(provider) as _;
        let way = Arc::new(FaultyRedis::new(provider));
        let clock = Arc::new(RuntimeClock::with_skew(skew));
        let cache = TenantCache::new(Arc::clone(&way) as _, clock, settings);
        Self { way, cache }
    }

    fn loses_the_provider(&self) {
        self.way.inject(away());
    }

    /// Reads the list of jobs; the loader would answer `value`.
    async fn reads(&self, scope: &TenantScope, value: &'static str) -> (Outcome, String) {
        told(&reads(&self.cache, scope, "all", value).await)
    }

    async fn reads_job(&self, scope: &TenantScope, job: Uuid, value: &'static str) -> Outcome {
        let key = Operation::JobsItem.key(scope).part(&job.to_string()).build();
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
        let entities = [Tag::entity("job", job)];
        let answer = self.cache.get_or_load(scope, Operation::JobsItem, key, &entities, load).await;
        answer.unwrap().unwrap().outcome
    }
}

fn away() -> Fault {
    Fault::Fail(RedisError::Unavailable("down".to_owned()))
}

async fn reads(
    cache: &TenantCache,
    scope: &TenantScope,
    list: &str,
    value: &'static str,
) -> CachedAnswer {
    let key = Operation::JobsList.key(scope).part(list).build();
    let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
    cache.get_or_load(scope, Operation::JobsList, key, &[], load).await.unwrap().unwrap()
}

fn told(answer: &CachedAnswer) -> (Outcome, String) {
    (answer.outcome, serde_json::from_slice(&answer.body).unwrap())
}

fn an(outcome: Outcome, value: &str) -> (Outcome, String) {
    (outcome, value.to_owned())
}
