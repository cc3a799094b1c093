//! The contract over the in-process adapter.

use std::sync::Arc;

use redis_provider::testing::contract::{self, TimeControl};
use redis_provider::testing::{FaultyRedis, RecordingRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisProvider};

fn memory() -> Arc<dyn RedisProvider> {
    Arc::new(MemoryProvider::new(MemorySettings::default()))
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    contract::run_all(memory(), TimeControl::Paused).await;
}

#[tokio::test(start_paused = true)]
async fn decorators_at_rest_keep_the_contract() {
    let recording: Arc<dyn RedisProvider> = Arc::new(RecordingRedis::new(memory()));
    contract::run_all(Arc::new(FaultyRedis::new(recording)), TimeControl::Paused).await;
}
