//! Messages across nodes, and what is told when some may be lost.

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::{Incoming, RedisProvider, Subscription};

use crate::bench::{Cluster, LIMIT, eventually};

async fn next(subscription: &mut Subscription) -> Incoming {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("something in time").expect("a stream that does not end")
}

/// Publishes until a message is heard; gaps may come before it.
pub(crate) async fn hears(
    provider: &dyn RedisProvider,
    subscription: &mut Subscription,
    topic: &str,
) {
    eventually("a message arrives", async || {
        let _published = provider.publish(topic, Bytes::from("hello")).await;
        let wait = std::time::Duration::from_millis(200);
        let heard = tokio::time::timeout(wait, async {
            while !matches!(subscription.next().await, Some(Incoming::Message { .. })) {}
        });
        heard.await.is_ok()
    })
    .await;
}

/// Which of the nodes that live holds a subscription now.
async fn holder(cluster: &Cluster, dead: Option<usize>) -> Option<usize> {
    cluster
        .with(move |cluster| {
            (0..6).filter(|node| Some(*node) != dead).find(|node| {
                cluster.admin(*node, &["pubsub", "numsub", "topic"]).lines().last() == Some("1")
            })
        })
        .await
}

/// Published at any node, heard at any other; a lost node is a gap, and another one takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_moves_on_when_its_node_is_lost() {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    for number in 0..20 {
        let payload = Bytes::from(number.to_string());
        provider.publish("topic", payload.clone()).await.unwrap();
        let heard = Incoming::Message { topic: "topic".to_owned(), payload };
        assert_eq!(next(&mut subscription).await, heard);
    }
    let node = holder(&cluster, None).await.expect("somebody is subscribed");
    cluster.with(move |cluster| cluster.kill(node)).await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "the loss");
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "in force again");
    hears(&*provider, &mut subscription, "topic").await;
    assert!(holder(&cluster, Some(node)).await.is_some());
    provider.close().await;
}

/// A node that leaves the cluster answers on, and hears of nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_leaves_a_node_that_left_the_cluster() {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    // Subscribe until a replica is hit: one can leave without taking slots along.
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    let mut node = holder(&cluster, None).await.unwrap();
    while node < 3 {
        drop(subscription);
        eventually("it is gone", async || holder(&cluster, None).await.is_none()).await;
        subscription = provider.subscribe(&["topic"]).await.unwrap();
        node = holder(&cluster, None).await.unwrap();
    }
    cluster
        .with(move |cluster| {
            let id = cluster.admin(node, &["cluster", "myid"]);
            assert_eq!(cluster.admin(node, &["cluster", "reset"]), "OK");
            for other in (0..6).filter(|other| *other != node) {
                cluster.admin(other, &["cluster", "forget", &id]);
            }
        })
        .await;
    // It is noticed with the next look at the map, at the latest after half a minute; a redirection
    // or a lost connection brings it about earlier.
    cluster.with(move |cluster| cluster.kill_connections(usize::from(node == 3))).await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    hears(&*provider, &mut subscription, "topic").await;
    assert_ne!(holder(&cluster, None).await, Some(node));
    provider.close().await;
}
