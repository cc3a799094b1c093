//! The backplane over the in-process adapter, with faults.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{
    Backplane, Incoming, MemoryProvider, MemorySettings, RedisError, RedisProvider, Subscription,
};
use tokio::time::error::Elapsed;

struct Rig {
    faults: Arc<FaultyRedis>,
    calls: Arc<RecordingRedis>,
}

impl Rig {
    fn new() -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings {
            message_capacity: 100_000,
            ..Default::default()
        }));
        let calls = Arc::new(RecordingRedis::new(memory));
        let faults = Arc::new(FaultyRedis::new(Arc::clone(&calls) as Arc<dyn RedisProvider>));
        Self { faults, calls }
    }

    fn backplane(&self) -> Backplane {
        let provider = Arc::clone(&self.faults) as Arc<dyn RedisProvider>;
        Backplane::spawn(provider, &["cache", "sessions"])
    }
}

/// `Ok(None)` is the end of the stream.
async fn next(listener: &mut Subscription) -> Result<Option<Incoming>, Elapsed> {
    tokio::time::timeout(Duration::from_secs(30), listener.next()).await
}

fn message(topic: &str, text: &'static str) -> Incoming {
    Incoming::Message { topic: topic.to_owned(), payload: Bytes::from(text) }
}

#[tokio::test(start_paused = true)]
async fn listeners_share_one_subscription_by_topic() {
    let rig = Rig::new();
    let backplane = rig.backplane();
    assert!(backplane.wait_until_live().await);
    let mut cache = backplane.listen("cache").unwrap();
    let mut also_cache = backplane.listen("cache").unwrap();
    let mut sessions = backplane.listen("sessions").unwrap();
    backplane.publish("cache", Bytes::from("1")).await.unwrap();
    backplane.publish("sessions", Bytes::from("2")).await.unwrap();
    assert_eq!(next(&mut cache).await, Ok(Some(message("cache", "1"))));
    assert_eq!(next(&mut also_cache).await, Ok(Some(message("cache", "1"))));
    assert_eq!(next(&mut sessions).await, Ok(Some(message("sessions", "2"))));
    assert_eq!(rig.calls.count("subscribe"), 1);
    assert!(matches!(backplane.listen("other").map(drop), Err(RedisError::Rejected(_))));
}

#[tokio::test(start_paused = true)]
async fn gaps_reach_every_topic() {
    let rig = Rig::new();
    let backplane = rig.backplane();
    assert!(backplane.wait_until_live().await);
    let mut cache = backplane.listen("cache").unwrap();
    let mut sessions = backplane.listen("sessions").unwrap();
    rig.faults.open_gap();
    assert_eq!(next(&mut cache).await, Ok(Some(Incoming::Gap)));
    assert_eq!(next(&mut sessions).await, Ok(Some(Incoming::Gap)));
}

#[tokio::test(start_paused = true)]
async fn a_failing_subscription_is_tried_again() {
    let rig = Rig::new();
    let away = Fault::Fail(RedisError::Unavailable("away".to_owned()));
    rig.faults.inject_times("subscribe", away, 5);
    let backplane = rig.backplane();
    let mut cache = backplane.listen("cache").unwrap();
    assert!(!backplane.is_live());
    assert!(backplane.wait_until_live().await);
    assert_eq!(rig.calls.count("subscribe"), 1, "five failed before they reached the service");
    assert_eq!(next(&mut cache).await, Ok(Some(Incoming::Gap)), "what was sent before is lost");
    backplane.publish("cache", Bytes::from("1")).await.unwrap();
    assert_eq!(next(&mut cache).await, Ok(Some(message("cache", "1"))));
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_gets_a_gap_and_hinders_nobody() {
    let rig = Rig::new();
    let backplane = rig.backplane();
    assert!(backplane.wait_until_live().await);
    let mut slow = backplane.listen("cache").unwrap();
    let mut quick = backplane.listen("cache").unwrap();
    for _ in 0..1500 {
        backplane.publish("cache", Bytes::from("x")).await.unwrap();
        assert_eq!(next(&mut quick).await, Ok(Some(message("cache", "x"))));
    }
    assert_eq!(next(&mut slow).await, Ok(Some(Incoming::Gap)));
    assert_eq!(next(&mut slow).await, Ok(Some(message("cache", "x"))));
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_the_streams() {
    let rig = Rig::new();
    let backplane = rig.backplane();
    assert!(backplane.wait_until_live().await);
    let mut cache = backplane.listen("cache").unwrap();
    backplane.shut_down().await;
    assert_eq!(next(&mut cache).await, Ok(None));
    assert!(!backplane.is_live());
    assert_eq!(next(&mut backplane.listen("cache").unwrap()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_backplane_ends_it() {
    let rig = Rig::new();
    let backplane = rig.backplane();
    let mut cache = backplane.listen("cache").unwrap();
    drop(backplane);
    while next(&mut cache).await != Ok(None) {}
}
