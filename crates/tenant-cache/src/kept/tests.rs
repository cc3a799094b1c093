use std::convert::Infallible;

use redis_provider::{MemoryProvider, MemorySettings};
use tenancy::{Clock, Evidence, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::{CacheSettings, Loaded, Operation};

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope() -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::nil());
    TenantScope::from_verified(tenant, "org_a".parse().unwrap(), Evidence::SystemTask("test"))
}

/// A cache that keeps a value of so many bytes under a key.
async fn keeping(bytes: usize) -> (TenantCache, TenantKey) {
    let provider = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let cache = TenantCache::new(provider, Arc::new(Noon), CacheSettings::default());
    let key = Operation::JobsList.key(&scope()).part("all").build();
    let load = move || async move { Ok::<_, Infallible>(Some(Loaded::new("x".repeat(bytes)))) };
    let answer = cache.get_or_load(&scope(), Operation::JobsList, key.clone(), &[], load).await;
    assert_eq!(answer.unwrap().unwrap().outcome, Outcome::Miss);
    (cache, key)
}

#[tokio::test(start_paused = true)]
async fn a_whole_hit_allocates_nothing() {
    for bytes in [10, 100_000] {
        let (cache, key) = keeping(bytes).await;
        let scope = scope();
        // The first one gives the thread its number.
        let first = cache.cached(&scope, &key).unwrap();
        assert_eq!(first.gzip.is_some(), bytes > 1024);
        let hits = allocation_counter::measure(|| {
            assert!((0..1000).all(|_| cache.cached(&scope, &key).is_some()));
        });
        assert_eq!(hits.count_total, 0, "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn twins_share_bytes_and_count_references_apart() {
    let (cache, key) = keeping(100_000).await;
    let first = cache.shared().shelves.get(&key).unwrap();
    let (one, other) = (Kept::twin(&first), Kept::twin(&first));
    assert_eq!(one.content, other.content);
    assert_eq!(one.content.body.as_ptr(), other.content.body.as_ptr());
    let _held = Arc::clone(&one.content);
    assert_eq!((Arc::strong_count(&one.content), Arc::strong_count(&other.content)), (2, 1));
    let bytes = &one.content.body;
    let mut again = None;
    let count = allocation_counter::measure(|| again = Some(apart(bytes)));
    // The count and what is owned, each on two cache lines; the bytes themselves are not among them.
    assert_eq!((count.count_current, count.bytes_current), (1, 256));
}

#[tokio::test(start_paused = true)]
async fn a_twin_weighs_what_it_takes() {
    for bytes in [10, 100_000] {
        let (cache, key) = keeping(bytes).await;
        let first = cache.shared().shelves.get(&key).unwrap();
        let mut twin = None;
        let allocated = allocation_counter::measure(|| twin = Some(Kept::twin(&first)));
        let percent = usize::try_from(allocated.bytes_current).unwrap() * 100 / first.twin_weight();
        assert!((70..=100).contains(&percent), "{allocated:?} for {}", first.twin_weight());
    }
}
