//! The adapter for ElastiCache over real servers: the contract, and what happens when they fail.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests report by panicking, as tests do"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::testing::contract::{self, TimeControl};
use redis_provider::{
    Backplane, Command, ConnectError, Credentials, ElastiCacheProvider, ElastiCacheSettings,
    Expiry, Incoming, Misconfiguration, RedisError, RedisProvider, Reply, SetOptions, Subscription,
};
use support::{LIMIT, PrivateRedis, eventually};
use tokio::time::Instant;

/// The time limits of the settings, and what a busy machine adds.
const DEADLINE: Duration = Duration::from_secs(4);

#[expect(clippy::disallowed_methods, reason = "the test runner tells its servers this way")]
fn shared_server() -> ElastiCacheSettings {
    let text = std::env::var("PORTAL_TEST_REDIS_URL")
        .expect("PORTAL_TEST_REDIS_URL is not set: run `cargo xtask test`, which starts a server");
    let url = url::Url::parse(&text).expect("PORTAL_TEST_REDIS_URL is a URL");
    let mut settings =
        ElastiCacheSettings::new(url.host_str().expect("a host"), url.port().unwrap_or(6379));
    if let Some(password) = url.password() {
        let username = Some(url.username().to_owned()).filter(|name| !name.is_empty());
        settings.credentials = Credentials::Password { username, password: password.into() };
    }
    settings
}

async fn connect(settings: &ElastiCacheSettings) -> Arc<ElastiCacheProvider> {
    Arc::new(ElastiCacheProvider::connect(settings).await.expect("settings"))
}

async fn next(subscription: &mut Subscription) -> Incoming {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("something in time").expect("a stream that does not end")
}

async fn timed<T>(call: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let answer = call.await;
    assert!(started.elapsed() < DEADLINE, "took {:?}", started.elapsed());
    answer
}

const fn is_away<T>(answer: &Result<T, RedisError>) -> bool {
    matches!(answer, Err(RedisError::Unavailable(_) | RedisError::Timeout { .. }))
}

#[tokio::test]
async fn a_real_server_keeps_the_contract() {
    // Thousands of calls at once on a busy machine take longer than one call may.
    let settings = ElastiCacheSettings {
        connect_timeout: Duration::from_secs(10),
        command_timeout: Duration::from_secs(20),
        ..shared_server()
    };
    let provider = connect(&settings).await;
    contract::run_all(Arc::clone(&provider) as Arc<dyn RedisProvider>, TimeControl::Real).await;
    provider.close().await;
    assert!(is_away(&provider.get("key").await), "a closed provider answers");
}

#[tokio::test]
async fn a_killed_subscription_yields_a_gap_and_goes_on() {
    let server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    provider.publish("topic", Bytes::from("before")).await.unwrap();
    let before = Incoming::Message { topic: "topic".to_owned(), payload: Bytes::from("before") };
    assert_eq!(next(&mut subscription).await, before);

    assert_eq!(server.command("CLIENT KILL TYPE pubsub").await, ":1\r\n");
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "the loss");
    assert_eq!(next(&mut subscription).await, Incoming::Gap, "back again");
    provider.publish("topic", Bytes::from("after")).await.unwrap();
    let after = Incoming::Message { topic: "topic".to_owned(), payload: Bytes::from("after") };
    assert_eq!(next(&mut subscription).await, after);

    drop(subscription);
    eventually("the connection of a dropped subscription is closed", async || {
        server.command("PUBSUB CHANNELS").await == "*0\r\n"
    })
    .await;
    provider.close().await;
}

#[tokio::test]
async fn a_stopped_server_fails_calls_at_once_and_a_new_one_is_found() {
    let mut server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    let options = SetOptions::with_ttl(Duration::from_secs(60));
    assert_eq!(provider.set("key", Bytes::from("1"), options).await, Ok(true));
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();

    server.stop();
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    for _ in 0..20 {
        assert!(is_away(&timed(provider.get("key")).await));
        assert!(is_away(&timed(provider.set("key", Bytes::from("2"), options)).await));
        assert!(is_away(&timed(provider.get_many(&["a", "b"])).await));
        assert!(is_away(&timed(provider.pipeline(vec![Command::Get("a".to_owned())])).await));
        assert!(is_away(&timed(provider.subscribe(&["topic"])).await));
    }

    assert_eq!(provider.interruptions(), 0, "nothing was answered from another state yet");
    server.start_again().await;
    eventually("calls work again", async || {
        let answer = provider.get("key").await;
        // An empty server answers; by then it is told that writes may be lost.
        assert!(answer.is_err() || provider.interruptions() == 1, "{answer:?}");
        answer == Ok(None)
    })
    .await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    assert_eq!(provider.publish("topic", Bytes::from("x")).await, Ok(()));
    let message = Incoming::Message { topic: "topic".to_owned(), payload: Bytes::from("x") };
    assert_eq!(next(&mut subscription).await, message);
    provider.close().await;
}

