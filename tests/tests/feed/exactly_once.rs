//! Three relays, and a database that crashes under them.

use std::time::Duration;

use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnPostgres;
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use portal_tests::written::{connects, count, writes_all};
use sqlx::Row;
use tenancy::Role;
use uuid::Uuid;

const EVENTS: usize = 10_000;
/// Events in one transaction of whoever writes them.
const AT_A_TIME: usize = 100;
const SOON: Duration = Duration::from_secs(20);
const LATER: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_told_once_although_the_database_crashes_under_three_relays() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let tenant = world.tenant().await;
    // Relays that fall over each other: short pauses, batches that several take at once.
    let busy = [
        ("PORTAL__RELAY__INTERVAL_MS", "20"),
        ("PORTAL__RELAY__FAN_OUT_BATCH", "37"),
        ("PORTAL__TELEMETRY__FILTER", "warn"),
    ];
    let mut portals = Vec::new();
    for _ in 0..3 {
        portals.push(Portal::spawn_with(&world.databases, Redis::Memory, &busy).await);
    }
    let url = &world.databases.superuser_url;
    let events: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(EVENTS).collect();
    let writes = writes_all(url, &tenant, &events, AT_A_TIME);
    let crashes = async {
        for told in [EVENTS / 10, EVENTS / 2] {
            eventually("a part is told", LATER, async || {
                let mut connection = connects(url).await?;
                (count(&mut connection, "SELECT count(*) FROM event_log").await? >= told)
                    .then_some(())
            })
            .await;
            postgres.stops();
            postgres.starts();
        }
    };
    tokio::join!(writes, crashes);
    eventually("nothing waits", LATER, async || {
        let mut connection = connects(url).await?;
        (count(&mut connection, "SELECT count(*) FROM outbox").await? == 0).then_some(())
    })
    .await;

    let mut connection = connects(url).await.unwrap();
    let mut asks = async |sql: &'static str| count(&mut connection, sql).await.unwrap();
    assert_eq!(asks("SELECT count(*) FROM event_log").await, EVENTS);
    let counted = "SELECT sum(n)::bigint FROM metric_hours WHERE kind = 'application.submitted'";
    assert_eq!(asks(counted).await, EVENTS);
    for role in [Role::Owner, Role::Admin, Role::Recruiter] {
        let user = tenant.user(role).await;
        let row = sqlx::query(
            "SELECT count(*) AS n, count(DISTINCT event_id) AS events, min(seq) AS first,
                    max(seq) AS last, (SELECT seq FROM feed_heads WHERE user_id = $1) AS head,
                    (SELECT unread FROM feed_heads WHERE user_id = $1) AS unread
             FROM notifications WHERE user_id = $1",
        )
        .bind(user)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let found: Vec<i64> = (0..6).map(|column| row.get(column)).collect();
        let all = i64::try_from(EVENTS).unwrap();
        assert_eq!(found, [all, all, 1, all, all, all], "{role}: no gap, no double");
    }
    // The other roles of the tenant hear of no application.
    let mut asks = async |sql: &'static str| count(&mut connection, sql).await.unwrap();
    assert_eq!(asks("SELECT count(*) FROM notifications").await, 3 * EVENTS);
    // All three had a part in it, and none gave anything up.
    for portal in &portals {
        let metrics = portal.browser().get("/metrics").await.text;
        assert!(figure(&metrics, "portal_fan_out_events_total") > 0.0, "{metrics}");
        eventually("nothing is parked", SOON, async || {
            let metrics = portal.browser().get("/metrics").await.text;
            (figure(&metrics, "portal_outbox_parked") == 0.0).then_some(())
        })
        .await;
    }
}

/// A figure without labels.
fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
}
