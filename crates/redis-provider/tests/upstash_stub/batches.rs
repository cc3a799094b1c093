//! Commands that share requests, and those whose callers went away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis_provider::{RedisError, RedisProvider, SetOptions, UpstashSettings};
use tokio::time::Instant;

use crate::server::{Does, Seen, Stub, each};
use crate::{connect, eventually};

/// The first request takes a while, so that others come together meanwhile.
fn slow_first(wait: Duration) -> impl Fn(&Seen) -> Does + Send + Sync + 'static {
    let count = AtomicUsize::new(0);
    move |seen| {
        let answer = each(seen, "{\"result\":null}");
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            Does::After(wait, Box::new(answer))
        } else {
            answer
        }
    }
}

/// So long a window that nothing is sent by time alone.
fn patient(settings: UpstashSettings) -> UpstashSettings {
    UpstashSettings { batch_window: Duration::from_secs(60), ..settings }
}

fn sizes(stub: &Stub) -> Vec<usize> {
    stub.seen().iter().map(|seen| seen.commands().len()).collect()
}

#[tokio::test]
async fn a_lone_call_waits_for_nobody() {
    let stub = Stub::start(|seen| each(seen, "{\"result\":null}")).await;
    let provider = connect(&patient(stub.settings())).await;
    let started = Instant::now();
    for _ in 0..5 {
        assert_eq!(provider.get("a").await, Ok(None));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "waited {:?}", started.elapsed());
    assert_eq!(sizes(&stub), [1; 5]);
    assert!(stub.seen().iter().all(|seen| seen.target == "/"));
    provider.close().await;
}

#[tokio::test]
async fn what_comes_together_goes_together() {
    let stub = Stub::start(slow_first(Duration::from_millis(300))).await;
    let provider = connect(&patient(stub.settings())).await;
    let first = provider.get("first");
    let others = async {
        eventually("the first is under way", || stub.seen().len() == 1).await;
        let keys: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
        join_all(keys.iter().map(|key| provider.get(key))).await
    };
    let (first, others) = tokio::join!(first, others);
    assert_eq!(first, Ok(None));
    assert!(others.iter().all(|answer| *answer == Ok(None)));
    assert_eq!(sizes(&stub), [1, 100], "the rest is one request");
    assert_eq!(stub.seen()[1].target, "/pipeline");
    let cost = provider.report().cost;
    assert_eq!((cost.commands, cost.requests), (103, 4), "with the two at the start");
    provider.close().await;
}

#[tokio::test]
async fn batches_are_bounded_by_count_and_bytes() {
    let stub = Stub::start(slow_first(Duration::from_millis(200))).await;
    let settings = UpstashSettings { batch_commands: 10, batch_bytes: 3000, ..stub.settings() };
    let provider = connect(&patient(settings)).await;
    let calls = async {
        eventually("the first is under way", || stub.seen().len() == 1).await;
        join_all((0..30).map(|_| provider.get("short"))).await;
        let long = Bytes::from("x".repeat(1000));
        join_all((0..4).map(|_| provider.set("k", long.clone(), SetOptions::default()))).await;
    };
    let (_, ()) = tokio::join!(provider.get("first"), calls);
    let sizes = sizes(&stub);
    assert_eq!(sizes.iter().sum::<usize>(), 35, "{sizes:?}");
    assert_eq!(sizes[1..4], [10, 10, 10], "{sizes:?}");
    assert!(stub.seen().iter().all(|seen| seen.body.len() <= 3010));
    provider.close().await;
}

#[tokio::test]
async fn the_window_closes_though_a_request_hangs() {
    let stub = Stub::start(slow_first(Duration::from_secs(4))).await;
    let provider = connect(&stub.settings()).await;
    let second = async {
        eventually("the first is under way", || stub.seen().len() == 1).await;
        let started = Instant::now();
        assert_eq!(provider.get("b").await, Ok(None));
        started.elapsed()
    };
    let waited = tokio::select! {
        waited = second => waited,
        _ = provider.get("a") => panic!("the first was answered before the second"),
    };
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    provider.close().await;
}

#[tokio::test]
async fn a_caller_that_went_away_takes_its_command_with_it() {
    let stub = Stub::start(slow_first(Duration::from_millis(300))).await;
    let provider = connect(&patient(stub.settings())).await;
    let others = async {
        eventually("the first is under way", || stub.seen().len() == 1).await;
        let options = SetOptions::default();
        let stays = provider.get("stays");
        let goes = provider.set("goes", Bytes::from("1"), options);
        tokio::select! {
            biased;
            _ = goes => panic!("nothing is sent while the first is under way"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        stays.await
    };
    let (first, stayed) = tokio::join!(provider.get("first"), others);
    assert_eq!((first, stayed), (Ok(None), Ok(None)));
    let sent: String = stub.seen().iter().map(Seen::text).collect();
    assert!(sent.contains("stays") && !sent.contains("goes"), "{sent}");
    assert_eq!(provider.report().cost.commands, 4);
    provider.close().await;
}

/// A write that was still waiting when its time was over was certainly not applied.
#[tokio::test]
async fn a_deadline_in_the_queue_is_no_doubt() {
    let stub = Stub::start(slow_first(Duration::from_secs(60))).await;
    let settings =
        UpstashSettings { command_timeout: Duration::from_millis(300), ..stub.settings() };
    let provider = connect(&patient(settings)).await;
    let write = |key: &'static str| {
        let provider = Arc::clone(&provider);
        async move { provider.set(key, Bytes::from("1"), SetOptions::default()).await }
    };
    let second = async {
        eventually("the first is under way", || stub.seen().len() == 1).await;
        tokio::time::timeout(Duration::from_millis(100), write("waits")).await
    };
    let (first, second) = tokio::join!(write("sent"), second);
    assert_eq!(first, Err(RedisError::Timeout { maybe_applied: true }));
    assert!(second.is_err(), "it was not sent before its caller went away");
    let sent: String = stub.seen().iter().map(Seen::text).collect();
    assert!(!sent.contains("waits"), "{sent}");
    provider.close().await;
}

#[tokio::test]
async fn closing_answers_those_who_wait() {
    let stub = Stub::start(|_| Does::Hang).await;
    let provider = connect(&patient(stub.settings())).await;
    let waiting = provider.set("waiting", Bytes::from("1"), SetOptions::default());
    let closing = async {
        eventually("a request is under way", || stub.seen().len() == 1).await;
        provider.close().await;
    };
    let (waited, ()) = tokio::join!(waiting, closing);
    assert_eq!(waited, Err(RedisError::Timeout { maybe_applied: true }));
}
