//! The queue of webhooks: shared out fairly, held for a while, and written down by whoever holds it.

use std::time::Duration;

use employer_store::testing::{NewTenant, TestTenant};
use employer_store::webhooks::queue::{self, AttemptResult, ClaimBounds, DueDelivery, Next};
use employer_store::webhooks::{self, Disabled, EndpointStatus, NewEndpoint};
use tenancy::{Role, WebhookId};
use uuid::Uuid;

use crate::support::Store;

const BOUNDS: ClaimBounds =
    ClaimBounds { limit: 50, per_endpoint: 4, per_tenant: 8, lease: Duration::from_secs(60) };

pub(crate) async fn endpoint(store: &Store, tenant: &TestTenant) -> WebhookId {
    let owner = tenant.member(Role::Owner).unwrap();
    let id = WebhookId::from_uuid(Uuid::now_v7());
    let mut tx = store.begin_as(tenant, Role::Owner).await;
    let new = NewEndpoint {
        id,
        url: "https://receiver.invalid/",
        description: "",
        kinds: &[],
        sealed_secret: &[7; 64],
        creator: owner.user,
    };
    webhooks::create(&mut tx, &new, 20).await.unwrap().unwrap();
    drop(tx.commit().await.unwrap());
    id
}

pub(crate) async fn queue_up(store: &Store, tenant: &TestTenant, endpoint: WebhookId, count: i32) {
    let insert = "INSERT INTO webhook_deliveries (tenant_id, endpoint_id, event_id, kind, body)
                  SELECT $1, $2, gen_random_uuid(), 'job.created', '{}'
                  FROM generate_series(1, $3)";
    let query = sqlx::query(insert).bind(tenant.scope.tenant().as_uuid());
    let query = query.bind(endpoint.as_uuid()).bind(count);
    query.execute(&mut store.superuser().await).await.unwrap();
}

pub(crate) async fn claim(store: &Store) -> Vec<DueDelivery> {
    queue::claim(&store.worker, BOUNDS).await.unwrap()
}

pub(crate) fn result(next: Next) -> AttemptResult {
    AttemptResult {
        outcome: if next == Next::Delivered { "delivered" } else { "refused" },
        status_code: Some(500),
        answer: String::new(),
        duration: Duration::from_millis(5),
        next,
        rest: Duration::ZERO,
        patience: Duration::from_secs(3_600),
    }
}

fn counts(due: &[DueDelivery], endpoint: WebhookId) -> usize {
    due.iter().filter(|one| one.endpoint == endpoint).count()
}

#[tokio::test]
async fn one_endpoint_takes_no_turn_of_another() {
    let store = Store::open_for("hooksfair").await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let (many, few) = (endpoint(&store, &ours).await, endpoint(&store, &theirs).await);
    queue_up(&store, &ours, many, 500).await;
    queue_up(&store, &theirs, few, 2).await;
    let due = claim(&store).await;
    assert_eq!((counts(&due, many), counts(&due, few)), (4, 2));
    assert_eq!(counts(&claim(&store).await, many), 0, "four are in hand");
    let first = due.iter().find(|one| one.endpoint == many).unwrap();
    let recorded = queue::record(&store.worker, first, &result(Next::Delivered)).await;
    assert_eq!(recorded.unwrap(), None);
    assert_eq!(counts(&claim(&store).await, many), 1, "one place is free again");
    for delivery in due.iter().filter(|one| one.endpoint == many).skip(1) {
        let again = result(Next::Retry(Duration::from_secs(600)));
        queue::record(&store.worker, delivery, &again).await.unwrap();
    }
    assert_eq!(counts(&claim(&store).await, many), 0, "it failed three times, and one is in hand");
}

#[tokio::test]
async fn a_tenant_with_many_endpoints_takes_no_turn_of_another() {
    let store = Store::open_for("hooksmany").await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    for _ in 0..20 {
        let id = endpoint(&store, &ours).await;
        queue_up(&store, &ours, id, 10).await;
    }
    let few = endpoint(&store, &theirs).await;
    assert!(ours.scope.tenant() < theirs.scope.tenant(), "it comes later in the index");
    // Where places are few, everybody has one before somebody has two.
    queue_up(&store, &theirs, few, 2).await;
    let without_bound = ClaimBounds { limit: 2, per_tenant: 1_000, ..BOUNDS };
    let due = queue::claim(&store.worker, without_bound).await.unwrap();
    assert_eq!((due.len(), counts(&due, few)), (2, 1));
    let due = queue::claim(&store.worker, without_bound).await.unwrap();
    assert_eq!((due.len(), counts(&due, few)), (2, 1));
    // Where places are many, some of them stay free for others.
    let due = claim(&store).await;
    assert_eq!(due.len(), 6, "two are in hand, and eight may be");
    assert_eq!(claim(&store).await, []);
    queue_up(&store, &theirs, few, 1).await;
    assert_eq!(counts(&claim(&store).await, few), 1);
}

