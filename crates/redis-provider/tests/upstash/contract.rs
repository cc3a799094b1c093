//! The contract, and what the adapter does for its price.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis_provider::{RedisProvider, SetOptions};

use crate::front::Front;
use crate::{connect, rest};

#[tokio::test]
async fn dev_upstash_keeps_the_contract() {
    let shared = rest::named("PORTAL_TEST_UPSTASH_URL", "PORTAL_TEST_UPSTASH_TOKEN");
    rest::keeps_the_contract(shared.expect(
        "PORTAL_TEST_UPSTASH_URL and PORTAL_TEST_UPSTASH_TOKEN are not set: run \
         `cargo xtask test`, which starts a server",
    ))
    .await;
}

/// Each command is charged for, and is sent once; requests are a tenth of them, or fewer.
#[tokio::test]
async fn concurrent_calls_share_requests() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let options = SetOptions::with_ttl(Duration::from_secs(600));
    assert_eq!(provider.set("key", Bytes::from("value"), options).await, Ok(true));
    let before = (provider.report().cost, front.statistic("commands").await);
    let callers = (0..64).map(|_| async {
        for _ in 0..50 {
            assert_eq!(provider.get("key").await, Ok(Some(Bytes::from("value"))));
        }
    });
    join_all(callers).await;
    let after = (provider.report().cost, front.statistic("commands").await);
    assert_eq!(after.0.commands - before.0.commands, 64 * 50);
    assert_eq!(after.1 - before.1, 64 * 50);
    let requests = after.0.requests - before.0.requests;
    assert!(requests <= 64 * 50 / 10, "{requests} requests for 3200 commands");
    assert!(after.0.bytes_sent > before.0.bytes_sent);
    // Within a byte or two, since the length is read from the encoded form.
    let received = after.0.bytes_received - before.0.bytes_received;
    assert!((5 * 3200..=6 * 3200).contains(&received), "{received} bytes");
    provider.close().await;
}
