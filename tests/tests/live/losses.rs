//! Connections that break, a Redis that dies, slots that move: nobody misses anything.

use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::environment;
use portal_tests::portal::Redis;
use portal_tests::servers::OwnRedis;

use crate::crowd::{Crowd, LATER, Pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_broken_connections_lose_nothing_and_double_nothing() {
    let redis = OwnRedis::start_new().await;
    let pair = Pair::over(Redis::At(redis.url()), &[]).await;
    let crowd = Crowd::of(&pair, 50, Some(Duration::from_millis(3_200))).await;
    pair.happen(100, 5, Duration::from_millis(200)).await;
    let told = crowd.tells(500, LATER).await;
    let deliveries: usize = told.iter().map(|one| one.numbers.len()).sum();
    let connections: usize = told.iter().map(|one| one.connections).sum();
    println!("{deliveries} deliveries over {connections} connections of 50 clients");
    assert!(deliveries >= 20_000, "{deliveries}");
    assert!(connections >= 400, "{connections}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_and_comes_back_empty_loses_nothing() {
    let redis = OwnRedis::start_new().await;
    let pair = Pair::over(Redis::At(redis.url()), &[]).await;
    let crowd = Crowd::of(&pair, 20, None).await;
    let fault = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let port = redis.port();
        redis.dies().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        OwnRedis::start_on(port).await
    };
    let events = pair.happen(100, 5, Duration::from_millis(100));
    let (_redis, ()) = tokio::join!(fault, events);
    let told = crowd.tells(500, LATER).await;
    let connections: usize = told.iter().map(|one| one.connections).sum();
    assert_eq!(connections, 20, "nobody's stream ended for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_lose_nothing() {
    let cluster = OwnCluster::start(&environment::redis_server());
    let authority = cluster.ca_file().display().to_string();
    let pair = Pair::over(Redis::Cluster { url: cluster.url(), authority }, &[]).await;
    let crowd = Crowd::of(&pair, 20, None).await;
    let primaries = cluster.primaries();
    let (from, to) = (primaries[0], primaries[1]);
    let first = (0..16_384).find(|slot| cluster.primary_of_slot(*slot) == from).unwrap();
    let moving = tokio::task::spawn_blocking(move || {
        cluster.move_slots(from, to, first..=first + 255);
        cluster
    });
    pair.happen(60, 5, Duration::from_millis(100)).await;
    let _cluster = moving.await.unwrap();
    pair.happen(10, 5, Duration::from_millis(100)).await;
    crowd.tells(350, LATER).await;
}