#[tokio::test]
async fn an_endpoint_with_a_backlog_takes_no_turn_of_its_neighbour() {
    let store = Store::open_for("hookssame").await;
    let tenant = store.tenant().await;
    let (many, few) = (endpoint(&store, &tenant).await, endpoint(&store, &tenant).await);
    queue_up(&store, &tenant, many, 100).await;
    queue_up(&store, &tenant, few, 1).await;
    let bounds = ClaimBounds { per_tenant: 2, ..BOUNDS };
    let due = queue::claim(&store.worker, bounds).await.unwrap();
    assert_eq!((counts(&due, many), counts(&due, few)), (1, 1));
}

#[tokio::test]
async fn what_is_not_written_down_in_time_is_somebody_elses() {
    let store = Store::open_for("hookslease").await;
    let tenant = store.tenant().await;
    let id = endpoint(&store, &tenant).await;
    queue_up(&store, &tenant, id, 1).await;
    let short = ClaimBounds { lease: Duration::ZERO, ..BOUNDS };
    let late = queue::claim(&store.worker, short).await.unwrap().remove(0);
    let current = claim(&store).await.remove(0);
    assert_eq!((late.attempt, current.attempt), (1, 2));
    // Who comes too late changes nothing, not even by a success.
    queue::record(&store.worker, &late, &result(Next::Delivered)).await.unwrap();
    queue::record(&store.worker, &current, &result(Next::GiveUp)).await.unwrap();
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    let log = webhooks::list_attempts(&mut tx, id, current.event).await.unwrap();
    assert_eq!(log.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [2]);
    let endpoint = webhooks::find(&mut tx, id).await.unwrap().unwrap();
    assert_eq!(endpoint.failures, 1);
}

#[tokio::test]
async fn nothing_is_taken_of_a_suspended_tenant_or_a_resting_endpoint() {
    let store = Store::open_for("hooksrest").await;
    let suspended = store.tenant_like(NewTenant::default()).await;
    let resting = store.tenant().await;
    let (first, second) = (endpoint(&store, &suspended).await, endpoint(&store, &resting).await);
    queue_up(&store, &suspended, first, 1).await;
    queue_up(&store, &resting, second, 3).await;
    let suspend = sqlx::query("UPDATE tenants SET status = 'suspended' WHERE id = $1");
    let suspend = suspend.bind(suspended.scope.tenant().as_uuid());
    suspend.execute(&mut store.superuser().await).await.unwrap();
    let due = claim(&store).await;
    assert_eq!((counts(&due, first), counts(&due, second)), (0, 3));
    let rest =
        AttemptResult { rest: Duration::from_secs(600), ..result(Next::Retry(Duration::ZERO)) };
    for delivery in due.iter().filter(|one| one.endpoint == second) {
        queue::record(&store.worker, delivery, &rest).await.unwrap();
    }
    assert_eq!(counts(&claim(&store).await, second), 0, "they are due, and it rests");
}

#[tokio::test]
async fn an_endpoint_that_says_it_is_gone_is_disabled_once_and_told_of() {
    let store = Store::open_for("hooksgone").await;
    let tenant = store.tenant().await;
    let id = endpoint(&store, &tenant).await;
    queue_up(&store, &tenant, id, 2).await;
    let due = claim(&store).await;
    let ours: Vec<&DueDelivery> = due.iter().filter(|one| one.endpoint == id).collect();
    let [one, two] = ours.as_slice() else { panic!("two: {due:?}") };
    let gone = result(Next::Gone);
    let recorded = queue::record(&store.worker, one, &gone).await.unwrap();
    assert_eq!(recorded, Some(Disabled::Gone));
    let recorded = queue::record(&store.worker, two, &gone).await.unwrap();
    assert_eq!(recorded, None, "it is disabled already");
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    let endpoint = webhooks::find(&mut tx, id).await.unwrap().unwrap();
    assert_eq!(endpoint.status, EndpointStatus::Disabled(Disabled::Gone));
    let told: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND kind = 'webhook.disabled'",
    )
    .bind(tenant.scope.tenant().as_uuid())
    .fetch_one(&mut store.superuser().await)
    .await
    .unwrap();
    assert_eq!(told, 1);
}
