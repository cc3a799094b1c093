//! Streams of events: what arrives, and what is noticed when it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::{Incoming, RedisError, RedisProvider, Subscription, UpstashSettings};
use tokio::sync::mpsc;

use crate::server::{Does, Ending, Seen, Stub, ok, status};
use crate::{LIMIT, connect, eventually};

const NOW: Duration = Duration::ZERO;

async fn next(subscription: &mut Subscription) -> Incoming {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("something in time").expect("a stream that does not end")
}

fn message(topic: &str, payload: &'static [u8]) -> Incoming {
    Incoming::Message { topic: topic.to_owned(), payload: Bytes::from_static(payload) }
}

/// What the service says when a subscription comes into force.
fn announced(seen: &Seen) -> Vec<u8> {
    let topics = seen.target.trim_start_matches("/subscribe/").split('/');
    let lines = topics.enumerate().map(|(index, topic)| {
        let topic = percent_encoding::percent_decode_str(topic).decode_utf8_lossy();
        format!("data: subscribe,{topic},{}\n\n", index + 1)
    });
    lines.collect::<String>().into_bytes()
}

fn is_subscription(seen: &Seen) -> bool {
    seen.target.starts_with("/subscribe/")
}

#[tokio::test]
async fn messages_arrive_in_any_pieces() {
    let stub = Stub::start(|seen| {
        assert_eq!(seen.header("accept"), Some("text/event-stream"));
        let mut stream = announced(seen);
        // A foreign message with a letter of two bytes is cut within it, below.
        stream.extend_from_slice("data: message,a,Grüße, all\n\n".as_bytes());
        stream
            .extend_from_slice(b": beat\r\n\r\ndata: message,b/c,/w==\r\n\r\ndata: message,a,\n\n");
        let pieces = stream.chunks(1).map(|piece| (NOW, piece.to_vec())).collect();
        Does::Events(pieces, Ending::StaysSilent)
    })
    .await;
    let provider = connect(&stub.settings()).await;
    let mut subscription = provider.subscribe(&["a", "b/c"]).await.expect("a subscription");
    assert!(stub.seen()[0].target.starts_with("/subscribe/a/b%2Fc/portal%3Atrial%3A"));
    assert_eq!(next(&mut subscription).await, message("b/c", b"\xff"));
    assert_eq!(next(&mut subscription).await, message("a", b""));
    provider.close().await;
    assert_eq!(subscription.next().await, None, "a closed provider's streams end");
}

#[tokio::test]
async fn the_end_of_a_stream_is_a_gap_and_it_comes_back() {
    for ending in [Ending::Ends, Ending::StaysSilent] {
        let count = AtomicUsize::new(0);
        let stub = Stub::start(move |seen| {
            let mut stream = announced(seen);
            match (count.fetch_add(1, Ordering::Relaxed), ending) {
                // The first one ends between two messages, or within one.
                (0, Ending::Ends) => stream.extend_from_slice(b"data: message,a,QQ==\n\n"),
                (0, Ending::StaysSilent) => {
                    stream.extend_from_slice(b"data: message,a,QQ==\n\ndata: message,a,Q");
                }
                (1, _) => return status(502, "<html>"),
                (2, _) => return Does::Cut,
                (_, _) => {
                    stream.extend_from_slice(b"data: message,a,Qg==\n\n");
                    return Does::Events(vec![(NOW, stream)], Ending::StaysSilent);
                }
            }
            Does::Events(vec![(NOW, stream)], Ending::Ends)
        })
        .await;
        let provider = connect(&stub.settings()).await;
        let mut subscription = provider.subscribe(&["a"]).await.expect("a subscription");
        assert_eq!(next(&mut subscription).await, message("a", b"A"));
        assert_eq!(next(&mut subscription).await, Incoming::Gap, "the loss");
        assert_eq!(next(&mut subscription).await, Incoming::Gap, "back again");
        assert_eq!(next(&mut subscription).await, message("a", b"B"));
        assert_eq!(stub.seen().len(), 4);
        provider.close().await;
    }
}

