//! The deadline decorator: no call outlasts its limit, no request its budget.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{
    Budget, Deadline, MemoryProvider, MemorySettings, RedisError, RedisProvider, SetOptions,
};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_millis(100);

fn slow(by: Duration) -> (Arc<RecordingRedis>, Deadline) {
    let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let recording = Arc::new(RecordingRedis::new(memory));
    let faulty = FaultyRedis::new(Arc::clone(&recording) as Arc<dyn RedisProvider>);
    faulty.inject(Fault::Delay(by));
    (recording, Deadline::new(Arc::new(faulty), LIMIT))
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_limit_and_says_whether_it_may_have_been_applied() {
    let (_, provider) = slow(Duration::from_secs(60));
    let started = Instant::now();
    let read = provider.get("key").await;
    assert_eq!(read, Err(RedisError::Timeout { maybe_applied: false }));
    assert_eq!(started.elapsed(), LIMIT);
    let write = provider.set("key", Bytes::new(), SetOptions::default()).await;
    assert_eq!(write, Err(RedisError::Timeout { maybe_applied: true }));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_its_budget_in_all() {
    let (recording, provider) = slow(Duration::from_millis(70));
    let budget = Budget::new(Duration::from_millis(160));
    let started = Instant::now();
    budget
        .clone()
        .scope(async {
            assert_eq!(provider.get("key").await, Ok(None));
            assert_eq!(provider.get("key").await, Ok(None));
            // 20 ms are left of the budget, fewer than the call would need.
            assert_eq!(
                provider.get("key").await,
                Err(RedisError::Timeout { maybe_applied: false })
            );
            let sent = recording.calls();
            assert!(matches!(provider.get("key").await, Err(RedisError::Unavailable(_))));
            assert_eq!(recording.calls(), sent, "nothing is sent without time to wait for it");
        })
        .await;
    assert_eq!(started.elapsed(), Duration::from_millis(160));
    assert_eq!(budget.remaining(), Duration::ZERO);
    assert_eq!(provider.get("key").await, Ok(None), "other tasks have their own time");
}
