//! Events leave with the transaction that caused them, and are told by one worker at a time.

use std::collections::HashSet;
use std::time::Duration;

use employer_store::feed;
use employer_store::outbox::{self, Claim, Waiting};
use employer_store::testing::TestTenant;
use employer_store::{OutboxEvent, jobs};
use tenancy::{EventKind, TenantId};

use crate::feed::SETTINGS;
use crate::support::{Store, a_job};

/// Earlier runs may have left events behind: only the tenant's own count.
fn of(tenant: &TestTenant, events: &[OutboxEvent]) -> Vec<i64> {
    let wanted: TenantId = tenant.scope.tenant();
    events.iter().filter(|event| event.tenant == wanted).map(|event| event.id).collect()
}

async fn claim_all(store: &Store) -> Claim {
    outbox::claim(&store.worker, 100_000, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn an_event_is_committed_with_its_cause_and_rolled_back_with_it() {
    let store = Store::open_for("events").await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    jobs::create_job(&mut tx, &a_job("Given up")).await.unwrap();
    tx.rollback().await.unwrap();

    let mut tx = store.begin(&tenant).await;
    let job = jobs::create_job(&mut tx, &a_job("Kept")).await.unwrap().summary;
    let events = tx.commit().await.unwrap();
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event.kind, EventKind::JobCreated);
    assert_eq!(event.subject, Some(job.id.as_uuid()));
    assert_eq!((event.tenant, &event.org), (tenant.scope.tenant(), tenant.scope.org()));

    let claim = claim_all(&store).await;
    let ours: Vec<&OutboxEvent> =
        claim.events().iter().filter(|e| e.tenant == tenant.scope.tenant()).collect();
    assert_eq!(ours, [event], "told as it was returned");
}

#[tokio::test]
async fn two_workers_never_hold_the_same_event() {
    let store = Store::open_for("workers").await;
    let tenant = store.tenant().await;
    let mut made = HashSet::new();
    for index in 0..20 {
        let mut tx = store.begin(&tenant).await;
        jobs::create_job(&mut tx, &a_job(&format!("Job {index}"))).await.unwrap();
        made.extend(tx.commit().await.unwrap().iter().map(|event| event.id));
    }
    let drain = async || {
        let mut told = Vec::new();
        loop {
            let claim = outbox::claim(&store.worker, 3, Duration::ZERO).await.unwrap();
            if claim.events().is_empty() {
                return told;
            }
            told.extend(of(&tenant, claim.events()));
            tokio::task::yield_now().await;
            claim.finish().await.unwrap();
        }
    };
    let (one, two, three) = tokio::join!(drain(), drain(), drain());
    let told = [one, two, three].concat();
    assert_eq!(told.len(), made.len(), "no event was told twice");
    assert_eq!(told.into_iter().collect::<HashSet<_>>(), made);
}

#[tokio::test]
async fn a_dropped_claim_is_claimed_again_and_an_acknowledged_event_is_not() {
    let store = Store::open_for("claims").await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    jobs::create_job(&mut tx, &a_job("Nurse")).await.unwrap();
    let ids: Vec<i64> = tx.commit().await.unwrap().iter().map(|event| event.id).collect();

    // Young events are left to the request that wrote them.
    let young = outbox::claim(&store.worker, 100_000, Duration::from_secs(600)).await.unwrap();
    assert_eq!(of(&tenant, young.events()), Vec::<i64>::new());
    drop(young);

    let held = claim_all(&store).await;
    assert_eq!(of(&tenant, held.events()), ids);
    let acknowledged = outbox::acknowledge(&store.worker, &ids).await.unwrap();
    assert_eq!(acknowledged, Vec::<i64>::new(), "a held event is its holder's");
    drop(held);

    // The claim is rolled back a moment after it was dropped.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut acknowledged = Vec::new();
    while acknowledged.is_empty() {
        acknowledged = outbox::acknowledge(&store.worker, &ids).await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "the event becomes free");
    }
    let claim = claim_all(&store).await;
    assert_eq!(of(&tenant, claim.events()), Vec::<i64>::new());
}

#[tokio::test]
async fn the_age_of_what_waits_is_known_until_both_lanes_are_through() {
    let store = Store::open_for("age").await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    jobs::create_job(&mut tx, &a_job("Nurse")).await.unwrap();
    let ids: Vec<i64> = tx.commit().await.unwrap().iter().map(|event| event.id).collect();
    let Waiting { to_act, to_tell, .. } = outbox::waiting(&store.worker).await.unwrap();
    for age in [to_act, to_tell] {
        assert!(age.is_some_and(|age| age < Duration::from_secs(60)), "{age:?}");
    }
    assert_eq!(outbox::acknowledge(&store.worker, &ids).await.unwrap(), ids);
    let waiting = outbox::waiting(&store.worker).await.unwrap();
    assert_eq!(waiting.to_act, None);
    assert!(waiting.to_tell.is_some(), "nobody has been told yet");
    let _ = feed::fan_out(&store.worker, &SETTINGS, None).await.unwrap();
    assert_eq!(outbox::waiting(&store.worker).await.unwrap(), Waiting::default());
}

#[tokio::test]
async fn a_row_goes_when_both_lanes_are_through_with_it_in_whichever_order() {
    let store = Store::open_for("lanes").await;
    let tenant = store.tenant().await;
    let mut superuser = store.superuser().await;
    for is_told_first in [true, false] {
        let mut tx = store.begin(&tenant).await;
        jobs::create_job(&mut tx, &a_job("Nurse")).await.unwrap();
        let id = tx.commit().await.unwrap()[0].id;
        let tell = async || {
            let taken = feed::fan_out(&store.worker, &SETTINGS, None).await.unwrap().taken;
            assert_eq!(taken, 1);
        };
        let act = async || {
            let claim = claim_all(&store).await;
            assert_eq!(of(&tenant, claim.events()), [id]);
            claim.finish().await.unwrap();
        };
        let mut rows = async || -> i64 {
            sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(&mut superuser)
                .await
                .unwrap()
        };
        if is_told_first {
            tell().await;
            assert_eq!(rows().await, 1);
            act().await;
        } else {
            act().await;
            assert_eq!(rows().await, 1);
            tell().await;
        }
        assert_eq!(rows().await, 0, "told first: {is_told_first}");
    }
}
