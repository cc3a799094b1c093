//! An endpoint that is deleted is gone at once, and its log in small steps.

use std::time::Duration;

use employer_store::feed;
use employer_store::webhooks::queue::{self, Next};
use employer_store::webhooks::{self, Redelivery, upkeep};
use sqlx::Connection as _;
use tenancy::Role;
use tokio::time::timeout;

use crate::feed::SETTINGS;
use crate::support::{Store, a_job};
use crate::webhooks::{claim, endpoint, queue_up, result};

/// Less than statements may wait for each other.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn deleting_an_endpoint_waits_for_nobody_and_keeps_nobody_waiting() {
    let store = Store::open_for("hooksdelete").await;
    let tenant = store.tenant().await;
    let id = endpoint(&store, &tenant).await;
    queue_up(&store, &tenant, id, 2).await;
    let due = claim(&store).await;
    // Somebody writes down what came of an attempt: the delivery first, the endpoint after it.
    let mut superuser = store.superuser().await;
    let mut writing = superuser.begin().await.unwrap();
    let lock = sqlx::query("SELECT FROM webhook_deliveries WHERE event_id = $1 FOR UPDATE");
    lock.bind(due[0].event).execute(&mut *writing).await.unwrap();
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    let deleting = timeout(SOON, webhooks::delete(&mut tx, id)).await;
    assert!(deleting.expect("it does not wait for the log").unwrap());
    writing.rollback().await.unwrap();
    // While it is not committed, people are told, and attempts end.
    let _ = store.create(&tenant, &a_job("Nurse")).await;
    let telling = timeout(SOON, feed::fan_out(&store.worker, &SETTINGS, None)).await;
    assert_eq!(telling.expect("telling does not wait for it").unwrap().taken, 1);
    let taken = result(Next::Delivered);
    let recorded = timeout(SOON, queue::record(&store.worker, &due[0], &taken))
        .await
        .expect("nor does writing down");
    assert_eq!(recorded.unwrap(), None);
    drop(tx.commit().await.unwrap());
}

#[tokio::test]
async fn a_deleted_endpoint_is_gone_and_its_log_is_cleared_away_in_steps() {
    let store = Store::open_for("hookscleared").await;
    let (tenant, others) = (store.tenant().await, store.tenant().await);
    let (id, other) = (endpoint(&store, &tenant).await, endpoint(&store, &others).await);
    queue_up(&store, &tenant, id, 2_500).await;
    queue_up(&store, &others, other, 1).await;
    let due = claim(&store).await;
    let mine = due.iter().find(|one| one.endpoint == id).unwrap();
    queue::record(&store.worker, mine, &result(Next::Delivered)).await.unwrap();

    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    assert!(webhooks::delete(&mut tx, id).await.unwrap());
    assert!(!webhooks::delete(&mut tx, id).await.unwrap(), "there is none any more");
    assert_eq!(webhooks::find(&mut tx, id).await.unwrap(), None);
    assert_eq!(webhooks::list(&mut tx).await.unwrap(), []);
    let again = webhooks::redeliver(&mut tx, id, mine.event).await.unwrap();
    assert_eq!(again, Redelivery::NotFound);
    assert_eq!(webhooks::ping(&mut tx, id).await.unwrap(), None);
    let rotated = webhooks::rotate_secret(&mut tx, id, &[8; 64], SOON).await.unwrap();
    assert_eq!(rotated, None);
    drop(tx.commit().await.unwrap());
    assert!(claim(&store).await.iter().all(|one| one.endpoint != id), "nothing is sent to it");
    let _ = store.create(&tenant, &a_job("Nurse")).await;
    assert!(!feed::fan_out(&store.worker, &SETTINGS, None).await.unwrap().has_webhooks);

    let mut steps = Vec::new();
    while let cleared = upkeep::clear_deleted(&store.worker).await.unwrap()
        && cleared > 0
    {
        steps.push(cleared);
    }
    assert_eq!(steps, [1_000, 1_000, 500]);
    let rows = async |of: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {of}");
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
        query.fetch_one(&mut store.superuser().await).await.unwrap()
    };
    assert_eq!((rows("webhook_deliveries").await, rows("webhook_attempts").await), (1, 0));
    // Somebody may still be queueing something for it.
    assert_eq!(rows("webhook_endpoints").await, 2);
    sqlx::query("UPDATE webhook_endpoints SET deleted_at = deleted_at - interval '1 hour'")
        .execute(&mut store.superuser().await)
        .await
        .unwrap();
    assert_eq!(upkeep::clear_deleted(&store.worker).await.unwrap(), 0);
    assert_eq!(rows("webhook_endpoints").await, 1, "the other tenant's");
}
