//! What was answered stays true: nothing is applied twice, and a writer sees what it wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis_provider::{Command, RedisError, RedisProvider, Reply, Script, ScriptReply, SetOptions};
use serde_json::json;

use crate::connect;
use crate::front::Front;

const HOUR: Duration = Duration::from_secs(3600);
const UNKNOWN: RedisError = RedisError::Timeout { maybe_applied: true };

/// A ledger: what was answered, what may have been applied, and what the counter says.
#[tokio::test]
async fn no_increment_is_applied_twice() {
    for fault in ["drop-reply", "cut-stream", "garbage", "status-500", "html-502", "status-429"] {
        let front = Front::start().await;
        let provider = connect(&front.settings()).await;
        front.breaks_with(json!({ "fault": fault, "times": 60 })).await;
        let (applied, unknown) = (AtomicI64::new(0), AtomicI64::new(0));
        let callers = (0..16).map(|_| async {
            for _ in 0..20 {
                match provider.increment("ledger", 1, HOUR).await {
                    Ok(_) => applied.fetch_add(1, Ordering::Relaxed),
                    Err(RedisError::Timeout { maybe_applied: true }) => {
                        unknown.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(RedisError::Throttled { .. }) if fault == "status-429" => 0,
                    Err(error) => panic!("{fault}: {error}"),
                };
            }
        });
        join_all(callers).await;
        front.mends().await;
        let (applied, unknown) = (applied.into_inner(), unknown.into_inner());
        let counter = provider.increment("ledger", 0, HOUR).await.expect("the counter");
        let context = format!("{fault}: {applied} answered, {unknown} unknown, {counter} counted");
        match fault {
            // The front applied each of these and lost the answer.
            "drop-reply" | "cut-stream" | "garbage" => {
                assert_eq!((counter, unknown), (320, 60), "{context}");
            }
            "status-429" => assert_eq!((counter, unknown), (260, 0), "{context}"),
            _ => assert_eq!((counter, unknown), (260, 60), "{context}"),
        }
        provider.close().await;
    }
}

/// Answers that depend on whether a command runs for the first time.
#[tokio::test]
async fn no_other_write_is_applied_twice() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let options = SetOptions::with_ttl(HOUR);
    for value in [Bytes::from("text"), Bytes::from_static(b"\xff\0")] {
        provider.set("lock", value.clone(), options).await.expect("set");
        let before = front.statistic("requests").await;
        front.breaks("drop-reply").await;
        let absent = provider.set("other", value.clone(), options.if_absent()).await;
        assert_eq!(absent, Err(UNKNOWN));
        let delete =
            || provider.evaluate(Script::DeleteIfEquals, &["lock"], std::slice::from_ref(&value));
        assert_eq!(delete().await, Err(UNKNOWN));
        assert_eq!(provider.delete_many(&["other"]).await, Err(UNKNOWN));
        assert_eq!(provider.publish("topic", value.clone()).await, Err(UNKNOWN));
        assert_eq!(provider.expire("lock", HOUR).await, Err(UNKNOWN));
        let set = Command::Set("third".to_owned(), value.clone(), options);
        assert_eq!(provider.pipeline(vec![set.clone()]).await, Err(UNKNOWN));
        assert_eq!(provider.pipeline(vec![set.clone(), set]).await, Err(UNKNOWN));
        front.mends().await;
        let requests = front.statistic("requests").await - before;
        let parts = if value == "text" { 7 } else { 8 };
        assert!((7..=parts).contains(&requests), "{requests} requests");
        assert_eq!(delete().await, Ok(ScriptReply::Integer(0)));
        assert_eq!(provider.get("other").await, Ok(None));
        assert_eq!(provider.get("third").await, Ok(Some(value.clone())));
    }
    provider.close().await;
}

#[tokio::test]
async fn a_writer_sees_what_it_wrote() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let stranger = connect(&front.settings()).await;
    front.breaks_with(json!({ "fault": "stale-reads", "lag_ms": 60_000 })).await;
    let options = SetOptions::with_ttl(HOUR);
    let writers = (0..16).map(|writer| {
        let provider = Arc::clone(&provider);
        async move {
            let key = format!("key-{writer}");
            for number in 0..20 {
                // Some go in batches and some alone.
                let value = if number % 3 == 0 {
                    Bytes::from(vec![0xff, number])
                } else {
                    Bytes::from(number.to_string())
                };
                assert_eq!(provider.set(&key, value.clone(), options).await, Ok(true));
                let expected = Some(value);
                assert_eq!(provider.get(&key).await, Ok(expected.clone()), "{key} {number}");
                let many = provider.get_many(&[&key]).await;
                assert_eq!(many, Ok(vec![expected.clone()]), "{key} {number}");
                let piped = provider.pipeline(vec![Command::Get(key.clone())]).await;
                assert_eq!(piped, Ok(vec![Ok(Reply::Value(expected))]), "{key} {number}");
            }
        }
    });
    join_all(writers).await;
    // The fault is real: who knows nothing of the writes may be told of the past.
    assert_eq!(stranger.get("key-0").await, Ok(None));
    provider.close().await;
    stranger.close().await;
}

#[tokio::test]
async fn a_script_that_is_not_known_is_sent_whole() {
    let mut front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let stamp = |number: u32| [Bytes::from(format!("{number:016}")), Bytes::from("0")];
    let advance = async |number| {
        let stamp = stamp(number);
        let answer = provider.evaluate(Script::AdvanceStamp, &["stamp"], &stamp).await;
        answer == Ok(ScriptReply::Bytes(stamp[0].clone()))
    };
    assert!(advance(1).await && advance(2).await);
    front.breaks("noscript").await;
    assert!(advance(3).await && advance(4).await);
    front.mends().await;
    // A server that was started anew knows no scripts.
    front.stop_redis();
    front.start_redis().await;
    crate::eventually("scripts run again", async || advance(5).await).await;
    provider.close().await;
}
