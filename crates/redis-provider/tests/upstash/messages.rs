//! Streams of events that end, fall silent or come in pieces.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::{Incoming, RedisProvider, Subscription, UpstashSettings};

use crate::front::Front;
use crate::{LIMIT, connect, eventually};

async fn next(subscription: &mut Subscription) -> Incoming {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("something in time").expect("a stream that does not end")
}

fn message(payload: &'static str) -> Incoming {
    Incoming::Message { topic: "topic".to_owned(), payload: Bytes::from(payload) }
}

#[tokio::test]
async fn a_cut_stream_is_a_gap_and_goes_on() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let mut subscription = provider.subscribe(&["topic"]).await.expect("a subscription");
    provider.publish("topic", Bytes::from("before")).await.expect("publish");
    assert_eq!(next(&mut subscription).await, message("before"));
    front.breaks("cut-stream").await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "the loss");
    front.mends().await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "back again");
    provider.publish("topic", Bytes::from("after")).await.expect("publish");
    assert_eq!(next(&mut subscription).await, message("after"));
    drop(subscription);
    eventually("the stream of a dropped subscription is closed", async || {
        front.statistic("open_streams").await == 0
    })
    .await;
    provider.close().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_found_out_and_a_quiet_one_is_not() {
    let front = Front::start().await;
    let settings = UpstashSettings {
        silence_limit: Duration::from_millis(300),
        command_timeout: Duration::from_secs(2),
        ..front.settings()
    };
    let provider = connect(&settings).await;
    let mut subscription = provider.subscribe(&["topic"]).await.expect("a subscription");
    // Quiet for several limits: it is tried each time, and nothing is lost.
    let commands = provider.report().cost.commands;
    eventually("a quiet stream is tried", async || provider.report().cost.commands >= commands + 3)
        .await;
    provider.publish("topic", Bytes::from("quiet")).await.expect("publish");
    assert_eq!(next(&mut subscription).await, message("quiet"));

    front.breaks("silent-stream").await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    front.mends().await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    provider.publish("topic", Bytes::from("after")).await.expect("publish");
    assert_eq!(next(&mut subscription).await, message("after"));
    provider.close().await;
}

#[tokio::test]
async fn a_stream_may_come_in_pieces() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let mut subscription = provider.subscribe(&["topic"]).await.expect("a subscription");
    front.breaks("split-utf8").await;
    for payload in ["Grüße, all", "\u{1f600}\r\n"] {
        provider.publish("topic", Bytes::from(payload)).await.expect("publish");
        assert_eq!(next(&mut subscription).await, message(payload));
    }
    provider.close().await;
}
