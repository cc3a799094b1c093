//! What readers see: hits and misses, what events drop, and a service that is away.

use std::io;
use std::time::Duration;

use tenancy::{Clock as _, EventKind, SystemClock};
use tenant_cache::{CacheError, Loaded, Operation, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fixture::{Fixture, eventually, tenant};
use crate::instance::{CHANGED, an, page_key, told};

pub(crate) async fn the_second_reader_is_answered_from_the_cache_on_every_instance(
    fixture: Fixture,
) {
    let (here, there, scope) = (fixture.instance().await, fixture.instance().await, tenant());
    let first = here.answer(&scope, "all", "first").await;
    let second = here.answer(&scope, "all", "never").await;
    here.waits_until_stored(&page_key(&scope, "all")).await;
    let third = there.answer(&scope, "all", "never").await;
    assert_eq!(told(&first), an(Outcome::Miss, "first"));
    for later in [second, third] {
        assert_eq!(told(&later), an(Outcome::Hit, "first"));
        assert_eq!(later.etag, first.etag);
    }
    let total = here.cache.statistics().total;
    assert_eq!((total.hits, total.misses, total.loads), (1, 1, 1));
    assert_eq!(there.cache.statistics().total.loads, 0);
}

pub(crate) async fn an_event_drops_what_its_policy_says_on_every_instance(fixture: Fixture) {
    let here = fixture.instance().await;
    let there = fixture.instance_without_process_level().await;
    let scope = tenant();
    for kind in Operation::JobsList.policy().dropped_by {
        for subject in [Some(Uuid::now_v7()), None] {
            here.reads(&scope, "old").await;
            here.cache.invalidate(&scope, *kind, subject).await.unwrap();
            assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"), "{kind}");
            here.cache.invalidate(&scope, *kind, subject).await.unwrap();
        }
    }
    here.reads(&scope, "kept").await;
    here.cache.invalidate(&scope, EventKind::MemberJoined, None).await.unwrap();
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "kept"));
}

pub(crate) async fn a_job_is_dropped_by_its_own_events_only(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let (this, that) = (Uuid::now_v7(), Uuid::now_v7());
    for job in [this, that] {
        assert_eq!(here.reads_job(&scope, job).await, Outcome::Miss);
    }
    here.cache.invalidate(&scope, CHANGED, Some(this)).await.unwrap();
    assert_eq!(here.reads_job(&scope, this).await, Outcome::Miss);
    assert_eq!(here.reads_job(&scope, that).await, Outcome::Hit);
}

pub(crate) async fn tenants_neither_share_values_nor_invalidations(fixture: Fixture) {
    let (here, a, b) = (fixture.instance().await, tenant(), tenant());
    assert_eq!(here.reads(&a, "of a").await, an(Outcome::Miss, "of a"));
    assert_eq!(here.reads(&b, "of b").await, an(Outcome::Miss, "of b"));
    here.cache.invalidate(&a, CHANGED, None).await.unwrap();
    here.cache.invalidate(&a, EventKind::TenantSuspended, None).await.unwrap();
    assert_eq!(here.reads(&b, "never").await, an(Outcome::Hit, "of b"));
    assert_eq!(here.reads(&a, "again").await, an(Outcome::Miss, "again"));
}

pub(crate) async fn a_value_ends_with_its_own_last_instant(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let last = SystemClock.now() + Duration::from_millis(1_500);
    let read = async |value: &'static str, not_after: Option<OffsetDateTime>| {
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::until(value, not_after))) };
        let key = Operation::JobsStats.key(&scope).build();
        let answer = here.cache.get_or_load(&scope, Operation::JobsStats, key, &[], load).await;
        let asked_at = SystemClock.now();
        (told(&answer.unwrap().unwrap()), asked_at)
    };
    let (first, _) = read("old", Some(last)).await;
    assert_eq!(first, an(Outcome::Miss, "old"));
    let (second, read_at) = read("new", None).await;
    assert!(read_at >= last || second == an(Outcome::Hit, "old"), "{second:?}");
    eventually("its time is over", async || {
        let before = SystemClock.now();
        let ((_, value), _) = read("new", None).await;
        assert!(before < last || value == "new", "served after its last instant");
        value == "new"
    })
    .await;
}

pub(crate) async fn absence_is_kept_until_something_comes_to_be_and_errors_are_not_kept(
    fixture: Fixture,
) {
    let (here, scope) = (fixture.instance().await, tenant());
    let (cache, key) = (&here.cache, || page_key(&scope, "all"));
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
    assert_eq!(here.reads(&scope, "there").await, an(Outcome::Miss, "there"));
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "there"));
}

pub(crate) async fn a_service_that_is_away_is_bypassed_and_never_taken_for_a_miss(
    fixture: Fixture,
) {
    let (here, scope) = (fixture.instance_without_process_level().await, tenant());
    here.reads(&scope, "before").await;
    here.waits_until_stored(&page_key(&scope, "all")).await;
    here.loses_its_way();
    let during = here.reads(&scope, "from the database").await;
    assert_eq!(during, an(Outcome::Bypass, "from the database"));
    here.way.heal();
    // What was loaded during the outage was not stored; what was there before still holds.
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "before"));
    assert!(here.cache.statistics().provider_errors >= 1);
}

pub(crate) async fn damaged_values_are_misses(fixture: Fixture) {
    let (here, scope) = (fixture.instance_without_process_level().await, tenant());
    let key = page_key(&scope, "all");
    here.reads(&scope, "sound").await;
    here.waits_until_stored(&key).await;
    let sound = here.stored(&key).await.unwrap();
    let mut before = "sound".to_owned();
    for length in [0, 4, 20, sound.len() / 2] {
        let value = format!("loaded in place of {length} bytes");
        // The load before has stored its value and may not have ended: it answers whoever comes.
        eventually("the damaged one is loaded anew", async || {
            here.puts(&key, sound.slice(..length)).await;
            let answer = here.reads(&scope, &value).await.1;
            assert!(answer == value || answer == before, "{answer}");
            answer == value
        })
        .await;
        eventually("the sound one is stored", async || {
            here.stored(&key).await.is_some_and(|stored| stored.len() > length)
        })
        .await;
        before = value;
    }
}
