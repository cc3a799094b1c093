//! What is kept in the process, to the millisecond, for which a test has to hold the clock: found
//! without asking anybody, and never for longer than it is right.

#![expect(clippy::unwrap_used, reason = "helpers of tests report by panicking, as tests do")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::{FaultyRedis, RecordingRedis};
use redis_provider::{Backplane, MemoryProvider, MemorySettings, RedisProvider};
use tenancy::{Clock, EventKind, Evidence, TenantId, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, Loaded, Operation, Outcome, TenantCache};
use time::OffsetDateTime;
use tokio::time::{Instant, advance, sleep};
use uuid::Uuid;

const CHANGED: EventKind = EventKind::JobUpdated;
const LEASE: Duration = Duration::from_secs(1);

/// Goes with the runtime's clock, which tests hold.
#[derive(Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30) + self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::nil());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

struct Instance {
    cache: TenantCache,
    asked: Arc<RecordingRedis>,
    way: Arc<FaultyRedis>,
}

impl Instance {
    fn on(provider: &Arc<MemoryProvider>) -> Self {
        let way = Arc::new(FaultyRedis::new(Arc::clone(provider) as Arc<dyn RedisProvider>));
        let asked = Arc::new(RecordingRedis::new(Arc::clone(&way) as Arc<dyn RedisProvider>));
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let cache = TenantCache::new(Arc::clone(&asked) as _, clock, CacheSettings::default());
        Self { cache, asked, way }
    }

    async fn listening_on(provider: &Arc<MemoryProvider>) -> Self {
        let instance = Self::on(provider);
        let way = Arc::clone(&instance.way) as Arc<dyn RedisProvider>;
        instance.cache.joins(Backplane::spawn(way, &[tenant_cache::TOPIC])).unwrap();
        sleep(Duration::from_millis(10)).await;
        instance
    }

    async fn reads(&self, scope: &TenantScope, value: &'static str) -> (Outcome, String) {
        told(&self.answers(scope, value).await)
    }

    async fn answers(&self, scope: &TenantScope, value: &'static str) -> CachedAnswer {
        let key = Operation::JobsList.key(scope).part("all").build();
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
        let answer = self.cache.get_or_load(scope, Operation::JobsList, key, &[], load).await;
        answer.unwrap().unwrap()
    }

    /// Calls that a read takes.
    async fn calls_of(&self, scope: &TenantScope, expected: &str) -> u64 {
        let before = self.asked.calls();
        assert_eq!(self.reads(scope, "never").await, (Outcome::Hit, expected.to_owned()));
        self.asked.calls() - before
    }
}

fn told(answer: &CachedAnswer) -> (Outcome, String) {
    (answer.outcome, serde_json::from_slice(&answer.body).unwrap())
}

fn an(outcome: Outcome, value: &str) -> (Outcome, String) {
    (outcome, value.to_owned())
}

fn memory() -> Arc<MemoryProvider> {
    Arc::new(MemoryProvider::new(MemorySettings::default()))
}

#[tokio::test(start_paused = true)]
async fn a_kept_value_is_given_without_asking_until_its_lease_ends_and_then_for_one_question() {
    let here = Instance::on(&memory());
    let scope = scope("org_a");
    assert_eq!(here.reads(&scope, "value").await, an(Outcome::Miss, "value"));
    for _ in 0..3 {
        assert_eq!(here.calls_of(&scope, "value").await, 0);
    }
    advance(LEASE).await;
    assert_eq!(here.calls_of(&scope, "value").await, 1, "its generations are asked for");
    assert_eq!(here.calls_of(&scope, "value").await, 0);
    let figures = here.cache.statistics().total;
    assert_eq!((figures.hits, figures.hits_in_process, figures.loads), (5, 4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_elsewhere_is_seen_within_the_lease_when_its_message_is_lost() {
    let provider = memory();
    let (here, there) = (Instance::on(&provider), Instance::listening_on(&provider).await);
    let scope = scope("org_a");
    there.way.drop_messages(true);
    there.reads(&scope, "old").await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    advance(LEASE).await;
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_reader_relies_on_nothing_for_longer_than_the_lease() {
    let provider = memory();
    let (here, there) = (Instance::on(&provider), Instance::on(&provider));
    let scope = scope("org_a");
    there.reads(&scope, "old").await;
    here.cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    // Misses and hits of other keys, which depend on the same tenant's generation.
    for number in 0..10 {
        advance(LEASE / 10).await;
        let key = Operation::JobsList.key(&scope).part(&number.to_string()).build();
        let load = || async { Ok::<_, io::Error>(Some(Loaded::new("other"))) };
        let other = there.cache.get_or_load(&scope, Operation::JobsList, key, &[], load);
        other.await.unwrap().unwrap();
    }
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_messages_ends_every_lease() {
    let provider = memory();
    let (here, there) = (Instance::on(&provider), Instance::listening_on(&provider).await);
    let scope = scope("org_a");
    there.way.drop_messages(true);
    there.reads(&scope, "old").await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    assert_eq!(there.reads(&scope, "never").await, an(Outcome::Hit, "old"), "within the lease");
    there.way.open_gap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_given_while_a_new_one_is_loaded_and_when_none_can_be() {
    let here = Instance::on(&memory());
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    advance(Operation::JobsList.policy().ttl).await;
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Stale, "old"));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "new"));

    // Long after, it is the last resort.
    advance(Operation::JobsList.policy().ttl.mul_f64(1.5)).await;
    let key = Operation::JobsList.key(&scope).part("all").build();
    let failing = || async { Err::<Option<Loaded<()>>, _>(io::Error::other("away")) };
    let answer = here.cache.get_or_load(&scope, Operation::JobsList, key, &[], failing).await;
    assert_eq!(told(&answer.unwrap().unwrap()), an(Outcome::Stale, "new"));
    // An event drops it all the same.
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    assert_eq!(here.reads(&scope, "newest").await, an(Outcome::Miss, "newest"));
}
