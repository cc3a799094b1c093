//! Connections that break, a Redis that dies, slots that move: nobody misses anything.

use std::time::Duration;

use dev_redis_cluster::{OwnCluster, slot_of_key};
use portal_tests::crowd::{Crowd, Instances, LATER};
use portal_tests::environment;
use portal_tests::portal::Redis;
use portal_tests::servers::{OwnRedis, OwnUpstash};
use portal_tests::waiting::eventually;

/// How long a server is away.
const AWAY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_broken_connections_lose_nothing_and_double_nothing() {
    let redis = OwnRedis::start_new().await;
    let pair = Instances::over(Redis::At(redis.url()), &[]).await;
    let crowd = Crowd::of(&pair, 50, Some(Duration::from_millis(3_200))).await;
    pair.happen(100, 5, Duration::from_millis(200)).await;
    let told = crowd.tells(500, LATER).await;
    let deliveries: usize = told.iter().map(|one| one.numbers.len()).sum();
    let connections: usize = told.iter().map(|one| one.connections).sum();
    println!("{deliveries} deliveries over {connections} connections of 50 clients");
    assert!(deliveries >= 20_000, "{deliveries}");
    assert!(connections >= 400, "{connections}");
}

/// A crowd to which 500 things happen in ten seconds, and what goes wrong meanwhile.
async fn goes_on(instances: &Instances, fault: impl Future<Output = ()>) {
    let crowd = Crowd::of(instances, 20, None).await;
    let fault = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        fault.await;
    };
    tokio::join!(fault, instances.happen(100, 5, Duration::from_millis(100)));
    let told = crowd.tells(500, LATER).await;
    let connections: usize = told.iter().map(|one| one.connections).sum();
    assert_eq!(connections, 20, "nobody's stream ended for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_and_comes_back_empty_loses_nothing() {
    let mut redis = OwnRedis::start_new().await;
    let pair = Instances::over(Redis::At(redis.url()), &[]).await;
    goes_on(&pair, redis.is_away(AWAY)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstash_that_loses_everything_loses_nobody_anything() {
    let mut upstash = OwnUpstash::start_new().await;
    let pair = Instances::over(upstash.as_redis(), &[]).await;
    goes_on(&pair, upstash.loses_its_redis(AWAY)).await;
}

/// A cluster, and instances over it. Topics are spread over its shards.
async fn over_cluster(messages: &str) -> (OwnCluster, Instances) {
    let cluster =
        tokio::task::spawn_blocking(|| OwnCluster::start(&environment::redis_server())).await;
    let cluster = cluster.unwrap();
    let authority = cluster.ca_file().display().to_string();
    let redis = Redis::Cluster { url: cluster.url(), authority };
    let instances = Instances::over(redis, &[("PORTAL__REDIS__MESSAGES", messages)]).await;
    (cluster, instances)
}

/// The primary that owns a topic of messages to streams.
fn home_of(cluster: &OwnCluster, topic: &str) -> usize {
    cluster.primary_of_slot(slot_of_key(topic.as_bytes()))
}

async fn a_primary_dies(messages: &str) {
    let (cluster, pair) = over_cluster(messages).await;
    let dies = tokio::task::spawn_blocking(move || {
        let node = home_of(&cluster, "feed:0");
        std::thread::sleep(Duration::from_secs(3));
        cluster.kill(node);
        cluster
    });
    goes_on(&pair, async {}).await;
    let _cluster = dies.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_loses_nobody_anything() {
    a_primary_dies("classic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_sharded_topics_that_dies_loses_nobody_anything() {
    a_primary_dies("sharded").await;
}

/// Every topic goes to another shard. Those of sharded messages are lost with it, and back without
/// anybody's doing.
async fn slots_move(messages: &str) -> Instances {
    let (cluster, pair) = over_cluster(messages).await;
    let moving = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(3));
        for topic in (0..8).map(|number| format!("feed:{number}")) {
            let (from, slot) = (home_of(&cluster, &topic), slot_of_key(topic.as_bytes()));
            let to = cluster.primaries().into_iter().find(|node| *node != from).unwrap();
            cluster.move_slots(from, to, slot..=slot);
        }
        cluster
    });
    goes_on(&pair, async {}).await;
    let cluster = moving.await.unwrap();
    // Messages arrive again, wherever the topics are now: no stream has to be looked after.
    let mut missed = -1.0;
    eventually("nothing is missed any more", LATER, async || {
        let before = missed;
        missed = 0.0;
        for portal in &pair.portals {
            missed += portal.figure("portal_streams_gaps_total").await;
            if portal.figure("portal_streams_heard").await < 0.5 {
                missed = -1.0;
                return None;
            }
        }
        (before - missed).abs().lt(&0.1).then_some(())
    })
    .await;
    drop(cluster);
    pair
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_lose_nothing() {
    let _pair = slots_move("classic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_sharded_topics_that_move_lose_nothing_and_are_noticed() {
    let pair = slots_move("sharded").await;
    for portal in &pair.portals {
        // One at the start, and two for each line that was lost.
        let gaps = portal.figure("portal_streams_gaps_total").await;
        assert!(gaps >= 3.0, "{gaps} gaps");
    }
}
