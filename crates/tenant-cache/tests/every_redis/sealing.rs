//! What somebody with access to the service can do to sensitive values: make them misses.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::SetOptions;
use tenancy::{EventKind, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation, Outcome};
use tokio::time::Instant;

use crate::fixture::{Fixture, eventually, tenant};
use crate::instance::{Instance, away, told};

pub(crate) const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
pub(crate) const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
const SECRET: &str = "born on the first of April";

/// Where the generations begin in a stored value, behind their number, and what each of them takes.
const GENERATIONS: usize = 3;
const STAMP_BYTES: usize = 32;

pub(crate) fn key(scope: &TenantScope, part: &str) -> TenantKey {
    Operation::SealedProbe.key(scope).part(part).build()
}

/// Where the generations of a stored value end.
fn generations_end(stored: &Bytes) -> usize {
    GENERATIONS + usize::from(stored[GENERATIONS - 1]) * STAMP_BYTES
}

/// The name of the key that a stored value is sealed with: behind the place, a length, and then it.
pub(crate) fn sealed_with(stored: &Bytes) -> String {
    let start = generations_end(stored) + 8;
    let length = usize::from(stored[start]);
    String::from_utf8(stored[start + 1..][..length].to_vec()).expect("a name")
}

impl Instance {
    /// Reads a sensitive value, and expects the right one whatever has happened to the stored one.
    /// A value that had to be loaded is stored when this returns.
    async fn outcome(&self, scope: &TenantScope, part: &str) -> Outcome {
        let value = format!("{SECRET}, {} {part}", scope.org());
        let (loaded, key) = (value.clone(), key(scope, part));
        let before = self.service.get(key.as_str()).await.unwrap();
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(loaded))) };
        let operation = Operation::SealedProbe;
        let answer = self.cache.get_or_load(scope, operation, key.clone(), &[], load).await;
        let answer = answer.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<String>(&answer.body).unwrap(), value);
        if answer.outcome == Outcome::Miss {
            eventually("it is stored", async || self.stored(&key).await != before).await;
            self.waits_until_idle().await;
        }
        answer.outcome
    }
}

pub(crate) async fn the_service_sees_no_plain_text(fixture: Fixture) {
    let (here, scope) = (fixture.instance_with_keys(NEW).await, tenant());
    assert_eq!(here.outcome(&scope, "x").await, Outcome::Miss);
    assert_eq!(here.outcome(&scope, "x").await, Outcome::Hit);
    let stored = here.stored(&key(&scope, "x")).await.unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("April"));
}

pub(crate) async fn swapped_values_are_misses_and_counted(fixture: Fixture) {
    let (here, a, b) = (fixture.instance_with_keys(NEW).await, tenant(), tenant());
    for scope in [&a, &b] {
        assert_eq!(here.outcome(scope, "x").await, Outcome::Miss);
    }
    let of_a = here.stored(&key(&a, "x")).await.unwrap();
    let of_b = here.stored(&key(&b, "x")).await.unwrap();
    here.puts(&key(&a, "x"), of_b).await;
    here.puts(&key(&b, "x"), of_a.clone()).await;
    here.puts(&key(&a, "y"), of_a).await;
    for (scope, part) in [(&a, "x"), (&b, "x"), (&a, "y")] {
        assert_eq!(here.outcome(scope, part).await, Outcome::Miss);
        assert_eq!(here.outcome(scope, part).await, Outcome::Hit, "it was stored anew");
    }
    assert_eq!(here.cache.refused_values().wrong_place, 3);
}

