//! Many clients: what connections and the database lose is lost to none of them, and nothing is told
//! twice.

use std::time::Duration;

use portal_tests::crowd::{Crowd, Instances, LATER};
use portal_tests::portal::Redis;
use portal_tests::servers::OwnPostgres;
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use portal_tests::written::{connects, count, writes_all};
use uuid::Uuid;

use super::instances;

const EVENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_lose_nothing_and_double_nothing() {
    let world = World::for_purpose("crowdbreaks").await;
    let portals = Instances::start(&world, instances(), Redis::Shared, &[]).await;
    let crowd = Crowd::of(&portals, 20, Some(Duration::from_millis(1_500))).await;
    portals.happen(40, 5, Duration::from_millis(150)).await;
    let told = crowd.tells(200, LATER).await;
    let connections: usize = told.iter().map(|one| one.connections).sum();
    println!("{connections} connections of {} clients", told.len());
    assert!(connections >= 60, "{connections}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_loses_nothing_and_doubles_nothing() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let portals = Instances::start(&world, instances(), Redis::Shared, &[]).await;
    let crowd = Crowd::of(&portals, 9, None).await;
    let url = &world.databases.superuser_url;
    let events: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(EVENTS).collect();
    let crash = async {
        eventually("a part is told", LATER, async || {
            let mut connection = connects(url).await?;
            let told = count(&mut connection, "SELECT count(*) FROM event_log").await?;
            (told >= EVENTS / 5).then_some(())
        })
        .await;
        postgres.stops();
        postgres.starts();
    };
    tokio::join!(writes_all(url, &portals.tenant, &events, 50), crash);
    let _told = crowd.tells(i64::try_from(EVENTS).unwrap(), LATER).await;
    let mut connection = connects(url).await.unwrap();
    let mut asks = async |sql: &'static str| count(&mut connection, sql).await.unwrap();
    assert_eq!(asks("SELECT count(*) FROM event_log").await, EVENTS);
    let counted = "SELECT sum(n)::bigint FROM metric_hours WHERE kind = 'application.submitted'";
    assert_eq!(asks(counted).await, EVENTS);
    assert_eq!(asks("SELECT count(*) FROM notifications").await, 3 * EVENTS);
}
