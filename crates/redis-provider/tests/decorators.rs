//! The decorators that other crates' tests rely on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{
    Command, Incoming, MemoryProvider, MemorySettings, RedisError, RedisProvider, SetOptions,
};

fn memory() -> Arc<dyn RedisProvider> {
    Arc::new(MemoryProvider::new(MemorySettings::default()))
}

#[tokio::test(start_paused = true)]
async fn calls_break_as_told_until_healed() {
    let redis = FaultyRedis::new(memory());
    let options = SetOptions::default();
    redis.inject_times("set", Fault::LoseReply, 1);
    let lost = redis.set("key", Bytes::from("1"), options).await;
    assert_eq!(lost, Err(RedisError::Timeout { maybe_applied: true }));
    assert_eq!(redis.get("key").await, Ok(Some(Bytes::from("1"))), "it was applied");
    assert_eq!(redis.set("key", Bytes::from("2"), options).await, Ok(true), "only once");

    let away = RedisError::Unavailable("away".to_owned());
    redis.inject_on("get", Fault::Fail(away.clone()));
    assert_eq!(redis.get("key").await, Err(away.clone()));
    assert!(redis.ping().await.is_ok());
    redis.heal();

    redis.inject(Fault::Hang(Duration::from_secs(1)));
    let started = tokio::time::Instant::now();
    assert_eq!(redis.get("key").await, Err(RedisError::Timeout { maybe_applied: false }));
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    redis.heal();
    assert_eq!(redis.get("key").await, Ok(Some(Bytes::from("2"))));
}

#[tokio::test(start_paused = true)]
async fn messages_break_as_told() {
    let redis = FaultyRedis::new(memory());
    let mut subscription = redis.subscribe(&["topic"]).await.unwrap();
    let message = |text: &'static str| Incoming::Message {
        topic: "topic".to_owned(),
        payload: Bytes::from(text),
    };
    redis.duplicate_messages(true);
    redis.publish("topic", Bytes::from("twice")).await.unwrap();
    assert_eq!(subscription.next().await, Some(message("twice")));
    assert_eq!(subscription.next().await, Some(message("twice")));
    redis.open_gap();
    assert_eq!(subscription.next().await, Some(Incoming::Gap));
    redis.drop_messages(true);
    redis.publish("topic", Bytes::from("lost")).await.unwrap();
    let silence = tokio::time::timeout(Duration::from_secs(1), subscription.next()).await;
    assert!(silence.is_err());
    redis.heal();
    redis.publish("topic", Bytes::from("seen")).await.unwrap();
    assert_eq!(subscription.next().await, Some(message("seen")));
}

#[tokio::test]
async fn calls_are_counted_by_name() {
    let redis = RecordingRedis::new(memory());
    redis.get("key").await.unwrap();
    redis.get("key").await.unwrap();
    let commands = vec![Command::Get("key".to_owned()), Command::Delete("key".to_owned())];
    redis.pipeline(commands).await.unwrap();
    assert_eq!(redis.count("get"), 2);
    assert_eq!(redis.count("pipeline"), 1);
    assert_eq!(redis.count("pipeline.delete"), 1);
    assert_eq!(redis.calls(), 3);
    redis.reset();
    assert_eq!(redis.calls(), 0);
}
