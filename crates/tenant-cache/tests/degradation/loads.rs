//! Answers kept in process, the limits on loads, and what a reader waits for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{Deadline, RedisProvider};
use tenancy::{EventKind, SystemClock, TenantScope};
use tenant_cache::{
    Budget, CacheError, CacheSettings, CachedAnswer, Loaded, Operation, Outcome, TenantCache,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::failover::Failover;
use crate::{AT_START, Instance, an, reads, scope, told};

const CHANGED: EventKind = EventKind::JobUpdated;

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_a_lease_while_the_provider_is_away() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.loses_the_provider();
    assert_eq!(here.reads(&scope, "first").await, an(Outcome::Bypass, "first"));
    sleep(Duration::from_millis(999)).await;
    let kept = reads(&here.cache, &scope, "all", "second").await;
    assert_eq!(told(&kept), an(Outcome::Stale, "first"));
    assert_eq!(kept.age, Duration::from_millis(999));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(here.reads(&scope, "second").await, an(Outcome::Bypass, "second"));
    let total = here.cache.statistics().total;
    assert_eq!((total.bypassed, total.stale, total.loads), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_kept_answer_begins_with_its_load() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.loses_the_provider();
    let slow = SlowLoad::begin(&here.cache, &scope, "all", "first").await;
    sleep(Duration::from_millis(800)).await;
    assert_eq!(told(&slow.end().await), an(Outcome::Bypass, "first"));
    sleep(Duration::from_millis(150)).await;
    assert_eq!(here.reads(&scope, "second").await, an(Outcome::Stale, "first"));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(here.reads(&scope, "second").await, an(Outcome::Bypass, "second"));
}

#[tokio::test(start_paused = true)]
async fn a_write_ends_what_is_kept_of_its_tenant() {
    let here = Instance::on(&Failover::new());
    let tenant = scope("org_a");
    here.loses_the_provider();
    here.reads(&tenant, "old").await;
    assert!(here.cache.invalidate(&tenant, CHANGED, None).await.is_err());
    assert_eq!(here.reads(&tenant, "new").await, an(Outcome::Bypass, "new"));

    // Neighbours may meet in one counter, but hardly all three.
    let mut kept = 0;
    for neighbour in ["org_b", "org_c", "org_d"] {
        assert!(here.cache.invalidate(&scope(neighbour), CHANGED, None).await.is_err());
        kept += usize::from(here.reads(&tenant, "newer").await == an(Outcome::Stale, "new"));
    }
    assert!(kept >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_from_before_a_write_is_not_kept_for_those_after_it() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.loses_the_provider();
    let slow = SlowLoad::begin(&here.cache, &scope, "all", "old").await;
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    assert_eq!(told(&slow.end().await).1, "old");
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_ends_with_its_own_last_instant() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.loses_the_provider();
    let last = AT_START + Duration::from_millis(300);
    let read = async |value: &'static str| {
        let key = Operation::JobsList.key(&scope).build();
        let load =
            move || async move { Ok::<_, io::Error>(Some(Loaded::until(value, Some(last)))) };
        let read = here.cache.get_or_load(&scope, Operation::JobsList, key, &[], load);
        told(&read.await.unwrap().unwrap())
    };
    assert_eq!(read("first").await, an(Outcome::Bypass, "first"));
    assert_eq!(read("second").await, an(Outcome::Stale, "first"));
    sleep(Duration::from_millis(400)).await;
    assert_eq!(read("second").await, an(Outcome::Bypass, "second"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_kept_too() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.way.inject_on("set", crate::away());
    assert_eq!(here.reads(&scope, "first").await, an(Outcome::Miss, "first"));
    assert_eq!(here.reads(&scope, "second").await, an(Outcome::Stale, "first"));
    here.way.heal();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(here.reads(&scope, "second").await, an(Outcome::Miss, "second"));
    assert_eq!(here.reads(&scope, "third").await, an(Outcome::Hit, "second"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_sent_away_rather_than_kept_waiting() {
    let settings = CacheSettings {
        max_concurrent_loads: 2,
        max_concurrent_loads_degraded: 1,
        ..CacheSettings::default()
    };
    let here = Instance::with(&Failover::new(), settings, time::Duration::ZERO);
    let scope = scope("org_a");
    here.loses_the_provider();
    let slow = SlowLoad::begin(&here.cache, &scope, "slow", "slow").await;
    let began = Instant::now();
    let refused = load_nothing(&here.cache, &scope, "other").await;
    assert!(matches!(refused, Err(CacheError::Overloaded)), "{refused:?}");
    assert_eq!(began.elapsed(), settings.load_queue_timeout);
    assert_eq!(here.cache.statistics().total.overloaded, 1);
    // Loads that are stored have room of their own.
    here.way.heal();
    let stored = load_nothing(&here.cache, &scope, "other").await;
    assert!(stored.is_ok(), "{stored:?}");
    assert_eq!(told(&slow.end().await).1, "slow");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_found_before_the_queue() {
    let settings = CacheSettings { max_concurrent_loads: 1, ..CacheSettings::default() };
    let here = Instance::with(&Failover::new(), settings, time::Duration::ZERO);
    let scope = scope("org_a");
    here.loses_the_provider();
    here.reads(&scope, "kept").await;
    let slow = SlowLoad::begin(&here.cache, &scope, "slow", "slow").await;
    let began = Instant::now();
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Stale, "kept"));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(told(&slow.end().await).1, "slow");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_readers_a_moment_and_no_second_load() {
    let here = Instance::on(&Failover::new());
    let scope = scope("org_a");
    here.way.inject_on("set", Fault::Hang(Duration::from_millis(250)));
    let began = Instant::now();
    assert_eq!(here.reads(&scope, "one").await, an(Outcome::Miss, "one"));
    assert_eq!(here.reads(&scope, "two").await, an(Outcome::Hit, "one"));
    // The call itself takes ten times as long.
    assert_eq!(began.elapsed(), Duration::from_millis(25));
    // A write in the meantime is seen all the same.
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    assert_eq!(here.reads(&scope, "two").await, an(Outcome::Miss, "two"));
    assert_eq!(here.cache.statistics().total.loads, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stampede_without_the_provider_is_as_wide_as_its_share() {
    let settings = CacheSettings { max_concurrent_loads_degraded: 3, ..CacheSettings::default() };
    let here = Arc::new(Instance::with(&Failover::new(), settings, time::Duration::ZERO));
    here.loses_the_provider();
    let (running, widest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = TaskTracker::new();
    for number in 0..60 {
        let (here, running, widest) =
            (Arc::clone(&here), Arc::clone(&running), Arc::clone(&widest));
        tasks.spawn(async move {
            let scope = scope("org_a");
            let key = Operation::JobsList.key(&scope).part(&number.to_string()).build();
            let load = move || async move {
                widest.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(20)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, io::Error>(Some(Loaded::new(number)))
            };
            let read = here.cache.get_or_load(&scope, Operation::JobsList, key, &[], load);
            assert!(read.await.unwrap().is_some());
        });
    }
    tasks.close();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
    assert_eq!(widest.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_used_up_its_time_stores_for_others_all_the_same() {
    let way = Arc::new(FaultyRedis::new(Failover::new() as Arc<dyn RedisProvider>));
    let provider =
        Deadline::new(Arc::clone(&way) as Arc<dyn RedisProvider>, Duration::from_millis(250));
    let cache =
        TenantCache::new(Arc::new(provider), Arc::new(SystemClock), CacheSettings::default());
    let scope = scope("org_a");
    way.inject_on("set", Fault::Delay(Duration::from_millis(100)));
    let budget = Budget::new(Duration::from_millis(10));
    let read = budget.clone().scope(reads(&cache, &scope, "all", "value")).await;
    assert_eq!(read.outcome, Outcome::Miss);
    assert_eq!(budget.spent(), Duration::ZERO);
    sleep(Duration::from_millis(200)).await;
    way.heal();
    assert_eq!(cache.statistics().provider_errors, 0);
    assert_eq!(told(&reads(&cache, &scope, "all", "never").await), an(Outcome::Hit, "value"));
}

/// A load that has begun and ends when it is told to.
struct SlowLoad {
    reader: JoinHandle<CachedAnswer>,
    go_on: Arc<Notify>,
}

impl SlowLoad {
    async fn begin(
        cache: &TenantCache,
        scope: &TenantScope,
        list: &'static str,
        value: &'static str,
    ) -> Self {
        let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let reader = {
            let (cache, scope) = (cache.clone(), scope.clone());
            let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
            TaskTracker::new().spawn(async move {
                let key = Operation::JobsList.key(&scope).part(list).build();
                let load = move || async move {
                    started.notify_one();
                    go_on.notified().await;
                    Ok::<_, io::Error>(Some(Loaded::new(value)))
                };
                let read = cache.get_or_load(&scope, Operation::JobsList, key, &[], load);
                read.await.unwrap().unwrap()
            })
        };
        started.notified().await;
        Self { reader, go_on }
    }

    async fn end(self) -> CachedAnswer {
        self.go_on.notify_one();
        self.reader.await.unwrap()
    }
}

async fn load_nothing(
    cache: &TenantCache,
    scope: &TenantScope,
    list: &str,
) -> Result<Option<CachedAnswer>, CacheError<io::Error>> {
    let key = Operation::JobsList.key(scope).part(list).build();
    let load = || async { Ok::<Option<Loaded<()>>, io::Error>(None) };
    cache.get_or_load(scope, Operation::JobsList, key, &[], load).await
}
