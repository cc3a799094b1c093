//! One tenant's hunger and another's hits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;

use redis_provider::{MemoryProvider, MemorySettings};
use tenancy::{Evidence, SystemClock, TenantId, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation, TenantCache};
use uuid::Uuid;

/// What the hungry one stores: more than the whole process keeps.
const BYTES: usize = 100 << 20;
const LARGE: usize = 100 << 10;

/// Pages of the modest one.
const PAGES: usize = 500;

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

fn page(scope: &TenantScope, number: usize) -> TenantKey {
    Operation::JobsList.key(scope).part(&number.to_string()).build()
}

async fn reads(cache: &TenantCache, scope: &TenantScope, number: usize, value: &Arc<str>) {
    let (loaded, key) = (value.to_string(), page(scope, number));
    let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(loaded))) };
    let answer = cache.get_or_load(scope, Operation::JobsList, key, &[], load).await;
    assert!(answer.unwrap().unwrap().body.len() >= value.len());
}

/// How many of the modest tenant's pages are answered without asking anybody.
fn hits_in_process(cache: &TenantCache, scope: &TenantScope) -> usize {
    (0..PAGES).filter(|number| cache.cached(scope, &page(scope, *number)).is_some()).count()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_megabytes_of_one_tenant_leave_the_hits_of_another_as_they_were() {
    let provider = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let settings = CacheSettings::default();
    let cache = TenantCache::new(provider, Arc::new(SystemClock), settings);
    let (modest, hungry) = (scope("org_modest"), scope("org_hungry"));
    let text = |bytes: usize| -> Arc<str> { "x".repeat(bytes).into() };
    let (small, large) = (text(1_000), text(LARGE));
    for number in 0..PAGES {
        reads(&cache, &modest, number, &small).await;
    }
    let before = hits_in_process(&cache, &modest);
    assert_eq!(before, PAGES, "everything that fits is kept");

    assert!(BYTES > settings.process_max_bytes);
    for number in 0..BYTES / LARGE {
        reads(&cache, &hungry, number, &large).await;
        if number % 100 == 0 {
            assert_eq!(hits_in_process(&cache, &modest), before, "after {number} large values");
        }
    }
    assert_eq!(hits_in_process(&cache, &modest), before);
    let statistics = cache.statistics();
    assert!(statistics.kept_evictions > 0, "the hungry one lost some of its own");
    assert_eq!(cache.tenant_statistics(&modest).0.loads, u64::try_from(PAGES).unwrap());
}
