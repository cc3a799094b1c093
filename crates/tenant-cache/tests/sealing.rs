//! Putting back what was there before, and what the leases then do, to the millisecond: a test has to
//! hold the clock. What else somebody with access to the service can do is tested on every kind of Redis.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{MemoryProvider, MemorySettings, RedisProvider, SetOptions};
use tenancy::{EventKind, Evidence, SystemClock, TenantId, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, KeyRing, Loaded, Operation, Outcome, TenantCache};
use uuid::Uuid;

const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
const SECRET: &str = "born on the first of April";

type Provider = Arc<MemoryProvider>;

fn provider() -> Provider {
    Arc::new(MemoryProvider::new(MemorySettings::default()))
}

/// An instance with these keys.
fn instance(provider: &Provider, keys: &str) -> TenantCache {
    let ring = KeyRing::parse(&keys.into()).unwrap();
    let (provider, clock) = (Arc::clone(provider) as _, Arc::new(SystemClock));
    TenantCache::with_keys(provider, clock, CacheSettings::default(), Some(ring)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

fn key(scope: &TenantScope, part: &str) -> TenantKey {
    Operation::SealedProbe.key(scope).part(part).build()
}

async fn read(cache: &TenantCache, scope: &TenantScope, part: &str) -> CachedAnswer {
    let value = format!("{SECRET}, {} {part}", scope.org());
    let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
    let answer = cache.get_or_load(scope, Operation::SealedProbe, key(scope, part), &[], load);
    answer.await.unwrap().unwrap()
}

/// Reads, and expects the right value whatever has happened to the stored one.
async fn outcome(cache: &TenantCache, scope: &TenantScope, part: &str) -> Outcome {
    let answer = read(cache, scope, part).await;
    let value: String = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(value, format!("{SECRET}, {} {part}", scope.org()));
    answer.outcome
}

async fn stored(provider: &Provider, scope: &TenantScope, part: &str) -> Bytes {
    provider.get(key(scope, part).as_str()).await.unwrap().unwrap()
}

async fn store(provider: &Provider, scope: &TenantScope, part: &str, value: Bytes) {
    let options = SetOptions::with_ttl(Duration::from_secs(30));
    provider.set(key(scope, part).as_str(), value, options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_put_back_with_its_generations_is_a_miss_and_recorded() {
    let (provider, scope) = (provider(), scope("org_a"));
    let cache = instance(&provider, NEW);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    let generation = scope.tenant_generation_key();
    let (old, old_stamp) =
        (stored(&provider, &scope, "x").await, provider.get(&generation).await.unwrap().unwrap());
    // Stamps are of the real clock.
    std::thread::sleep(Duration::from_millis(1));
    cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Hit);

    // Everything as it was before the invalidation; the stamps known are not relied on any more.
    let puts_back = async || {
        store(&provider, &scope, "x", old.clone()).await;
        provider.set(&generation, old_stamp.clone(), SetOptions::default()).await.unwrap();
    };
    puts_back().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(
        outcome(&cache, &scope, "x").await,
        Outcome::Bypass,
        "it may be a replica that lags"
    );
    assert_eq!(cache.refused_values().turned_back, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Bypass);
    assert_eq!(cache.refused_values().turned_back, 1);
    // It has got a new stamp, and the old value is recognized as well.
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    assert_eq!(cache.refused_values().replayed, 1);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Hit);
    assert_ne!(provider.get(&generation).await.unwrap().unwrap(), old_stamp);
}
