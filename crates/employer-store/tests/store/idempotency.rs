//! A repeated POST gets the answer of the first one.

use employer_store::idempotency::{self, Idempotency, StoredResponse};
use employer_store::jobs::{self, JobFilter};
use tenancy::JobView;
use time::{Duration, OffsetDateTime};

use crate::support::{Store, a_job};

const ROUTE: &str = "POST /api/jobs";

fn response() -> StoredResponse {
    StoredResponse {
        status: 201,
        headers: vec![("etag".to_owned(), "\"1\"".to_owned())],
        body: b"{\"id\":1}\0".to_vec(),
    }
}

async fn database_now(store: &Store) -> OffsetDateTime {
    let mut superuser = store.superuser().await;
    sqlx::query_scalar("SELECT now()").fetch_one(&mut superuser).await.unwrap()
}

#[tokio::test]
async fn a_key_is_fresh_in_flight_and_then_answered_again() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let tomorrow = database_now(&store).await + Duration::days(1);
    let body = [7; 32];

    let mut first = store.begin(&tenant).await;
    let begun = idempotency::begin(&mut first, ROUTE, "k", &body).await.unwrap();
    assert_eq!(begun, Idempotency::Fresh);

    let mut second = store.begin(&tenant).await;
    let busy = idempotency::begin(&mut second, ROUTE, "k", &body).await.unwrap();
    assert_eq!(busy, Idempotency::InFlight);
    let other_key = idempotency::begin(&mut second, ROUTE, "other", &body).await.unwrap();
    assert_eq!(other_key, Idempotency::Fresh);

    idempotency::store(&mut first, ROUTE, "k", &body, &response(), tomorrow).await.unwrap();
    first.commit().await.unwrap();
    let replay = idempotency::begin(&mut second, ROUTE, "k", &body).await.unwrap();
    assert_eq!(replay, Idempotency::Replay(response()));
    let mismatch = idempotency::begin(&mut second, ROUTE, "k", &[8; 32]).await.unwrap();
    assert_eq!(mismatch, Idempotency::Mismatch);
    let elsewhere = idempotency::begin(&mut second, "POST /other", "k", &body).await.unwrap();
    assert_eq!(elsewhere, Idempotency::Fresh);

    let stranger = store.tenant().await;
    let mut theirs = store.begin(&stranger).await;
    let begun = idempotency::begin(&mut theirs, ROUTE, "k", &body).await.unwrap();
    assert_eq!(begun, Idempotency::Fresh, "keys belong to a tenant");
}

#[tokio::test]
async fn what_was_rolled_back_was_not_answered() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let tomorrow = database_now(&store).await + Duration::days(1);
    let mut tx = store.begin(&tenant).await;
    idempotency::begin(&mut tx, ROUTE, "k", &[7; 32]).await.unwrap();
    jobs::create_job(&mut tx, &a_job("Nurse")).await.unwrap();
    idempotency::store(&mut tx, ROUTE, "k", &[7; 32], &response(), tomorrow).await.unwrap();
    tx.rollback().await.unwrap();

    let mut again = store.begin(&tenant).await;
    let begun = idempotency::begin(&mut again, ROUTE, "k", &[7; 32]).await.unwrap();
    assert_eq!(begun, Idempotency::Fresh);
    let jobs = jobs::count_jobs(&mut again, JobView::All, &JobFilter::default()).await.unwrap();
    assert_eq!(jobs, 0);
}

#[tokio::test]
async fn an_expired_answer_is_forgotten_and_purged() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let now = database_now(&store).await;
    let (past, tomorrow) = (now - Duration::seconds(1), now + Duration::days(1));
    for (key, expires_at) in [("old", past), ("new", tomorrow)] {
        let mut tx = store.begin(&tenant).await;
        idempotency::begin(&mut tx, ROUTE, key, &[7; 32]).await.unwrap();
        idempotency::store(&mut tx, ROUTE, key, &[7; 32], &response(), expires_at).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = store.begin(&tenant).await;
    let begun = idempotency::begin(&mut tx, ROUTE, "old", &[9; 32]).await.unwrap();
    assert_eq!(begun, Idempotency::Fresh, "a late repetition is a new request");
    idempotency::store(&mut tx, ROUTE, "old", &[9; 32], &response(), past).await.unwrap();
    tx.commit().await.unwrap();

    assert!(idempotency::purge_expired(&store.worker, now).await.unwrap() >= 1);
    let mut tx = store.begin(&tenant).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys")
        .fetch_one(employer_store::testing::connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(left, 1);
}
