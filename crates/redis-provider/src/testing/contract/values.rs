//! Values: bytes in, the same bytes out.

use std::time::Duration;

use bytes::Bytes;

use super::{Bench, assert_rejected, unique_prefix};
use crate::limits;
use crate::port::{Condition, Expiry, SetOptions};

const TEN_MINUTES: SetOptions = SetOptions::with_ttl(Duration::from_secs(600));

pub(super) async fn any_byte(bench: &Bench) {
    let key = unique_prefix("bytes") + "é{tag}\r\n \"'";
    let all: Vec<u8> = (0..=255).collect();
    bench.put(&key, all.clone()).await;
    assert_eq!(bench.get(&key).await.as_deref(), Some(&*all));
    for byte in 0..=255_u8 {
        bench.put(&key, vec![byte]).await;
        assert_eq!(bench.get(&key).await.as_deref(), Some(&[byte][..]), "byte {byte}");
    }
}

/// Clients and proxies are known to take these for something else than a value.
pub(super) async fn words_of_the_protocol(bench: &Bench) {
    let prefix = unique_prefix("words");
    let words = [
        "OK",
        "QUEUED",
        "nil",
        "null",
        "(nil)",
        "NULL",
        "true",
        "false",
        "0",
        "-1",
        "1e3",
        "1.50",
        "inf",
        "nan",
        "T0s=",
        "\"quoted\"",
        "{}",
        "[]",
        "-ERR no",
        "+OK",
        "$-1",
        ":1",
        "*0",
        "Canceled",
        "PONG",
        "ERR wrong",
        "MOVED 1 localhost:1",
        "\r\n",
        "\n",
        " ",
        "\0",
    ];
    for word in words {
        let key = format!("{prefix}{}", word.escape_debug());
        bench.put(&key, word.as_bytes()).await;
        assert_eq!(bench.get(&key).await.as_deref(), Some(word.as_bytes()), "{word:?}");
        let many = bench.provider.get_many(&[&key, &key]).await.expect("get_many");
        assert!(many.iter().all(|value| value.as_deref() == Some(word.as_bytes())), "{word:?}");
    }
}

/// A reply that is an array may be taken for news of a subscription by its first element.
pub(super) async fn words_of_subscriptions(bench: &Bench) {
    let prefix = unique_prefix("news");
    let words = [
        "message",
        "pmessage",
        "smessage",
        "subscribe",
        "unsubscribe",
        "pubsub",
        "psubscribe",
        "ssubscribe",
        "invalidate",
    ];
    for (word, first) in words.into_iter().flat_map(|word| [(word, word), (word, "pubsub")]) {
        // Keys of one slot, so that one command may read them.
        let tag = format!("{{{prefix}{first}{word}}}");
        let keys: Vec<String> = (1..=9).map(|number| format!("{tag}:{number}")).collect();
        let values: Vec<&str> =
            std::iter::once(first).chain(std::iter::repeat_n(word, 8)).collect();
        for (key, value) in keys.iter().zip(&values) {
            bench.put(key, value.as_bytes()).await;
        }
        for count in 1..=keys.len() {
            let asked: Vec<&str> = keys.iter().take(count).map(String::as_str).collect();
            let answers = bench.provider.get_many(&asked).await;
            let expected: Vec<Option<Bytes>> = values
                .iter()
                .take(count)
                .map(|value| Some(Bytes::copy_from_slice(value.as_bytes())))
                .collect();
            assert_eq!(answers, Ok(expected), "{count} times {word} after {first}");
        }
        assert_eq!(bench.get("contract:no-such-key").await, None, "answers are out of step");
    }
}

pub(super) async fn empty_is_not_absent(bench: &Bench) {
    let key = unique_prefix("empty");
    assert_eq!(bench.get(&key).await, None);
    bench.put(&key, Bytes::new()).await;
    assert_eq!(bench.get(&key).await, Some(Bytes::new()));
    let many = bench.provider.get_many(&[&key, "contract:no-such-key"]).await.expect("get_many");
    assert_eq!(many, [Some(Bytes::new()), None]);
}

pub(super) async fn large(bench: &Bench) {
    let key = unique_prefix("large");
    let value: Vec<u8> = (0..1024 * 1024_u32).map(|index| index.to_le_bytes()[0] ^ 0x5a).collect();
    bench.put(&key, value.clone()).await;
    assert!(bench.get(&key).await.as_deref() == Some(&*value), "1 MiB came back changed");
    bench.provider.delete_many(&[&key]).await.expect("delete_many");
}

