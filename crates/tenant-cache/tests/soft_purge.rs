//! Soft purges: what is dropped is served as stale until it has been loaded anew, and never longer
//! than it would have been served anyway.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails where it stands, and its tasks are waited for"
)]

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use redis_provider::{MemoryProvider, MemorySettings, RedisProvider};
use tenancy::{Clock, EventKind, Evidence, Feature, ManualClock, TenantId, TenantScope};
use tenant_cache::{
    CacheSettings, KeyRing, Loaded, Operation, Outcome, PurgeMode, PurgeTarget, TenantCache,
};
use time::OffsetDateTime;
use uuid::Uuid;

use PurgeMode::{Hard, Soft};

const KEYS: &str = "one:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

struct Fixture {
    provider: Arc<dyn RedisProvider>,
    clock: Arc<ManualClock>,
    scope: TenantScope,
    /// What loaders find.
    version: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
}

impl Fixture {
    fn new() -> Self {
        let scope = TenantScope::from_verified(
            TenantId::from_uuid(Uuid::now_v7()),
            "org_a".parse().unwrap(),
            Evidence::SystemTask("test"),
        );
        let start = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        Self {
            provider: Arc::new(MemoryProvider::new(MemorySettings::default())),
            clock: Arc::new(ManualClock::at(start)),
            scope,
            version: Arc::default(),
            fails: Arc::default(),
        }
    }

    fn instance(&self) -> TenantCache {
        let ring = KeyRing::parse(&KEYS.into()).unwrap();
        let (provider, clock) = (Arc::clone(&self.provider), Arc::clone(&self.clock));
        let settings = CacheSettings::default();
        TenantCache::with_keys(provider, clock as Arc<dyn Clock>, settings, Some(ring)).unwrap()
    }

    /// Reads, lets what was set off by it come to its end, and answers what was read.
    async fn reads(&self, cache: &TenantCache, operation: Operation) -> (Outcome, u32) {
        let key = operation.key(&self.scope).part("all").build();
        let (version, fails) = (Arc::clone(&self.version), Arc::clone(&self.fails));
        let load = || async move {
            if fails.load(Ordering::SeqCst) {
                return Err(io::Error::other("the database is away"));
            }
            Ok(Some(Loaded::new(version.load(Ordering::SeqCst))))
        };
        let answer = cache.get_or_load(&self.scope, operation, key, &[], load).await;
        while cache.statistics().loads_under_way > 0 {
            tokio::task::yield_now().await;
        }
        let answer = answer.unwrap().unwrap();
        (answer.outcome, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn lists(&self, cache: &TenantCache) -> (Outcome, u32) {
        self.reads(cache, Operation::JobsList).await
    }

    async fn purges(&self, cache: &TenantCache, target: PurgeTarget, mode: PurgeMode) {
        let targets = BTreeSet::from([target]);
        assert_eq!(cache.purge(&self.scope, &targets, mode).await.unwrap().dropped.len(), 1);
        // Stamps of one instant would have to be made anew.
        self.clock.advance(Duration::from_millis(1));
    }

    fn changes(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_was_purged_softly_is_stale_once_and_then_new_on_every_instance() {
    for target in [
        PurgeTarget::Everything,
        PurgeTarget::Feature(Feature::Jobs),
        PurgeTarget::Operation(Operation::JobsList),
    ] {
        let fixture = Fixture::new();
        let (one, two) = (fixture.instance(), fixture.instance());
        assert_eq!(fixture.lists(&one).await, (Outcome::Miss, 0));
        fixture.changes();
        assert_eq!(fixture.lists(&one).await, (Outcome::Hit, 0), "nobody said that it changed");
        fixture.purges(&one, target, Soft).await;
        assert_eq!(fixture.lists(&two).await, (Outcome::Stale, 0), "{target}");
        assert_eq!(fixture.lists(&two).await, (Outcome::Hit, 1), "{target}");
        assert_eq!(fixture.lists(&one).await, (Outcome::Hit, 1), "{target}");
    }
}

#[tokio::test]
async fn it_is_served_for_as_long_as_it_cannot_be_loaded_and_no_longer_than_its_time() {
    let fixture = Fixture::new();
    let cache = fixture.instance();
    let _ = fixture.lists(&cache).await;
    fixture.changes();
    fixture.purges(&cache, PurgeTarget::Everything, Soft).await;
    fixture.fails.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(fixture.lists(&cache).await, (Outcome::Stale, 0));
    }
    fixture.clock.advance(Operation::JobsList.policy().ttl);
    fixture.fails.store(false, Ordering::SeqCst);
    assert_eq!(fixture.lists(&cache).await, (Outcome::Miss, 1));
}

#[tokio::test]
async fn whatever_comes_after_drops_it_for_good() {
    let all = || PurgeTarget::Feature(Feature::Jobs);
    for what in ["an event", "a hard purge", "a second soft purge", "a purge of a part"] {
        let fixture = Fixture::new();
        let cache = fixture.instance();
        let _ = fixture.lists(&cache).await;
        fixture.changes();
        fixture.purges(&cache, all(), Soft).await;
        match what {
            "an event" => {
                let event = cache.invalidate(&fixture.scope, EventKind::JobUpdated, None);
                event.await.unwrap();
            }
            "a hard purge" => fixture.purges(&cache, all(), Hard).await,
            "a second soft purge" => fixture.purges(&cache, all(), Soft).await,
            _ => {
                let part = PurgeTarget::Operation(Operation::JobsList);
                fixture.purges(&cache, part, Hard).await;
            }
        }
        assert_eq!(fixture.lists(&cache).await, (Outcome::Miss, 1), "{what}");
    }
}

#[tokio::test]
async fn a_load_that_began_before_is_not_taken_for_one_after() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.instance(), fixture.instance());
    let key = Operation::JobsList.key(&fixture.scope).part("all").build();
    let (started, begun) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    let load = || async move {
        started.send(()).unwrap();
        may_go_on.await.unwrap();
        Ok::<_, io::Error>(Some(Loaded::new(0)))
    };
    let scope = fixture.scope.clone();
    let slow = tokio::spawn(async move {
        one.get_or_load(&scope, Operation::JobsList, key, &[], load).await.unwrap()
    });
    begun.await.unwrap();
    fixture.changes();
    fixture.purges(&two, PurgeTarget::Everything, Soft).await;
    go_on.send(()).unwrap();
    assert_eq!(slow.await.unwrap().unwrap().outcome, Outcome::Miss);
    // It was stored under the generations of before, so it is what was purged.
    assert_eq!(fixture.lists(&two).await, (Outcome::Stale, 0));
    assert_eq!(fixture.lists(&two).await, (Outcome::Hit, 1));
}

#[tokio::test]
async fn what_may_never_be_stale_is_dropped() {
    let fixture = Fixture::new();
    let cache = fixture.instance();
    let sealed = Operation::SealedProbe;
    assert_eq!(fixture.reads(&cache, sealed).await, (Outcome::Miss, 0));
    assert_eq!(fixture.reads(&cache, sealed).await, (Outcome::Hit, 0));
    fixture.changes();
    fixture.purges(&cache, PurgeTarget::Everything, Soft).await;
    assert_eq!(fixture.reads(&cache, sealed).await, (Outcome::Miss, 1));
}
