//! Every byte of every value, whichever way it takes to the service.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redis_provider::{
    Command, Expiry, RedisProvider, Reply, Script, ScriptReply, SetOptions, limits,
};

use crate::connect;
use crate::front::Front;

const TTL: SetOptions = SetOptions::with_ttl(Duration::from_secs(600));

/// Bytes that are text about as often as not, of lengths on both sides of what shares a request.
fn any_value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => any::<Vec<u8>>().prop_map(Bytes::from),
        4 => ".{0,40}".prop_map(Bytes::from),
        1 => (any::<u8>(), 0..400_000_usize).prop_map(|(byte, length)| vec![byte; length].into()),
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    "[^.].{0,20}|\\.[a/%?#]".prop_filter("a bounded key", |key| key.len() <= limits::MAX_KEY_BYTES)
}

#[tokio::test]
async fn every_value_comes_back_from_every_method() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    let mut runner = TestRunner::deterministic();
    let strategy = (any_key(), any_value(), any_value());
    for round in 0..60 {
        let (key, value, other) = strategy.new_tree(&mut runner).expect("values").current();
        let (key, context) = (key.as_str(), format!("round {round}: {key:?}"));
        provider.delete_many(&[key]).await.expect("delete");
        let set = |value: &Bytes, options| provider.set(key, value.clone(), options);
        let reads = async || provider.get(key).await.expect("get").expect("a value");

        assert_eq!(set(&value, TTL.if_present()).await, Ok(false), "{context}");
        assert_eq!(set(&value, TTL.if_absent()).await, Ok(true), "{context}");
        assert!(reads().await == value, "{context}: NX");
        assert_eq!(set(&other, TTL.if_absent()).await, Ok(false), "{context}");
        assert_eq!(set(&other, TTL.if_present()).await, Ok(true), "{context}");
        assert!(reads().await == other, "{context}: XX");
        assert_eq!(set(&value, TTL).await, Ok(true), "{context}");
        assert!(reads().await == value, "{context}: PX");
        let kept = SetOptions { expiry: Expiry::Keep, ..SetOptions::default() };
        assert_eq!(set(&other, kept).await, Ok(true), "{context}");
        assert!(reads().await == other, "{context}: KEEPTTL");
        assert_eq!(set(&value, SetOptions::default()).await, Ok(true), "{context}");
        let many = provider.get_many(&[key, "absent", key]).await.expect("get_many");
        assert!(many == [Some(value.clone()), None, Some(value.clone())], "{context}: MGET");

        let expected = [value.clone()];
        let deleted = provider.evaluate(Script::DeleteIfEquals, &[key], &expected).await;
        assert_eq!(deleted, Ok(ScriptReply::Integer(1)), "{context}");
        let stamp = [value.clone(), Bytes::from("600000")];
        let stamped = provider.evaluate(Script::AdvanceStamp, &[key], &stamp).await;
        assert!(stamped == Ok(ScriptReply::Bytes(value.clone())), "{context}: a stamp");
        assert!(reads().await == value, "{context}: a stamp");

        let commands = vec![
            Command::Set(key.to_owned(), other.clone(), TTL),
            Command::Get(key.to_owned()),
            Command::Evaluate(Script::DeleteIfEquals, vec![key.to_owned()], vec![other.clone()]),
            Command::Get(key.to_owned()),
        ];
        let answers = provider.pipeline(commands).await.expect("a pipeline");
        assert!(answers[1] == Ok(Reply::Value(Some(other))), "{context}: a pipeline");
        assert_eq!(answers[2], Ok(Reply::Script(ScriptReply::Integer(1))), "{context}");
        assert_eq!(answers[3], Ok(Reply::Value(None)), "{context}");
    }
    provider.close().await;
}

#[tokio::test]
async fn the_largest_values_come_back() {
    let front = Front::start().await;
    let provider = connect(&front.settings()).await;
    for byte in [0x01, b'"', b'a', 0xff] {
        let value = Bytes::from(vec![byte; limits::MAX_VALUE_BYTES]);
        assert_eq!(provider.set("large", value.clone(), TTL).await, Ok(true), "{byte}");
        assert!(provider.get("large").await == Ok(Some(value)), "{byte}");
    }
    // More keys than one request may have bytes for.
    let key = |number: usize| format!("{number:0width$}", width = limits::MAX_KEY_BYTES);
    let keys: Vec<String> = (0..limits::MAX_KEYS).map(key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(provider.set(keys[9_999], Bytes::from("last"), TTL).await, Ok(true));
    let values = provider.get_many(&keys).await.expect("get_many");
    assert_eq!(values.len(), limits::MAX_KEYS);
    assert_eq!(values[9_999].as_deref(), Some(&b"last"[..]));
    assert_eq!(provider.delete_many(&keys).await, Ok(1));
    provider.close().await;
}
