//! A service that is away, refuses or hangs, and comes back.

use std::time::Duration;

use bytes::Bytes;
use redis_provider::{
    ConnectError, Misconfiguration, RedisError, RedisProvider, SetOptions, UpstashProvider,
    UpstashSettings,
};
use tokio::time::Instant;

use crate::front::{Front, READER, TOKEN};
use crate::{connect, eventually, is_away};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_that_may_only_read_is_told_at_the_start() {
    let front = Front::start().await;
    for (token, expected) in [
        (READER, Misconfiguration::ReadOnly),
        ("marker-secret-wrong", Misconfiguration::Credentials),
    ] {
        let error = UpstashProvider::connect(&front.settings_of(token)).await.map(drop);
        let error = error.expect_err("a token that may write is needed");
        assert!(!format!("{error} {error:?}").contains("marker-secret"));
        assert_eq!(error, ConnectError::Misconfigured(expected));
    }
}

#[tokio::test]
async fn it_starts_with_a_service_that_is_away_and_finds_it() {
    let mut front = Front::start().await;
    front.stop_redis();
    let provider = connect(&front.settings()).await;
    assert!(is_away(&provider.get("key").await));
    front.start_redis().await;
    eventually("calls work", async || provider.get("key").await == Ok(None)).await;
    provider.close().await;

    for fault in ["status-500", "html-502", "quota-monthly", "hang", "slow-drip"] {
        front.breaks(fault).await;
        let settings =
            UpstashSettings { connect_timeout: Duration::from_millis(300), ..front.settings() };
        let provider = connect(&settings).await;
        front.mends().await;
        eventually(fault, async || provider.get("key").await == Ok(None)).await;
        provider.close().await;
    }
}

#[tokio::test]
async fn every_fault_is_an_error_in_time_and_ends_with_its_cause() {
    let front = Front::start().await;
    let settings =
        UpstashSettings { command_timeout: Duration::from_millis(400), ..front.settings() };
    let provider = connect(&settings).await;
    let options = SetOptions::with_ttl(HOUR);
    for (fault, read, write) in [
        ("status-500", "unavailable", "timeout"),
        ("html-502", "unavailable", "timeout"),
        ("garbage", "unavailable", "timeout"),
        ("drop-reply", "unavailable", "timeout"),
        ("cut-stream", "unavailable", "timeout"),
        ("status-429", "throttled", "throttled"),
        ("quota-daily", "throttled", "throttled"),
        ("quota-monthly", "throttled", "throttled"),
        ("hang", "timeout", "timeout"),
        ("slow-drip", "timeout", "timeout"),
    ] {
        eventually("the service works", async || {
            provider.set("key", Bytes::from("old"), options).await == Ok(true)
        })
        .await;
        front.breaks(fault).await;
        let started = Instant::now();
        let got = provider.get("key").await.expect_err("a fault");
        assert_eq!(got.kind(), read, "{fault}: {got}");
        let set = provider.set("key", Bytes::from("new"), options).await.expect_err("a fault");
        assert_eq!(set.kind(), write, "{fault}: {set}");
        assert!(started.elapsed() < Duration::from_secs(2), "{fault}: {:?}", started.elapsed());
        for error in [&got, &set] {
            assert!(!error.to_string().contains(TOKEN));
            if let RedisError::Throttled { retry_after, .. } = error {
                let is_known = fault == "status-429";
                assert_eq!(*retry_after, is_known.then(|| Duration::from_secs(1)), "{fault}");
            }
        }
        front.mends().await;
    }
    eventually("the service works", async || provider.get("key").await.is_ok()).await;

    // A full database refuses writes and still answers reads and deletions.
    front.breaks("db-capacity").await;
    let full = provider.set("key", Bytes::from("more"), options).await;
    assert!(
        matches!(&full, Err(RedisError::Rejected(text)) if text.contains("capacity")),
        "{full:?}"
    );
    assert!(provider.get("key").await.is_ok());
    assert_eq!(provider.delete_many(&["key"]).await, Ok(1));
    provider.close().await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_found_again() {
    let mut front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let options = SetOptions::with_ttl(HOUR);
    assert_eq!(provider.set("key", Bytes::from("1"), options).await, Ok(true));
    front.stop_redis();
    eventually("it is noticed", async || is_away(&provider.get("key").await)).await;
    assert!(is_away(&provider.set("key", Bytes::from("2"), options).await));
    front.start_redis().await;
    eventually("calls work again", async || provider.get("key").await == Ok(None)).await;
    provider.close().await;
}
