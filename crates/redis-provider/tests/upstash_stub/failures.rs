//! What calls make of errors, and what is sent again.

use std::time::Duration;

use bytes::Bytes;
use redis_provider::{Command, RedisError, RedisProvider, Reply, Script, SetOptions};
use tokio::time::Instant;

use crate::connect;
use crate::server::{Does, Stub, TOKEN, each, ok, status};

const HTML: &str = "<html>502 Bad Gateway</html>";
const MINUTE: Duration = Duration::from_secs(60);
const UNKNOWN: RedisError = RedisError::Timeout { maybe_applied: true };

/// Every method that changes something.
async fn all_writes(provider: &dyn RedisProvider) -> Vec<RedisError> {
    let options = SetOptions::with_ttl(MINUTE);
    let stamp = [Bytes::from("0000000000000001"), Bytes::from("0")];
    let set = Command::Set("a".to_owned(), Bytes::from("1"), options);
    vec![
        provider.set("a", Bytes::from("1"), options).await.expect_err("set"),
        provider.set("a", Bytes::from("1"), options.if_absent()).await.expect_err("set"),
        provider.set("a", Bytes::from_static(b"\xff"), options).await.expect_err("binary"),
        provider.delete_many(&["a"]).await.expect_err("delete"),
        provider.expire("a", MINUTE).await.expect_err("expire"),
        provider.increment("a", 1, MINUTE).await.expect_err("increment"),
        provider.evaluate(Script::AdvanceStamp, &["a"], &stamp).await.expect_err("evaluate"),
        provider.publish("a", Bytes::new()).await.expect_err("publish"),
        provider.pipeline(vec![set.clone()]).await.expect_err("a pipeline of one"),
        provider.pipeline(vec![set.clone(), set]).await.expect_err("a pipeline"),
    ]
}

async fn all_reads(provider: &dyn RedisProvider) -> Vec<RedisError> {
    let get = Command::Get("a".to_owned());
    vec![
        provider.get("a").await.expect_err("get"),
        provider.get_many(&["a", "b"]).await.expect_err("get_many"),
        provider.scan("a", redis_provider::ScanCursor::START).await.expect_err("scan"),
        provider.ping().await.expect_err("ping"),
        provider.info().await.expect_err("info"),
        provider.pipeline(vec![get.clone(), get]).await.expect_err("a pipeline"),
    ]
}

#[tokio::test]
async fn a_write_with_a_lost_answer_is_sent_once_and_a_read_three_times() {
    for does in [
        status(500, HTML),
        status(502, HTML),
        status(503, "{\"error\":\"ERR internal\"}"),
        ok(HTML),
        ok("[1,2,3]"),
        ok("{\"result\":\"OK\"} and more"),
        ok("[{\"result\":1},{\"result\":1},{\"result\":1},{\"result\":1}]"),
        Does::Cut,
        Does::CutWithin,
        Does::Raw(b"nonsense\r\n\r\n".to_vec()),
    ] {
        let answer = does.clone();
        let stub = Stub::start(move |_| answer.clone()).await;
        let provider = connect(&stub.settings()).await;
        let errors = all_writes(&*provider).await;
        assert!(errors.iter().all(|error| *error == UNKNOWN), "{does:?}: {errors:?}");
        assert_eq!(stub.seen().len(), errors.len(), "{does:?}: a write was sent again");
        let errors = all_reads(&*provider).await;
        let are_away = errors.iter().all(|error| matches!(error, RedisError::Unavailable(_)));
        assert!(are_away, "{does:?}: {errors:?}");
        assert_eq!(stub.seen().len(), 10 + 3 * errors.len(), "{does:?}");
        provider.close().await;
    }
}

#[tokio::test]
async fn a_read_that_fails_once_is_answered() {
    let stub = Stub::start(|seen| {
        let is_again = seen.header("upstash-sync-token") == Some("again");
        if is_again {
            ok("{\"result\":\"Zm91bmQ=\"}")
        } else {
            Does::Answer(502, vec![("upstash-sync-token", "again".to_owned())], HTML.to_owned())
        }
    })
    .await;
    let provider = connect(&stub.settings()).await;
    assert_eq!(provider.get("a").await, Ok(Some(Bytes::from("found"))));
    assert_eq!(stub.seen().len(), 2, "the token of an error is kept too");
    assert_eq!(provider.report().cost.commands, 4, "both attempts and the two at the start");
    provider.close().await;
}

#[tokio::test]
async fn nothing_is_applied_where_nobody_listens() {
    let stub = Stub::start(|seen| each(seen, "{\"result\":1}")).await;
    let provider = connect(&stub.settings()).await;
    drop(stub);
    // The connection that was kept is found to be closed, if that was not noticed already.
    assert!(matches!(provider.get("a").await, Err(RedisError::Unavailable(_))));
    for error in all_writes(&*provider).await.into_iter().chain(all_reads(&*provider).await) {
        assert!(matches!(error, RedisError::Unavailable(_)), "{error:?}");
    }
    let subscription = provider.subscribe(&["a"]).await.map(drop);
    assert!(matches!(subscription, Err(RedisError::Unavailable(_))), "{subscription:?}");
    provider.close().await;
}

