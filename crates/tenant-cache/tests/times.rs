//! Ages, times to live and the lease to the second, for which a test has to hold the clock. What
//! needs no clock is tested on every kind of Redis.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError};
use tenancy::{Clock, Evidence, ManualClock, TenantId, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, KeyKind, Loaded, Operation, Outcome, TenantCache};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

struct Fixture {
    provider: Arc<FaultyRedis>,
    clock: Arc<ManualClock>,
    cache: TenantCache,
    scope: TenantScope,
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn fixture() -> Fixture {
    let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let provider = Arc::new(FaultyRedis::new(memory));
    let start = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
    let clock = Arc::new(ManualClock::at(start));
    let settings = CacheSettings::default().without_process_level();
    let cache = TenantCache::new(Arc::clone(&provider) as _, Arc::clone(&clock) as _, settings);
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    let evidence = Evidence::SystemTask("test");
    let scope = TenantScope::from_verified(tenant, "org_a".parse().unwrap(), evidence);
    Fixture { provider, clock, cache, scope }
}

async fn read(cache: &TenantCache, scope: &TenantScope, value: &'static str) -> CachedAnswer {
    let key = Operation::JobsList.key(scope).part("all").build();
    let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
    cache.get_or_load(scope, Operation::JobsList, key, &[], load).await.unwrap().unwrap()
}

fn text(answer: &CachedAnswer) -> String {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn an_answer_says_how_old_it_is() {
    let Fixture { cache, scope, clock, .. } = fixture();
    assert_eq!(read(&cache, &scope, "value").await.age, Duration::ZERO);
    clock.advance(Duration::from_secs(3));
    let later = read(&cache, &scope, "never").await;
    assert_eq!((later.outcome, later.age), (Outcome::Hit, Duration::from_secs(3)));
}

#[tokio::test]
async fn a_list_of_keys_says_how_long_values_have_left() {
    let Fixture { cache, scope, clock, .. } = fixture();
    read(&cache, &scope, "value").await;
    clock.advance(Duration::from_secs(20));
    let page = cache.list_keys(&scope, None, None).await.unwrap();
    let value = page.keys.iter().find(|entry| entry.kind == KeyKind::Value).unwrap();
    // Two minutes, less what they are shortened by so that not all of them end at once.
    let left = value.expires_in.unwrap();
    assert!((Duration::from_secs(88)..=Duration::from_secs(100)).contains(&left), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_load_without_generations_is_shared_for_a_second_at_most() {
    let Fixture { cache, scope, provider, .. } = fixture();
    provider.inject(Fault::Fail(RedisError::Unavailable("down".to_owned())));
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (cache, scope) = (cache.clone(), scope.clone());
        let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
        TaskTracker::new().spawn(async move {
            let key = Operation::JobsList.key(&scope).part("all").build();
            let load = move || async move {
                started.notify_one();
                go_on.notified().await;
                Ok::<_, io::Error>(Some(Loaded::new("old")))
            };
            cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await.unwrap().unwrap()
        })
    };
    started.notified().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    // Another instance may have written meanwhile, which nobody can tell here.
    assert_eq!(text(&read(&cache, &scope, "new").await), "new");
    go_on.notify_one();
    assert_eq!(text(&slow.await.unwrap()), "old");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_for_those_who_waited_for_it_however_slow_the_service_is_then() {
    let Fixture { cache, scope, provider, .. } = fixture();
    // The lease of the load is given back by this.
    provider.inject_on("evaluate", Fault::Delay(Duration::from_secs(10)));
    let key = Operation::JobsList.key(&scope).part("all").build();
    let failing = || async { Err::<Option<Loaded<()>>, _>(io::Error::other("away")) };
    let answer = cache.get_or_load(&scope, Operation::JobsList, key, &[], failing).await;
    assert!(answer.is_err());
    assert_eq!(text(&read(&cache, &scope, "value").await), "value");
}

#[tokio::test]
async fn a_value_ends_with_its_time_to_live_or_its_own_last_instant() {
    let Fixture { cache, scope, clock, .. } = fixture();
    read(&cache, &scope, "old").await;
    clock.advance(2 * Operation::JobsList.policy().ttl);
    assert_eq!(read(&cache, &scope, "new").await.outcome, Outcome::Miss);

    let key = || Operation::JobsStats.key(&scope).build();
    let last = clock.now() + Duration::from_secs(5);
    let load = move || async move { Ok::<_, io::Error>(Some(Loaded::until("value", Some(last)))) };
    let outcome = async || {
        let answer = cache.get_or_load(&scope, Operation::JobsStats, key(), &[], load).await;
        answer.unwrap().unwrap().outcome
    };
    assert_eq!(outcome().await, Outcome::Miss);
    clock.advance(Duration::from_secs(4));
    assert_eq!(outcome().await, Outcome::Hit);
    clock.advance(Duration::from_secs(1));
    assert_eq!(outcome().await, Outcome::Miss);
}
