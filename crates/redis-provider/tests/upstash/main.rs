//! The adapter for Upstash over dev-upstash and a real redis-server.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests report by panicking, as tests do"
)]

mod consistency;
mod contract;
mod front;
mod messages;
mod outages;
#[path = "../support/rest.rs"]
mod rest;
mod values;

use std::sync::Arc;
use std::time::Duration;

use redis_provider::{RedisError, UpstashProvider, UpstashSettings};
use tokio::time::Instant;

/// The longest that anything may take to happen.
const LIMIT: Duration = Duration::from_secs(30);

async fn connect(settings: &UpstashSettings) -> Arc<UpstashProvider> {
    Arc::new(UpstashProvider::connect(settings).await.expect("settings"))
}

const fn is_away<T>(answer: &Result<T, RedisError>) -> bool {
    matches!(answer, Err(RedisError::Unavailable(_) | RedisError::Timeout { .. }))
}

/// Polls until the condition holds.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
