//! Old notifications go in short steps, however many they are.

use std::time::Duration;

use employer_store::feed::{self, Head};
use employer_store::testing::TestTenant;
use sqlx::Connection as _;
use tenancy::Role;
use time::OffsetDateTime;

use super::user;
use crate::support::Store;

const KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Fills an inbox with notifications that are old enough.
async fn fill(store: &Store, tenant: &TestTenant, count: i64) {
    let fill = "WITH head AS (
                    INSERT INTO feed_heads (tenant_id, user_id, epoch, seq, unread)
                    VALUES ($1, $2, 5, $3, $3)
                )
                INSERT INTO notifications (tenant_id, user_id, seq, event_id, kind, created_at)
                SELECT $1, $2, n, gen_random_uuid(), 'export_ready', now() - interval '98 days'
                FROM generate_series(1, $3) AS n";
    let query = sqlx::query(fill).bind(tenant.scope.tenant().as_uuid());
    let query = query.bind(user(tenant, Role::Owner).as_uuid()).bind(count);
    query.execute(&mut store.superuser().await).await.unwrap();
}

async fn now(store: &Store) -> OffsetDateTime {
    sqlx::query_scalar("SELECT now()").fetch_one(&mut store.superuser().await).await.unwrap()
}

async fn head(store: &Store, tenant: &TestTenant) -> Head {
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    feed::head(&mut tx, user(tenant, Role::Owner)).await.unwrap()
}

#[tokio::test]
async fn no_step_is_long_and_all_of_them_begin_one_epoch() {
    let store = Store::open_for("purgesteps").await;
    let tenant = store.tenant().await;
    fill(&store, &tenant, 4_500).await;
    let guard = "CREATE FUNCTION refuse_long() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN ASSERT (SELECT count(*) FROM gone) <= 2000; RETURN NULL; END';
                 CREATE TRIGGER no_long_step AFTER DELETE ON notifications
                     REFERENCING OLD TABLE AS gone
                     FOR EACH STATEMENT EXECUTE FUNCTION refuse_long()";
    sqlx::raw_sql(guard).execute(&mut store.superuser().await).await.unwrap();
    let now = now(&store).await;
    assert_eq!(feed::purge(&store.worker, now, KEEP, 100).await.unwrap(), 4_500);
    assert_eq!(head(&store, &tenant).await, Head { epoch: 6, seq: 4_500, unread: 0 });
}

#[tokio::test]
async fn two_at_once_begin_one_epoch() {
    let store = Store::open_for("purgetwice").await;
    let tenant = store.tenant().await;
    fill(&store, &tenant, 10).await;
    let mut superuser = store.superuser().await;
    let mut holding = superuser.begin().await.unwrap();
    sqlx::query("SELECT FROM feed_heads FOR UPDATE").execute(&mut *holding).await.unwrap();
    let now = now(&store).await;
    let purge = async || feed::purge(&store.worker, now, KEEP, 100).await.unwrap();
    let let_go = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut looker = store.superuser().await;
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut looker).await.unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        holding.commit().await.unwrap();
    };
    let (one, other, ()) = tokio::join!(purge(), purge(), let_go);
    assert_eq!(one + other, 10);
    assert_eq!(head(&store, &tenant).await, Head { epoch: 6, seq: 10, unread: 0 });
}