#[tokio::test]
async fn a_server_that_hangs_meets_the_deadline() {
    let server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    assert_eq!(provider.increment("counter", 1, Duration::from_secs(60)).await, Ok(1));
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    server.pause();
    let read = timed(provider.get("key")).await;
    assert_eq!(read, Err(RedisError::Timeout { maybe_applied: false }));
    let write = timed(provider.increment("counter", 1, Duration::from_secs(60))).await;
    assert_eq!(write, Err(RedisError::Timeout { maybe_applied: true }));
    // After a while of silence the connection is given up, and calls need not wait any more.
    eventually("the silence is noticed", async || {
        matches!(timed(provider.get("key")).await, Err(RedisError::Unavailable(_)))
    })
    .await;
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    server.resume();
    eventually("calls work again", async || provider.get("key").await == Ok(None)).await;
    let count = provider.increment("counter", 0, Duration::from_secs(60)).await;
    assert!(matches!(count, Ok(1 | 2)), "sent more than once: {count:?}");
    assert_eq!(next(&mut subscription).await, Incoming::Gap);
    provider.close().await;
}

#[tokio::test]
async fn it_starts_without_a_server() {
    let mut server = PrivateRedis::start(&[]).await;
    server.stop();
    let provider = timed(connect(&server.settings())).await;
    assert!(is_away(&timed(provider.get("key")).await));
    let backplane = Backplane::spawn(Arc::clone(&provider) as Arc<dyn RedisProvider>, &["topic"]);
    let mut listener = backplane.listen("topic").unwrap();
    server.start_again().await;
    eventually("calls work", async || provider.get("key").await == Ok(None)).await;
    assert!(tokio::time::timeout(LIMIT, backplane.wait_until_live()).await.unwrap());
    assert_eq!(next(&mut listener).await, Incoming::Gap);
    backplane.publish("topic", Bytes::from("x")).await.unwrap();
    let message = Incoming::Message { topic: "topic".to_owned(), payload: Bytes::from("x") };
    assert_eq!(next(&mut listener).await, message);
    backplane.shut_down().await;
    provider.close().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = PrivateRedis::start(&["--requirepass", "right-password"]).await;
    let password = |text: &str| Credentials::Password { username: None, password: text.into() };
    let right =
        ElastiCacheSettings { credentials: password("right-password"), ..server.settings() };
    let provider = connect(&right).await;
    assert_eq!(provider.get("key").await, Ok(None));
    provider.close().await;

    for credentials in [Credentials::None, password("wrong-password")] {
        let expected = match credentials {
            Credentials::None => Misconfiguration::PasswordMissing,
            _ => Misconfiguration::Credentials,
        };
        let wrong = ElastiCacheSettings { credentials, ..server.settings() };
        let refused = timed(ElastiCacheProvider::connect(&wrong)).await;
        let Err(ConnectError::Misconfigured(found)) = refused else { panic!("{refused:?}") };
        assert_eq!(found, expected);
        assert!(!format!("{found} {found:?}").contains("wrong-password"));
    }
}

#[tokio::test]
async fn a_replica_is_left_for_the_next_primary() {
    let server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    assert_eq!(server.command("REPLICAOF 127.0.0.1 1").await, "+OK\r\n");
    let options = SetOptions::with_ttl(Duration::from_secs(60));
    let refused = provider.set("key", Bytes::from("1"), options).await;
    assert!(matches!(refused, Err(RedisError::Unavailable(_))), "{refused:?}");
    assert_eq!(server.command("REPLICAOF NO ONE").await, "+OK\r\n");
    eventually("writes work again", async || {
        provider.set("key", Bytes::from("2"), options).await == Ok(true)
    })
    .await;
    provider.close().await;
}

#[tokio::test]
async fn a_refused_command_leaves_its_neighbours_alone() {
    let server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    server.command("LPUSH list x").await;
    let rejected = provider.get("list").await;
    assert!(matches!(rejected, Err(RedisError::Rejected(_))), "{rejected:?}");
    let many = provider.get_many(&["a", "list"]).await;
    assert!(matches!(many, Err(RedisError::Rejected(_))), "a wrong type is not a miss: {many:?}");
    let kept = SetOptions { expiry: Expiry::Keep, ..SetOptions::default() };
    let commands = vec![
        Command::Set("a".to_owned(), Bytes::from("1"), kept),
        Command::Get("list".to_owned()),
        Command::Get("a".to_owned()),
    ];
    let answers = provider.pipeline(commands).await.unwrap();
    assert_eq!(answers[0], Ok(Reply::Applied(true)));
    assert!(matches!(answers[1], Err(RedisError::Rejected(_))));
    assert_eq!(answers[2], Ok(Reply::Value(Some(Bytes::from("1")))));
    let alone = provider.pipeline(vec![Command::Get("list".to_owned())]).await.unwrap();
    assert!(matches!(alone[..], [Err(RedisError::Rejected(_))]), "{alone:?}");

    // A full server refuses writes and still answers reads.
    assert_eq!(server.command("CONFIG SET maxmemory 1").await, "+OK\r\n");
    let full = provider.set("b", Bytes::from("1"), SetOptions::default()).await;
    assert!(matches!(full, Err(RedisError::Rejected(_))), "{full:?}");
    assert_eq!(provider.get("a").await, Ok(Some(Bytes::from("1"))));
    provider.close().await;
}

#[tokio::test]
async fn dropping_the_provider_closes_its_connections() {
    let server = PrivateRedis::start(&[]).await;
    let provider = connect(&server.settings()).await;
    let subscription = provider.subscribe(&["topic"]).await.unwrap();
    drop(provider);
    eventually("no connection is left", async || {
        server.command("CLIENT LIST").await.matches("id=").count() == 1
    })
    .await;
    drop(subscription);
}
