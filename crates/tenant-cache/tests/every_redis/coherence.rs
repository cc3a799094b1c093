//! What is kept in the process: found without asking anybody, and never for longer than it is
//! right.

use std::time::Duration;

use tenancy::{EventKind, TenantScope};
use tenant_cache::{CacheSettings, Outcome};
use tokio::time::Instant;

use crate::fixture::{Fixture, LIMIT, eventually, tenant};
use crate::instance::{CHANGED, Instance, an, page_key};

const LEASE: Duration = Duration::from_secs(1);

/// Leases that do not end by themselves within a test.
fn with_long_leases() -> CacheSettings {
    CacheSettings { process_lease: 2 * LIMIT, ..CacheSettings::default() }
}

pub(crate) async fn a_kept_value_is_given_without_asking_until_its_lease_ends(fixture: Fixture) {
    let (here, scope) = (fixture.instance_out_of_touch(CacheSettings::default()).await, tenant());
    assert_eq!(here.reads(&scope, "value").await, an(Outcome::Miss, "value"));
    here.waits_until_stored(&page_key(&scope, "all")).await;
    let calls_of_a_read = async || {
        let before = here.asked.calls();
        assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "value"));
        here.asked.calls() - before
    };
    // A busy machine may let a lease end between two lines of this; not always.
    eventually("the lease is renewed for one question", async || {
        tokio::time::sleep(LEASE).await;
        let began = Instant::now();
        let calls = [calls_of_a_read().await, calls_of_a_read().await, calls_of_a_read().await];
        assert!(calls == [1, 0, 0] || began.elapsed() >= LEASE, "{calls:?}");
        calls == [1, 0, 0]
    })
    .await;
    assert_eq!(here.cache.statistics().total.loads, 1);
    assert!(here.cache.statistics().total.hits_in_process >= 2);
}

pub(crate) async fn an_own_write_is_seen_at_once(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    for value in ["one", "two", "three"] {
        here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
        assert_eq!(here.reads(&scope, value).await, an(Outcome::Miss, value));
        assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, value));
    }
    here.cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(here.reads(&scope, "four").await, an(Outcome::Miss, "four"));
}

pub(crate) async fn an_own_write_that_failed_is_seen_at_once(fixture: Fixture) {
    let (here, scope) = (fixture.instance_with(with_long_leases()).await, tenant());
    here.reads(&scope, "old").await;
    here.loses_its_way();
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    here.way.heal();
    assert_ne!(here.reads(&scope, "newer").await.1, "old");
}

pub(crate) async fn a_write_elsewhere_is_seen_by_message(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let there = fixture.instance_with(with_long_leases()).await;
    relies_on(&there, &scope, "old").await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    eventually("the message ends the lease", async || {
        there.reads(&scope, "new").await == an(Outcome::Miss, "new")
    })
    .await;
}

pub(crate) async fn a_gap_in_the_messages_ends_every_lease(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let there = fixture.instance_with(with_long_leases()).await;
    relies_on(&there, &scope, "old").await;
    there.way.drop_messages(true);
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(there.reads(&scope, "never").await, an(Outcome::Hit, "old"), "within the lease");
    there.way.open_gap();
    eventually("the gap ends the lease", async || {
        there.reads(&scope, "new").await == an(Outcome::Miss, "new")
    })
    .await;
}

pub(crate) async fn a_write_elsewhere_is_seen_within_the_lease_when_its_message_is_lost(
    fixture: Fixture,
) {
    let (here, there) = (fixture.instance().await, fixture.instance().await);
    let scope = tenant();
    there.way.drop_messages(true);
    there.reads(&scope, "old").await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    let written = Instant::now();
    eventually("the lease ends", async || {
        let asked = Instant::now();
        let value = there.reads(&scope, "new").await.1;
        assert!(asked < written + LEASE || value == "new", "relied on for longer than the lease");
        value == "new"
    })
    .await;
}

pub(crate) async fn a_busy_reader_relies_on_nothing_for_longer_than_the_lease(fixture: Fixture) {
    let here = fixture.instance().await;
    let there = fixture.instance_out_of_touch(CacheSettings::default()).await;
    let scope = tenant();
    there.reads(&scope, "old").await;
    here.cache.invalidate(&scope, EventKind::TenantSuspended, None).await.unwrap();
    let written = Instant::now();
    // Misses and hits of other keys, which depend on the same tenant's generation.
    for number in 0.. {
        there.answer(&scope, &format!("{}", number / 2), "other").await;
        if written.elapsed() >= LEASE {
            break;
        }
        tokio::time::sleep(LEASE / 20).await;
    }
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

/// Reads until the value is answered without asking, so that only news can end that.
async fn relies_on(instance: &Instance, scope: &TenantScope, value: &str) {
    eventually("it is answered without asking", async || {
        let before = instance.asked.calls();
        assert_eq!(instance.reads(scope, value).await.1, value);
        instance.asked.calls() == before
    })
    .await;
}
