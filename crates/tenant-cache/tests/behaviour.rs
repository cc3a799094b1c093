//! What readers see: hits, misses, invalidations that overtake loads, and a provider that is away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider, SetOptions};
use tenancy::{Clock, EventKind, Evidence, ManualClock, Tag, TenantId, TenantScope};
use tenant_cache::{
    CacheError, CacheSettings, CachedAnswer, Loaded, Operation, Outcome, TenantCache,
};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

struct Fixture {
    provider: Arc<FaultyRedis>,
    clock: Arc<ManualClock>,
    cache: TenantCache,
    scope: TenantScope,
}

fn fixture() -> Fixture {
    let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let provider = Arc::new(FaultyRedis::new(memory));
    let clock =
        Arc::new(ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30)));
    let cache = instance(&provider, &clock);
    Fixture { provider, clock, cache, scope: scope("org_a") }
}

/// Another process on the same provider.
fn instance(provider: &Arc<FaultyRedis>, clock: &Arc<ManualClock>) -> TenantCache {
    let provider: Arc<dyn RedisProvider> = Arc::clone(provider) as _;
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    TenantCache::new(provider, clock, CacheSettings::default().without_process_level())
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
async fn the_second_reader_is_answered_from_the_cache() {
    let Fixture { cache, scope, clock, .. } = fixture();
    let first = read(&cache, &scope, "first").await;
    clock.advance(Duration::from_secs(3));
    let second = read(&cache, &scope, "second").await;
    assert_eq!((first.outcome, second.outcome), (Outcome::Miss, Outcome::Hit));
    assert_eq!(text(&second), "first");
    assert_eq!(first.etag, second.etag);
    assert_eq!(second.age, Duration::from_secs(3));
    let total = cache.statistics().total;
    assert_eq!((total.hits, total.misses, total.loads), (1, 1, 1));
}

#[tokio::test]
async fn an_event_drops_what_its_policy_says_on_every_instance() {
    let Fixture { cache, scope, provider, clock } = fixture();
    let other = instance(&provider, &clock);
    for kind in Operation::JobsList.policy().dropped_by {
        read(&cache, &scope, "old").await;
        cache.invalidate(&scope, *kind, Some(Uuid::now_v7())).await.unwrap();
        let after = read(&other, &scope, "new").await;
        assert_eq!((after.outcome, text(&after).as_str()), (Outcome::Miss, "new"), "{kind}");
        cache.invalidate(&scope, *kind, None).await.unwrap();
    }
    read(&cache, &scope, "kept").await;
    cache.invalidate(&scope, EventKind::MemberJoined, None).await.unwrap();
    assert_eq!(read(&cache, &scope, "other").await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn a_job_is_dropped_by_its_own_events_only() {
    let Fixture { cache, scope, .. } = fixture();
    let (this, that) = (Uuid::now_v7(), Uuid::now_v7());
    let read_job = async |id: Uuid, value: &'static str| {
        let key = Operation::JobsItem.key(&scope).part(&id.to_string()).build();
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
        let entities = [Tag::entity("job", id)];
        cache.get_or_load(&scope, Operation::JobsItem, key, &entities, load).await.unwrap().unwrap()
    };
    read_job(this, "this").await;
    read_job(that, "that").await;
    cache.invalidate(&scope, EventKind::JobUpdated, Some(this)).await.unwrap();
    assert_eq!(read_job(this, "this, changed").await.outcome, Outcome::Miss);
    assert_eq!(read_job(that, "never").await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn tenants_neither_share_values_nor_invalidations() {
    let Fixture { cache, scope: a, .. } = fixture();
    let b = scope("org_b");
    assert_eq!(text(&read(&cache, &a, "of a").await), "of a");
    assert_eq!(text(&read(&cache, &b, "of b").await), "of b");
    cache.invalidate(&a, EventKind::JobUpdated, None).await.unwrap();
    cache.invalidate(&a, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(read(&cache, &b, "never").await.outcome, Outcome::Hit);
    assert_eq!(read(&cache, &a, "again").await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn a_load_that_began_before_an_invalidation_is_never_served_after_it() {
    let Fixture { cache, scope, provider, clock } = fixture();
    let go_on = Arc::new(Notify::new());
    let slow = reader_in_a_slow_load(&cache, &scope, &go_on).await;
    cache.invalidate(&scope, EventKind::JobUpdated, None).await.unwrap();

    // A reader after the write does not join the load from before it…
    assert_eq!(text(&read(&cache, &scope, "new").await), "new");
    go_on.notify_one();
    assert_eq!(text(&slow.await.unwrap()), "old");
    // …and the old value, though stored last, is served by no instance.
    let key = Operation::JobsList.key(&scope).part("all").build();
    let late = provider.get(key.as_str()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&late).ends_with("\"old\""));
    for reader in [cache.clone(), instance(&provider, &clock)] {
        provider.set(key.as_str(), late.clone(), SetOptions::default()).await.unwrap();
        assert_eq!(text(&read(&reader, &scope, "newer").await), "newer");
    }
}

/// A reader in a load that has begun and goes on when it is told to; it will answer "old".
async fn reader_in_a_slow_load(
    cache: &TenantCache,
    scope: &TenantScope,
    go_on: &Arc<Notify>,
) -> tokio::task::JoinHandle<CachedAnswer> {
    let started = Arc::new(Notify::new());
    let reader = {
        let (cache, scope) = (cache.clone(), scope.clone());
        let (started, go_on) = (Arc::clone(&started), Arc::clone(go_on));
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
    reader
}

#[tokio::test(start_paused = true)]
async fn a_writer_reads_its_write_while_the_provider_is_away() {
    let Fixture { cache, scope, provider, .. } = fixture();
    provider.inject(Fault::Fail(RedisError::Unavailable("down".to_owned())));
    let go_on = Arc::new(Notify::new());
    let slow = reader_in_a_slow_load(&cache, &scope, &go_on).await;
    assert!(cache.invalidate(&scope, EventKind::JobUpdated, None).await.is_err());
    assert_eq!(text(&read(&cache, &scope, "new").await), "new");
    go_on.notify_one();
    assert_eq!(text(&slow.await.unwrap()), "old");
}

#[tokio::test(start_paused = true)]
async fn a_load_without_generations_is_shared_for_a_second_at_most() {
    let Fixture { cache, scope, provider, .. } = fixture();
    provider.inject(Fault::Fail(RedisError::Unavailable("down".to_owned())));
    let go_on = Arc::new(Notify::new());
    let slow = reader_in_a_slow_load(&cache, &scope, &go_on).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    // Another instance may have written meanwhile, which nobody can tell here.
    assert_eq!(text(&read(&cache, &scope, "new").await), "new");
    go_on.notify_one();
    assert_eq!(text(&slow.await.unwrap()), "old");
}

#[tokio::test]
async fn a_thousand_readers_of_a_cold_key_load_once() {
    let Fixture { cache, scope, .. } = fixture();
    let loads = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (cache, scope, loads) = (cache.clone(), scope.clone(), Arc::clone(&loads));
            TaskTracker::new().spawn(async move {
                let key = Operation::JobsList.key(&scope).part("all").build();
                let load = move || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, io::Error>(Some(Loaded::new("one")))
                };
                cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(text(&reader.await.unwrap().unwrap().unwrap()), "one");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reader_who_goes_away_does_not_take_the_load_along() {
    let Fixture { cache, scope, .. } = fixture();
    let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = {
        let (cache, scope) = (cache.clone(), scope.clone());
        let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
        TaskTracker::new().spawn(async move {
            let key = Operation::JobsList.key(&scope).part("all").build();
            let load = move || async move {
                started.notify_one();
                go_on.notified().await;
                Ok::<_, io::Error>(Some(Loaded::new("from the first")))
            };
            cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await
        })
    };
    started.notified().await;
    first.abort();
    go_on.notify_one();
    assert_eq!(text(&read(&cache, &scope, "from the second").await), "from the first");
}

#[tokio::test]
async fn absence_is_kept_until_something_comes_to_be_and_errors_are_not_kept() {
    let Fixture { cache, scope, .. } = fixture();
    let key = || Operation::JobsList.key(&scope).part("all").build();
    let failing = || async { Err::<Option<Loaded<()>>, _>(io::Error::other("away")) };
    let answer = cache.get_or_load(&scope, Operation::JobsList, key(), &[], failing).await;
    assert!(matches!(answer, Err(CacheError::Load(error)) if error.to_string() == "away"));
    let nothing = || async { Ok::<Option<Loaded<()>>, io::Error>(None) };
    for loader in ["asked", "not asked again"] {
        let answer = cache.get_or_load(&scope, Operation::JobsList, key(), &[], nothing).await;
        assert!(answer.unwrap().is_none(), "{loader}");
        assert_eq!(cache.statistics().total.loads, 2);
    }
    cache.invalidate(&scope, EventKind::JobCreated, Some(Uuid::now_v7())).await.unwrap();
    assert_eq!(read(&cache, &scope, "there").await.outcome, Outcome::Miss);
    assert_eq!(read(&cache, &scope, "never").await.outcome, Outcome::Hit);
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

#[tokio::test]
async fn a_provider_that_is_away_is_bypassed_and_never_taken_for_a_miss() {
    let Fixture { cache, scope, provider, .. } = fixture();
    read(&cache, &scope, "before").await;
    provider.inject(Fault::Fail(RedisError::Unavailable("down".to_owned())));
    let during = read(&cache, &scope, "from the database").await;
    assert_eq!((during.outcome, text(&during).as_str()), (Outcome::Bypass, "from the database"));
    provider.heal();
    // What was loaded during the outage was not stored; what was there before still holds.
    let after = read(&cache, &scope, "never").await;
    assert_eq!((after.outcome, text(&after).as_str()), (Outcome::Hit, "before"));
    assert!(cache.statistics().provider_errors >= 1);
}

#[tokio::test]
async fn damaged_values_are_misses() {
    let Fixture { cache, scope, provider, .. } = fixture();
    read(&cache, &scope, "sound").await;
    let key = Operation::JobsList.key(&scope).part("all").build();
    let sound = provider.get(key.as_str()).await.unwrap().unwrap();
    for length in [0, 4, 20, sound.len() / 2] {
        provider.set(key.as_str(), sound.slice(..length), SetOptions::default()).await.unwrap();
        assert_eq!(text(&read(&cache, &scope, "loaded anew").await), "loaded anew");
    }
}
