//! The auditor: finds what changed behind the cache's back, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_provider::{MemoryProvider, MemorySettings, RedisProvider};
use tenancy::{EventKind, Evidence, SystemClock, TenantId, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation, Outcome, TenantCache};
use uuid::Uuid;

/// Longer than a comparison takes: the lease, and a second for the write.
const COMPARED: Duration = Duration::from_secs(3);

struct Fixture {
    cache: TenantCache,
    scope: TenantScope,
    version: Arc<AtomicU32>,
}

impl Fixture {
    fn new(settings: CacheSettings) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a tenant that does not exist")]
        let scope = TenantScope::from_verified(
            TenantId::from_uuid(Uuid::now_v7()),
            "org_a".parse().unwrap(),
            Evidence::SystemTask("test"),
        );
        let provider: Arc<dyn RedisProvider> =
            Arc::new(MemoryProvider::new(MemorySettings::default()));
        let cache = TenantCache::new(provider, Arc::new(SystemClock), settings);
        Self { cache, scope, version: Arc::default() }
    }

    /// Compares every hit.
    fn auditing() -> Self {
        Self::new(CacheSettings { audit_one_in: 1, ..CacheSettings::default() })
    }

    async fn reads(&self, operation: Operation) -> Outcome {
        let key = operation.key(&self.scope).part("all").build();
        let version = Arc::clone(&self.version);
        let load =
            || async move { Ok::<_, io::Error>(Some(Loaded::new(version.load(Ordering::SeqCst)))) };
        let answer = self.cache.get_or_load(&self.scope, operation, key, &[], load).await;
        answer.unwrap().unwrap().outcome
    }

    fn changes(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    async fn invalidates(&self) {
        self.cache.invalidate(&self.scope, EventKind::JobUpdated, None).await.unwrap();
    }

    /// Hits compared, and those of them that were wrong.
    fn found(&self) -> (u64, u64) {
        let total = self.cache.statistics().total;
        (total.audited, total.stale_hits)
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_behind_its_back_is_found() {
    let fixture = Fixture::auditing();
    assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Miss);
    fixture.changes();
    assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Hit);
    tokio::time::sleep(COMPARED).await;
    assert_eq!(fixture.found(), (1, 1));
    let named = fixture.cache.stale_hits(10);
    assert_eq!(named, [(fixture.scope.org().clone(), Operation::JobsList, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_right_is_compared_and_found_right_wherever_it_is_kept() {
    let in_process = CacheSettings { audit_one_in: 1, ..CacheSettings::default() };
    for settings in [in_process, in_process.without_process_level()] {
        let fixture = Fixture::new(settings);
        assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Miss);
        for _ in 0..3 {
            assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Hit);
            tokio::time::sleep(COMPARED).await;
        }
        assert_eq!(fixture.found(), (3, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_invalidation_is_on_its_way_is_no_stale_hit() {
    let fixture = Fixture::auditing();
    assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Miss);
    // Committed; somebody reads before the generations are replaced.
    fixture.changes();
    assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Hit);
    tokio::time::sleep(Duration::from_millis(500)).await;
    fixture.invalidates().await;
    tokio::time::sleep(COMPARED).await;
    assert_eq!(fixture.found(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn figures_that_go_by_the_time_are_left_alone() {
    let fixture = Fixture::auditing();
    assert_eq!(fixture.reads(Operation::JobsStats).await, Outcome::Miss);
    fixture.changes();
    assert_eq!(fixture.reads(Operation::JobsStats).await, Outcome::Hit);
    tokio::time::sleep(COMPARED).await;
    assert_eq!(fixture.found(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_hit_is_compared_at_a_time_and_none_unless_it_is_asked_for() {
    let fixture = Fixture::auditing();
    assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Miss);
    fixture.changes();
    for _ in 0..100 {
        assert_eq!(fixture.reads(Operation::JobsList).await, Outcome::Hit);
    }
    tokio::time::sleep(COMPARED).await;
    assert_eq!(fixture.found(), (1, 1));

    let silent = Fixture::new(CacheSettings::default());
    assert_eq!(silent.reads(Operation::JobsList).await, Outcome::Miss);
    silent.changes();
    assert_eq!(silent.reads(Operation::JobsList).await, Outcome::Hit);
    tokio::time::sleep(COMPARED).await;
    assert_eq!(silent.found(), (0, 0));
}
