//! The adapter for Upstash over a server that misbehaves as it is told.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests report by panicking, as tests do"
)]

mod batches;
mod commands;
mod events;
mod failures;
mod server;
mod start;

use std::sync::Arc;
use std::time::Duration;

use redis_provider::{UpstashProvider, UpstashSettings};
use tokio::time::Instant;

/// The longest that anything may take to happen.
const LIMIT: Duration = Duration::from_secs(20);

async fn connect(settings: &UpstashSettings) -> Arc<UpstashProvider> {
    Arc::new(UpstashProvider::connect(settings).await.expect("settings"))
}

/// Polls until the condition holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