pub(crate) async fn any_flipped_byte_is_a_miss(fixture: Fixture) {
    let (here, scope) = (fixture.instance_with_keys(NEW).await, tenant());
    assert_eq!(here.outcome(&scope, "x").await, Outcome::Miss);
    let whole = here.stored(&key(&scope, "x")).await.unwrap();
    for position in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[position] ^= 0x10;
        here.puts(&key(&scope, "x"), changed.into()).await;
        assert_eq!(here.outcome(&scope, "x").await, Outcome::Miss, "byte {position}");
    }
    let refused = here.cache.refused_values();
    let all = refused.other_version
        + refused.damaged
        + refused.unknown_key
        + refused.wrong_place
        + refused.not_sealed
        + refused.too_large;
    assert_eq!(all, u64::try_from(whole.len()).unwrap());
    assert_eq!(refused.other_version, 1);
}

pub(crate) async fn a_value_of_before_an_invalidation_cannot_be_brought_back(fixture: Fixture) {
    let (here, there) =
        (fixture.instance_with_keys(NEW).await, fixture.instance_with_keys(NEW).await);
    let scope = tenant();
    let key = key(&scope, "x");
    assert_eq!(here.outcome(&scope, "x").await, Outcome::Miss);
    let old = here.stored(&key).await.unwrap();
    here.cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(here.outcome(&scope, "x").await, Outcome::Miss);
    let new = here.stored(&key).await.unwrap();

    for reader in [&here, &there] {
        reader.puts(&key, old.clone()).await;
        assert_eq!(reader.outcome(&scope, "x").await, Outcome::Miss);
        // With the generations of the new one in the head of the old one.
        let end = generations_end(&new);
        let forged = [&new[..end], &old[end..]].concat();
        reader.puts(&key, forged.into()).await;
        assert_eq!(reader.outcome(&scope, "x").await, Outcome::Miss);
        assert_eq!(reader.cache.refused_values().damaged, 1);
    }
}

/// A value with the generation that it was sealed under, both from before an invalidation: what
/// this process has seen since tells it that time does not go back.
pub(crate) async fn what_is_put_back_with_its_generations_is_never_data(fixture: Fixture) {
    let (here, scope) = (fixture.instance_with_keys(NEW).await, tenant());
    let (key, generation) = (key(&scope, "x"), scope.tenant_generation_key());
    let read = async |value: &'static str| {
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
        let operation = Operation::SealedProbe;
        let answer = here.cache.get_or_load(&scope, operation, key.clone(), &[], load).await;
        told(&answer.unwrap().unwrap()).1
    };
    assert_eq!(read("old").await, "old");
    here.waits_until_stored(&key).await;
    let (old, stamp) =
        (here.stored(&key).await.unwrap(), here.service.get(&generation).await.unwrap().unwrap());
    here.cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(read("new").await, "new");
    here.waits_until_idle().await;

    let began = Instant::now();
    while began.elapsed() < 2 * CacheSettings::default().process_lease {
        here.service.set(&generation, stamp.clone(), SetOptions::default()).await.unwrap();
        here.puts(&key, old.clone()).await;
        assert_eq!(read("new").await, "new");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn without_keys_nothing_sensitive_is_stored(fixture: Fixture) {
    let here = fixture.instance_out_of_touch(CacheSettings::default()).await;
    let scope = tenant();
    let key = key(&scope, "x");
    for _ in 0..2 {
        let load = || async { Ok::<_, io::Error>(Some(Loaded::new(SECRET))) };
        let operation = Operation::SealedProbe;
        let answer = here.cache.get_or_load(&scope, operation, key.clone(), &[], load).await;
        assert_eq!(answer.unwrap().unwrap().outcome, Outcome::Miss);
        here.waits_until_idle().await;
    }
    here.cache.drain().await;
    assert_eq!(here.stored(&key).await, None);
}

pub(crate) async fn nothing_sensitive_is_kept_for_an_outage(fixture: Fixture) {
    let (here, scope) = (fixture.instance_with_keys(NEW).await, tenant());
    here.way.inject_times("get_many", away(), 2);
    for _ in 0..2 {
        assert_eq!(here.outcome(&scope, "x").await, Outcome::Bypass, "never stale");
    }
}
