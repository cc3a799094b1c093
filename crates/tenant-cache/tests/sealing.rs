//! What somebody with access to the provider can do to sensitive values: make them misses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider, SetOptions};
use tenancy::{EventKind, Evidence, SystemClock, TenantId, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, KeyRing, Loaded, Operation, Outcome, TenantCache};
use uuid::Uuid;

const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
const SECRET: &str = "born on the first of April";

/// Where the generations end in a stored value that depends on four.
const GENERATIONS_END: usize = 3 + 4 * 32;

type Provider = Arc<FaultyRedis>;

fn provider() -> Provider {
    Arc::new(FaultyRedis::new(Arc::new(MemoryProvider::new(MemorySettings::default()))))
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

#[tokio::test]
async fn the_provider_sees_no_plain_text() {
    let (provider, scope) = (provider(), scope("org_a"));
    let cache = instance(&provider, NEW);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Hit);
    let stored = stored(&provider, &scope, "x").await;
    assert!(!String::from_utf8_lossy(&stored).contains("April"));
}

#[tokio::test]
async fn swapped_values_are_misses_and_counted() {
    let provider = provider();
    let (a, b) = (scope("org_a"), scope("org_b"));
    let cache = instance(&provider, NEW);
    for scope in [&a, &b] {
        assert_eq!(outcome(&cache, scope, "x").await, Outcome::Miss);
    }
    let (of_a, of_b) = (stored(&provider, &a, "x").await, stored(&provider, &b, "x").await);
    store(&provider, &a, "x", of_b).await;
    store(&provider, &b, "x", of_a.clone()).await;
    store(&provider, &a, "y", of_a).await;
    for (scope, part) in [(&a, "x"), (&b, "x"), (&a, "y")] {
        assert_eq!(outcome(&cache, scope, part).await, Outcome::Miss);
        assert_eq!(outcome(&cache, scope, part).await, Outcome::Hit, "it was stored anew");
    }
    assert_eq!(cache.refused_values().wrong_place, 3);
}

#[tokio::test]
async fn any_flipped_byte_is_a_miss() {
    let (provider, scope) = (provider(), scope("org_a"));
    let cache = instance(&provider, NEW);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    let whole = stored(&provider, &scope, "x").await;
    for position in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[position] ^= 0x10;
        store(&provider, &scope, "x", changed.into()).await;
        assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss, "byte {position}");
    }
    let refused = cache.refused_values();
    let all = refused.other_version
        + refused.damaged
        + refused.unknown_key
        + refused.wrong_place
        + refused.not_sealed
        + refused.too_large;
    assert_eq!(all, u64::try_from(whole.len()).unwrap());
    assert_eq!(refused.other_version, 1);
}

#[tokio::test]
async fn a_value_of_before_an_invalidation_cannot_be_brought_back() {
    let (provider, scope) = (provider(), scope("org_a"));
    let cache = instance(&provider, NEW);
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    let old = stored(&provider, &scope, "x").await;
    cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    let new = stored(&provider, &scope, "x").await;

    store(&provider, &scope, "x", old.clone()).await;
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    // With the generations of the new one in the head of the old one.
    let forged = [&new[..GENERATIONS_END], &old[GENERATIONS_END..]].concat();
    store(&provider, &scope, "x", forged.into()).await;
    assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    assert_eq!(cache.refused_values().damaged, 1);
}

#[tokio::test]
async fn without_keys_nothing_sensitive_is_stored() {
    let (provider, scope) = (provider(), scope("org_a"));
    let clock = Arc::new(SystemClock);
    let cache = TenantCache::new(Arc::clone(&provider) as _, clock, CacheSettings::default());
    for _ in 0..2 {
        assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Miss);
    }
    assert_eq!(provider.get(key(&scope, "x").as_str()).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_sensitive_is_kept_for_an_outage() {
    let (provider, scope) = (provider(), scope("org_a"));
    let cache = instance(&provider, NEW);
    let unavailable = RedisError::Unavailable("test".to_owned());
    provider.inject_times("get_many", Fault::Fail(unavailable), 2);
    for _ in 0..2 {
        assert_eq!(outcome(&cache, &scope, "x").await, Outcome::Bypass, "never stale");
    }
}

/// Readers go on while the instances are rolled: one that only knows the old key, one that knows
/// both, one that seals with the new one, one that knows the new one alone.
#[tokio::test]
async fn rotating_the_key_costs_no_miss_and_seals_everything_anew() {
    const VALUES: usize = 40;
    let (provider, scope) = (provider(), scope("org_a"));
    let loads = Arc::new(AtomicUsize::new(0));
    let steps = [OLD.to_owned(), format!("{OLD},{NEW}"), format!("{NEW},{OLD}"), NEW.to_owned()];
    let mut previous = instance(&provider, &steps[0]);
    for keys in &steps {
        let rolled = instance(&provider, keys);
        // Both releases serve for a while, at the same time.
        for cache in [&previous, &rolled, &rolled] {
            for value in 0..VALUES {
                let load_count = Arc::clone(&loads);
                let load = move || async move {
                    load_count.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, io::Error>(Some(Loaded::new(value)))
                };
                let key = key(&scope, &value.to_string());
                let answer = cache.get_or_load(&scope, Operation::SealedProbe, key, &[], load);
                let answer = answer.await.unwrap().unwrap();
                assert_eq!(answer.body, value.to_string());
                // Nobody waits for a value to be sealed anew.
                tokio::task::yield_now().await;
            }
        }
        previous.drain().await;
        previous = rolled;
    }
    assert_eq!(loads.load(Ordering::Relaxed), VALUES, "each was loaded once, and never again");
    for value in 0..VALUES {
        let stored = stored(&provider, &scope, &value.to_string()).await;
        // Behind the place, a length, and then the name of the key.
        assert_eq!(&stored[GENERATIONS_END + 8 + 1..][..3], b"new");
    }
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
