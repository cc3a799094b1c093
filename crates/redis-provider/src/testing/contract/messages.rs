//! Messages.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::{Bench, unique_prefix};
use crate::port::{Incoming, Subscription};

/// The next message; a gap before the first one is allowed, since a service may announce itself
/// by one, and later gaps are not: nothing is lost in this suite.
async fn next_message(subscription: &mut Subscription) -> (String, Bytes) {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
        match next.expect("a message in time").expect("a stream that does not end") {
            Incoming::Message { topic, payload } => return (topic, payload),
            Incoming::Gap => {}
        }
    }
}

pub(super) async fn delivers(bench: &Bench) {
    let topic = unique_prefix("topic");
    let mut one = bench.provider.subscribe(&[&topic]).await.expect("subscribe");
    let mut two = bench.provider.subscribe(&[&topic]).await.expect("subscribe");
    let all_bytes: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let payloads = [
        Bytes::new(),
        Bytes::from("plain"),
        Bytes::from("with,commas\r\nand\nlines"),
        Bytes::from("QUEUED"),
        Bytes::from("12"),
        all_bytes,
        Bytes::from(vec![0xff; 100 * 1024]),
    ];
    for payload in &payloads {
        bench.provider.publish(&topic, payload.clone()).await.expect("publish");
    }
    for subscription in [&mut one, &mut two] {
        for payload in &payloads {
            assert!(next_message(subscription).await == (topic.clone(), payload.clone()));
        }
    }
    // A subscription that is given up disturbs nobody.
    drop(two);
    bench.provider.publish(&topic, Bytes::from("still")).await.expect("publish");
    assert_eq!(next_message(&mut one).await.1, Bytes::from("still"));
}

pub(super) async fn keeps_topics_apart(bench: &Bench) {
    let prefix = unique_prefix("topics");
    let [a, b, c] = ["a", "b", "*"].map(|name| format!("{prefix}{name}"));
    let mut both = bench.provider.subscribe(&[&a, &b]).await.expect("subscribe");
    let mut star = bench.provider.subscribe(&[&c]).await.expect("subscribe");
    for (topic, payload) in [(&a, "1"), (&c, "2"), (&b, "3")] {
        bench.provider.publish(topic, Bytes::from(payload)).await.expect("publish");
    }
    assert_eq!(next_message(&mut both).await, (a, Bytes::from("1")));
    assert_eq!(next_message(&mut both).await, (b, Bytes::from("3")));
    assert_eq!(next_message(&mut star).await, (c, Bytes::from("2")));
}