#[tokio::test]
async fn refusals_are_told_apart_and_never_sent_again() {
    let quota = "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. See https://x";
    for (code, header, text, kind, pause) in [
        (429, None, "slow down", "throttled", Some(1)),
        (429, Some("7"), "slow down", "throttled", Some(7)),
        (429, None, quota, "throttled", None),
        (400, None, quota, "throttled", None),
        (500, Some("9"), quota, "throttled", Some(9)),
        (401, None, "WRONGPASS invalid or missing auth token", "rejected", None),
        (400, None, "NOPERM this user has no permissions to run the 'x' command", "rejected", None),
        (400, None, "ERR max request size exceeded. Limit: 1, Actual: 2", "rejected", None),
        (400, None, "ERR max single record size exceeded", "rejected", None),
        (400, None, "ERR max key size exceeded. Limit: 1 bytes", "rejected", None),
        (413, None, "too large", "rejected", None),
        (400, None, "ERR DB capacity quota exceeded", "rejected", None),
        (400, None, "WRONGTYPE Operation against a key", "rejected", None),
        (400, None, "ERR max concurrent connections exceeded", "unavailable", None),
        (400, None, "LOADING Redis is loading the dataset", "unavailable", None),
    ] {
        let body = serde_json::json!({ "error": text }).to_string();
        let headers: Vec<_> =
            header.map(|wait: &str| ("retry-after", wait.to_owned())).into_iter().collect();
        let stub = Stub::start(move |_| Does::Answer(code, headers.clone(), body.clone())).await;
        let provider = connect(&stub.settings()).await;
        let errors = [
            provider.get("a").await.expect_err("get"),
            provider.increment("a", 1, MINUTE).await.expect_err("increment"),
            provider
                .set("a", Bytes::from_static(b"\xff"), SetOptions::default())
                .await
                .expect_err("set"),
        ];
        for error in errors {
            assert_eq!(error.kind(), kind, "{code} {text}: {error:?}");
            if let RedisError::Throttled { retry_after, .. } = &error {
                assert_eq!(*retry_after, pause.map(Duration::from_secs), "{code} {text}");
            }
            assert!(!error.to_string().contains(TOKEN));
        }
        assert_eq!(stub.seen().len(), 3, "{code} {text}");
        provider.close().await;
    }
}

/// Within a success, each command has its own word.
#[tokio::test]
async fn errors_within_a_batch_are_each_commands_own() {
    let stub = Stub::start(|_| {
        ok("[{\"result\":\"QQ==\"},{\"error\":\"WRONGTYPE no\"},{\"error\":\"ERR max daily request \
            limit exceeded. Limit: 1\"},{\"result\":5},{\"result\":\"not base64\"}]")
    })
    .await;
    let provider = connect(&stub.settings()).await;
    let gets = ["a", "b", "c", "d", "e"].map(|key| Command::Get(key.to_owned()));
    let answers = provider.pipeline(gets.to_vec()).await.expect("a pipeline");
    assert_eq!(answers[0], Ok(Reply::Value(Some(Bytes::from("A")))));
    assert_eq!(answers[1], Err(RedisError::Rejected("WRONGTYPE no".to_owned())));
    assert!(matches!(answers[2], Err(RedisError::Throttled { retry_after: None, .. })));
    assert!(matches!(answers[3], Err(RedisError::Protocol(_))), "{:?}", answers[3]);
    assert!(matches!(answers[4], Err(RedisError::Protocol(_))), "{:?}", answers[4]);
    provider.close().await;
}

#[tokio::test]
async fn every_call_ends_within_its_deadline() {
    let drip = Does::Drip("{\"result\":null}".to_owned());
    for does in [Does::Hang, drip] {
        let answer = does.clone();
        let stub = Stub::start(move |_| answer.clone()).await;
        let mut settings = stub.settings();
        settings.command_timeout = Duration::from_millis(150);
        let provider = connect(&settings).await;
        let started = Instant::now();
        let errors = all_writes(&*provider).await;
        assert!(errors.iter().all(|error| *error == UNKNOWN), "{does:?}: {errors:?}");
        let reads = all_reads(&*provider).await;
        let none = RedisError::Timeout { maybe_applied: false };
        assert!(reads.iter().all(|error| *error == none), "{does:?}: {reads:?}");
        let calls = u32::try_from(errors.len() + reads.len()).expect("few");
        assert!(started.elapsed() < Duration::from_millis(400) * calls, "{:?}", started.elapsed());
        assert_eq!(stub.seen().len(), errors.len() + reads.len(), "{does:?}: sent again");
        provider.close().await;
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    for is_announced in [true, false] {
        let answer = "{\"result\":null}".to_owned();
        let stub =
            Stub::start(move |_| Does::Bulk(65 * 1024 * 1024, answer.clone(), is_announced)).await;
        let mut settings = stub.settings();
        settings.command_timeout = Duration::from_secs(20);
        let provider = connect(&settings).await;
        let Err(RedisError::Unavailable(reason)) = provider.get("a").await else {
            panic!("65 MiB were taken");
        };
        assert!(reason.contains("64 MiB"), "{reason}");
        provider.close().await;
    }
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let elsewhere = Stub::bare(|_| ok("{\"result\":null}")).await;
    let target = elsewhere.url("http").to_string();
    let stub =
        Stub::start(move |_| Does::Answer(307, vec![("location", target.clone())], String::new()))
            .await;
    let provider = connect(&stub.settings()).await;
    assert!(matches!(provider.get("a").await, Err(RedisError::Unavailable(_))));
    assert!(elsewhere.seen().is_empty(), "the token went elsewhere");
    provider.close().await;
}

#[tokio::test]
async fn a_closed_provider_says_so() {
    let stub = Stub::start(|seen| each(seen, "{\"result\":1}")).await;
    let provider = connect(&stub.settings()).await;
    provider.close().await;
    for error in all_writes(&*provider).await.into_iter().chain(all_reads(&*provider).await) {
        assert!(matches!(&error, RedisError::Unavailable(reason) if reason.contains("closed")));
    }
    assert!(stub.seen().is_empty());
}