/// Silence alone is no loss: the stream is tried, and goes on if the message comes round.
#[tokio::test]
async fn a_silent_stream_is_tried() {
    let (echo, echoes) = mpsc::unbounded_channel::<String>();
    let echoes = Arc::new(std::sync::Mutex::new(Some(echoes)));
    let stub = Stub::start(move |seen| {
        if is_subscription(seen) {
            // Echoes come in on the same stream, shortly after the wait for silence is over.
            let trial = seen.target.rsplit('/').next().expect("a topic").replace("%3A", ":");
            let echo = format!("data: message,{trial},\n\n").into_bytes();
            let pieces = vec![
                (NOW, announced(seen)),
                (Duration::from_millis(400), echo),
                (NOW, b"data: message,a,QQ==\n\n".to_vec()),
            ];
            return Does::Events(pieces, Ending::StaysSilent);
        }
        echo.send(seen.text()).expect("the test runs");
        ok("{\"result\":1}")
    })
    .await;
    let mut echoes = echoes.lock().expect("no panic").take().expect("the first");
    let settings = UpstashSettings {
        silence_limit: Duration::from_millis(200),
        command_timeout: Duration::from_millis(500),
        ..stub.settings()
    };
    let provider = connect(&settings).await;
    let mut subscription = provider.subscribe(&["a"]).await.expect("a subscription");
    assert_eq!(next(&mut subscription).await, message("a", b"A"), "the trial is not handed on");
    let trial = tokio::time::timeout(LIMIT, echoes.recv()).await.expect("in time").expect("one");
    assert!(trial.starts_with("[\"PUBLISH\",\"portal:trial:"), "{trial}");
    // From now on nothing comes round.
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    assert!(stub.seen().iter().filter(|seen| is_subscription(seen)).count() >= 2);
    provider.close().await;
}

#[tokio::test]
async fn a_refused_subscription_says_why() {
    let quota = "{\"error\":\"ERR max requests limit exceeded. Limit: 1\"}";
    for (does, kind) in [
        (status(401, "{\"error\":\"WRONGPASS invalid or missing auth token\"}"), "rejected"),
        (status(400, quota), "throttled"),
        (status(502, "<html>"), "unavailable"),
        (ok("{\"result\":1}"), "unavailable"),
        (ok("{\"error\":\"ERR Command \\\"SUBSCRIBE\\\" is not allowed\"}"), "unavailable"),
        (Does::Cut, "unavailable"),
        (Does::Events(Vec::new(), Ending::Ends), "unavailable"),
        (Does::Events(Vec::new(), Ending::StaysSilent), "timeout"),
        (Does::Hang, "timeout"),
    ] {
        let answer = does.clone();
        let stub = Stub::start(move |_| answer.clone()).await;
        let settings = UpstashSettings {
            connect_timeout: Duration::from_millis(300),
            command_timeout: Duration::from_millis(100),
            ..stub.settings()
        };
        let provider = connect(&settings).await;
        let error = provider.subscribe(&["a"]).await.map(drop).expect_err("a refusal");
        assert_eq!(error.kind(), kind, "{does:?}: {error:?}");
        assert_ne!(error, RedisError::Timeout { maybe_applied: true });
        provider.close().await;
    }
}

#[tokio::test]
async fn a_dropped_subscription_ends_its_stream() {
    let stub = Stub::start(|seen| {
        let pieces = (0..10_000).map(|_| (Duration::from_millis(5), b": beat\n\n".to_vec()));
        let first = std::iter::once((NOW, announced(seen)));
        Does::Events(first.chain(pieces).collect(), Ending::Ends)
    })
    .await;
    let provider = connect(&stub.settings()).await;
    let subscription = provider.subscribe(&["a"]).await.expect("a subscription");
    drop(subscription);
    // Its task is the only one beside the collector's, which closing ends.
    let closed = tokio::time::timeout(LIMIT, provider.close()).await;
    assert!(closed.is_ok());
    eventually("one subscription was made", || stub.seen().len() == 1).await;
}