pub(super) async fn many(bench: &Bench) {
    let prefix = unique_prefix("many");
    let none = bench.provider.get_many(&[]).await.expect("get_many");
    assert!(none.is_empty());
    // No hash tag: the keys lie on as many slots.
    let keys: Vec<String> = (0..50).map(|number| format!("{prefix}{number}")).collect();
    for (number, key) in keys.iter().enumerate().filter(|(number, _)| !number.is_multiple_of(3)) {
        bench.put(key, number.to_string()).await;
    }
    let mut asked: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    asked.extend(keys.iter().take(5).map(String::as_str));
    let answers = bench.provider.get_many(&asked).await.expect("get_many");
    assert_eq!(answers.len(), asked.len());
    for (key, answer) in asked.iter().zip(answers) {
        let number: usize = key[prefix.len()..].parse().expect("a number");
        let expected = (!number.is_multiple_of(3)).then(|| Bytes::from(number.to_string()));
        assert_eq!(answer, expected, "{key}");
    }
}

pub(super) async fn deletion_counts(bench: &Bench) {
    let prefix = unique_prefix("delete");
    let keys: Vec<String> = (0..20).map(|number| format!("{prefix}{number}")).collect();
    for key in keys.iter().take(12) {
        bench.put(key, "x").await;
    }
    let mut asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    asked.push(&keys[0]);
    assert_eq!(bench.provider.delete_many(&asked).await, Ok(12), "a repeated key counts once");
    assert_eq!(bench.provider.delete_many(&asked).await, Ok(0));
    assert_eq!(bench.provider.delete_many(&[]).await, Ok(0));
    assert_eq!(bench.get(&keys[3]).await, None);
}

pub(super) async fn conditions(bench: &Bench) {
    let key = unique_prefix("conditions");
    let provider = &bench.provider;
    let set = |value: &'static str, options| provider.set(&key, Bytes::from(value), options);
    assert_eq!(set("1", TEN_MINUTES.if_present()).await, Ok(false));
    assert_eq!(bench.get(&key).await, None, "a write that did not hold wrote");
    assert_eq!(set("2", TEN_MINUTES.if_absent()).await, Ok(true));
    assert_eq!(set("3", TEN_MINUTES.if_absent()).await, Ok(false));
    assert_eq!(bench.get(&key).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(set("4", TEN_MINUTES.if_present()).await, Ok(true));
    assert_eq!(bench.get(&key).await.as_deref(), Some(&b"4"[..]));
    provider.delete_many(&[&key]).await.expect("delete_many");
    assert_eq!(set("5", TEN_MINUTES.if_present()).await, Ok(false), "a deleted key came back");
}

pub(super) async fn refused_inputs(bench: &Bench) {
    let provider = &bench.provider;
    let long = "k".repeat(limits::MAX_KEY_BYTES + 1);
    let huge = Bytes::from(vec![0; limits::MAX_VALUE_BYTES + 1]);
    for key in ["", &*long] {
        assert_rejected(provider.get(key).await, "get");
        assert_rejected(provider.get_many(&["fine", key]).await, "get_many");
        assert_rejected(provider.delete_many(&["fine", key]).await, "delete_many");
        assert_rejected(provider.expire(key, Duration::from_secs(1)).await, "expire");
        assert_rejected(provider.increment(key, 1, Duration::from_secs(1)).await, "increment");
        assert_rejected(provider.set(key, Bytes::new(), TEN_MINUTES).await, "set");
    }
    let key = unique_prefix("refused");
    assert_rejected(provider.set(&key, huge, TEN_MINUTES).await, "a huge value");
    let keeping_nothing = SetOptions { expiry: Expiry::Keep, condition: Condition::IfAbsent };
    assert_rejected(provider.set(&key, Bytes::new(), keeping_nothing).await, "keep and absent");
    for topic in ["", "with space", "with,comma", "ünicode"] {
        assert_rejected(provider.publish(topic, Bytes::new()).await, topic);
        assert_rejected(provider.subscribe(&[topic]).await.map(drop), topic);
    }
    assert_rejected(provider.subscribe(&[]).await.map(drop), "no topics");
    let vast = Bytes::from(vec![0; limits::MAX_PAYLOAD_BYTES + 1]);
    assert_rejected(provider.publish("contract", vast).await, "a vast message");
    assert_eq!(bench.get(&key).await, None);
}
