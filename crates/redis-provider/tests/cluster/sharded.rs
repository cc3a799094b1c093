//! Sharded messages: a topic's slot moves, its shard fails over, and nothing is lost in silence.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dev_redis_cluster::slot_of_key;
use futures_util::StreamExt;
use redis_provider::{
    ElastiCacheProvider, ElastiCacheSettings, Incoming, Messages, RedisProvider, Subscription,
};
use tokio::time::Instant;

use crate::bench::{Cluster, LIMIT, connect};
use crate::subscriptions::hears;

/// One in each third of the slots, so that each of three primaries owns one.
const TOPICS: [&str; 3] = ["feed:1", "feed:0", "feed:2"];

fn sharded(settings: ElastiCacheSettings) -> ElastiCacheSettings {
    ElastiCacheSettings { messages: Messages::Sharded, ..settings }
}

async fn provider(cluster: &Cluster) -> Arc<ElastiCacheProvider> {
    connect(&sharded(cluster.settings(cluster.own().app()))).await
}

async fn owner(cluster: &Cluster, topic: &'static str) -> usize {
    cluster.with(move |cluster| cluster.primary_of_slot(slot_of_key(topic.as_bytes()))).await
}

/// Waits for a gap; what else comes is passed over.
async fn gap(subscription: &mut Subscription) {
    let gap = async { while subscription.next().await != Some(Incoming::Gap) {} };
    tokio::time::timeout(LIMIT, gap).await.expect("a gap in time");
}

/// Moves the slot of a topic to the next primary; answers from where to where.
async fn moves(cluster: &Cluster, topic: &'static str) -> (usize, usize) {
    let from = owner(cluster, topic).await;
    cluster
        .with(move |cluster| {
            let to = cluster.primaries().into_iter().find(|node| *node != from).unwrap();
            let slot = slot_of_key(topic.as_bytes());
            cluster.move_slots(from, to, slot..=slot);
            (from, to)
        })
        .await
}

/// How many subscribe to the topic at a node.
async fn listeners(cluster: &Cluster, node: usize, topic: &'static str) -> String {
    let ask = move |cluster: &dev_redis_cluster::OwnCluster| {
        cluster.admin(node, &["pubsub", "shardnumsub", topic])
    };
    cluster.with(ask).await.lines().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shard_carries_its_topics_and_a_user_may_know_no_others() {
    let cluster = Cluster::start().await;
    cluster
        .with(|cluster| {
            let channels = ["resetchannels", "&feed:*", "&{feed:*}:alive"];
            let name = cluster.app().username;
            for node in 0..6 {
                let command = ["acl", "setuser", &name].into_iter().chain(channels);
                let answer = cluster.admin(node, &command.collect::<Vec<_>>());
                assert_eq!(answer, "OK");
            }
        })
        .await;
    let (speaker, listener) = (provider(&cluster).await, provider(&cluster).await);
    let mut subscription = listener.subscribe(&TOPICS).await.unwrap();
    for round in 0..10 {
        // Longer than until lines are asked for their number.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for topic in TOPICS {
            let payload = Bytes::from(format!("{round}"));
            speaker.publish(topic, payload.clone()).await.unwrap();
            let heard = tokio::time::timeout(LIMIT, subscription.next()).await.unwrap();
            assert_eq!(heard, Some(Incoming::Message { topic: topic.to_owned(), payload }));
        }
    }
    for topic in TOPICS {
        let home = owner(&cluster, topic).await;
        assert_eq!(listeners(&cluster, home, topic).await, "1", "{topic}");
    }
    speaker.close().await;
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moved_is_noticed_by_whoever_only_listens() {
    let cluster = Cluster::start().await;
    let (speaker, listener) = (provider(&cluster).await, provider(&cluster).await);
    let mut subscription = listener.subscribe(&TOPICS).await.unwrap();
    let (from, to) = moves(&cluster, TOPICS[0]).await;
    let moved = Instant::now();
    gap(&mut subscription).await;
    println!("noticed after {} ms", moved.elapsed().as_millis());
    hears(&*speaker, &mut subscription, TOPICS[0]).await;
    for topic in TOPICS {
        hears(&*speaker, &mut subscription, topic).await;
    }
    assert_eq!(listeners(&cluster, from, TOPICS[0]).await, "0");
    assert_eq!(listeners(&cluster, to, TOPICS[0]).await, "1");
    speaker.close().await;
    listener.close().await;
}

/// Nothing of it can be seen afterwards but by counting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_went_and_came_back_is_a_gap_too() {
    let cluster = Cluster::start().await;
    let listener = provider(&cluster).await;
    let mut subscription = listener.subscribe(&TOPICS).await.unwrap();
    let (from, to) = moves(&cluster, TOPICS[1]).await;
    let slot = slot_of_key(TOPICS[1].as_bytes());
    cluster.with(move |cluster| cluster.move_slots(to, from, slot..=slot)).await;
    gap(&mut subscription).await;
    hears(&*listener, &mut subscription, TOPICS[1]).await;
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_fails_over_is_a_gap_and_the_others_go_on() {
    let cluster = Cluster::start().await;
    let (speaker, listener) = (provider(&cluster).await, provider(&cluster).await);
    let mut subscription = listener.subscribe(&TOPICS).await.unwrap();
    let node = owner(&cluster, TOPICS[0]).await;
    cluster.with(move |cluster| cluster.kill(node)).await;
    gap(&mut subscription).await;
    let lost = Instant::now();
    hears(&*speaker, &mut subscription, TOPICS[1]).await;
    let others = lost.elapsed();
    hears(&*speaker, &mut subscription, TOPICS[0]).await;
    let own = lost.elapsed();
    println!("others after {} ms, its own after {} ms", others.as_millis(), own.as_millis());
    assert!(others < Duration::from_secs(1) || others < own / 2, "{others:?} and {own:?}");
    speaker.close().await;
    listener.close().await;
}

/// A planned failover ends no connection, and all nodes of a shard hear its messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_nothing_in_silence() {
    let cluster = Cluster::start().await;
    let (speaker, listener) = (provider(&cluster).await, provider(&cluster).await);
    let mut subscription = listener.subscribe(&TOPICS).await.unwrap();
    let failover = cluster.with(|cluster| {
        let primary = cluster.primary_of_slot(slot_of_key(TOPICS[1].as_bytes()));
        cluster.fail_over(cluster.replica_of(primary).unwrap());
    });
    let speaks = async {
        let mut taken = Vec::new();
        for number in 0..60_u32 {
            let payload = Bytes::from(number.to_string());
            if speaker.publish(TOPICS[1], payload.clone()).await.is_ok() {
                taken.push(payload);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        taken
    };
    let ((), mut missing) = tokio::join!(failover, speaks);
    assert!(missing.len() > 30, "{} messages were taken", missing.len());
    let until = Instant::now() + LIMIT;
    while !missing.is_empty() {
        let next = tokio::time::timeout_at(until, subscription.next()).await;
        match next.expect("neither a message nor a gap").unwrap() {
            Incoming::Gap => break,
            Incoming::Message { payload, .. } => missing.retain(|one| *one != payload),
        }
    }
    hears(&*speaker, &mut subscription, TOPICS[1]).await;
    speaker.close().await;
    listener.close().await;
}
