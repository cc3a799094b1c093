//! Results, understood strictly: what a command cannot answer is a protocol error.

use bytes::Bytes;
use serde_json::Value as Json;

use super::binary;
use super::document::Value;
use crate::error::RedisError;
use crate::port::{Command, Reply, ScanCursor, ScanPage, ScriptReply};

fn unexpected(value: &Value, command: &'static str) -> RedisError {
    // The kind only: the value may be somebody's data.
    let kind = match value {
        Value::Bytes(_) => "another string",
        Value::List(_) | Value::Other(Json::Array(_)) => "an array",
        Value::Other(Json::Null) => "nothing",
        Value::Other(Json::Bool(_)) => "a truth value",
        Value::Other(Json::Number(_)) => "a number",
        Value::Other(Json::String(_)) => "a string that is not base64",
        Value::Other(Json::Object(_)) => "an object",
    };
    RedisError::Protocol(format!("{kind} as the answer of {command}"))
}

/// Every string is base64 but for a bare `OK`, whose length no base64 has.
pub(super) fn optional_bytes(
    value: Value,
    command: &'static str,
) -> Result<Option<Bytes>, RedisError> {
    match value {
        Value::Bytes(bytes) => Ok(Some(bytes)),
        Value::Other(Json::Null) => Ok(None),
        Value::Other(Json::String(text)) if text == "OK" => Ok(Some(Bytes::from_static(b"OK"))),
        other => Err(unexpected(&other, command)),
    }
}

/// A number; a large one may come as a string, so that readers with doubles do not round it.
pub(super) fn integer(value: &Value, command: &'static str) -> Result<i64, RedisError> {
    let parsed = match value {
        Value::Other(Json::Number(number)) => number.as_i64(),
        Value::Other(Json::String(digits)) => digits.parse().ok(),
        // Digits, four or eight of them, may be base64 as well; that is what they are then taken for
        // last.
        Value::Bytes(bytes) => binary::encode(bytes)
            .parse()
            .ok()
            .or_else(|| std::str::from_utf8(bytes).ok()?.parse().ok()),
        _ => None,
    };
    parsed.ok_or_else(|| unexpected(value, command))
}

/// `1` or `0`.
pub(super) fn flag(value: &Value, command: &'static str) -> Result<bool, RedisError> {
    integer(value, command).map(|number| number != 0)
}

/// How many.
pub(super) fn count(value: &Value, command: &'static str) -> Result<u64, RedisError> {
    u64::try_from(integer(value, command)?).map_err(|_| unexpected(value, command))
}

/// `OK`, or nothing where a condition did not hold.
pub(super) fn is_written(value: Value) -> Result<bool, RedisError> {
    match optional_bytes(value, "SET")? {
        None => Ok(false),
        Some(word) if word.as_ref() == b"OK" => Ok(true),
        Some(other) => Err(unexpected(&Value::Bytes(other), "SET")),
    }
}

/// One element for each of so many keys.
pub(super) fn values(value: Value, keys: usize) -> Result<Vec<Option<Bytes>>, RedisError> {
    match value {
        Value::List(items) if items.len() == keys => {
            items.into_iter().map(|item| optional_bytes(item, "MGET")).collect()
        }
        other => Err(unexpected(&other, "MGET")),
    }
}

pub(super) fn script_reply(value: Value) -> Result<ScriptReply, RedisError> {
    match value {
        Value::Other(Json::Number(_)) => integer(&value, "EVAL").map(ScriptReply::Integer),
        other => Ok(optional_bytes(other, "EVAL")?.map_or(ScriptReply::Nil, ScriptReply::Bytes)),
    }
}

/// Foreign keys in a shared database need not be text; ours are, so others are left out.
pub(super) fn scan_page(value: Value, prefix: &str) -> Result<ScanPage, RedisError> {
    let (cursor, found) = match value {
        Value::List(parts) => match <[Value; 2]>::try_from(parts) {
            Ok([cursor, Value::List(found)]) => (cursor, found),
            Ok(parts) => return Err(unexpected(&Value::List(parts.into()), "SCAN")),
            Err(parts) => return Err(unexpected(&Value::List(parts), "SCAN")),
        },
        other => return Err(unexpected(&other, "SCAN")),
    };
    let cursor = match cursor {
        Value::Other(Json::Number(number)) => number.to_string(),
        other => {
            let bytes = optional_bytes(other, "SCAN")?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes.into()).ok());
            text.ok_or_else(|| RedisError::Protocol("no cursor in the answer of SCAN".to_owned()))?
        }
    };
    let mut keys = Vec::with_capacity(found.len());
    for key in found {
        let text = optional_bytes(key, "SCAN")?.and_then(|key| String::from_utf8(key.into()).ok());
        keys.extend(text.filter(|key| key.starts_with(prefix)));
    }
    let next = (cursor != "0").then_some(ScanCursor(cursor));
    Ok(ScanPage { keys, next })
}

/// The answer of a command of a pipeline.
pub(super) fn of_command(command: &Command, value: Value) -> Result<Reply, RedisError> {
    match command {
        Command::Get(_) => optional_bytes(value, "GET").map(Reply::Value),
        Command::Set(..) => is_written(value).map(Reply::Applied),
        Command::Delete(_) => flag(&value, "UNLINK").map(Reply::Applied),
        Command::Expire(..) => flag(&value, "PEXPIRE").map(Reply::Applied),
        Command::Evaluate(..) => script_reply(value).map(Reply::Script),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::document::{Body, parse};
    use super::*;

    fn one(body: &str) -> Value {
        match parse(body.as_bytes()) {
            Some(Body::One(Ok(value))) => value,
            other => panic!("{body}: {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(values in prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 0..8)) {
            let encoded: Vec<_> =
                values.iter().map(|value| value.as_ref().map(|bytes| binary::encode(bytes))).collect();
            let body = json!({ "result": encoded }).to_string();
            let expected: Vec<_> = values.into_iter().map(|value| value.map(Bytes::from)).collect();
            prop_assert_eq!(super::values(one(&body), expected.len()), Ok(expected));
        }

        #[test]
        fn any_integer_comes_back_in_each_form(number: i64) {
            let digits = number.to_string();
            for form in [json!(number), json!(digits), json!(binary::encode(digits.as_bytes()))] {
                prop_assert_eq!(integer(&form.into(), "INCRBY"), Ok(number));
            }
        }

        #[test]
        fn no_body_panics(body: Vec<u8>) {
            if let Some(Body::One(Ok(value))) = parse(&body) {
                let _refused_or_not = (
                    script_reply(value.clone()),
                    scan_page(value.clone(), ""),
                    is_written(value),
                );
            }
        }
    }

    #[test]
    fn a_stored_ok_is_told_from_an_acknowledgement() {
        let ok = Some(Bytes::from_static(b"OK"));
        assert_eq!(optional_bytes(json!("T0s=").into(), "GET"), Ok(ok.clone()));
        assert_eq!(optional_bytes(json!("OK").into(), "GET"), Ok(ok));
        assert_eq!(is_written(json!("OK").into()), Ok(true));
        assert_eq!(is_written(json!("T0s=").into()), Ok(true), "some fronts encode it");
        assert_eq!(is_written(Json::Null.into()), Ok(false));
        assert!(is_written(json!("bm8=").into()).is_err());
    }

    #[test]
    fn what_is_not_base64_is_not_a_value() {
        for text in ["plain text", "T0s", "T0s=\n", "é", "=", "T0t="] {
            let answer = optional_bytes(json!(text).into(), "GET");
            assert!(matches!(answer, Err(RedisError::Protocol(_))), "{text:?}: {answer:?}");
        }
        for value in [json!(1.5), json!(true), json!([1]), json!({}), json!(u64::MAX)] {
            assert!(integer(&value.clone().into(), "INCRBY").is_err(), "{value}");
        }
        assert!(values(json!(["T0s="]).into(), 2).is_err(), "an answer is missing");
    }

    #[test]
    fn pages_have_their_cursor_as_text() {
        let page = |cursor: Json| scan_page(json!([cursor, ["YTox", "Yjox", "/w=="]]).into(), "a:");
        let keys = vec!["a:1".to_owned()];
        let end = ScanPage { keys: keys.clone(), next: None };
        for cursor in [json!("MA=="), json!(0)] {
            assert_eq!(page(cursor), Ok(end.clone()));
        }
        let next = Some(ScanCursor("18446744073709551615".to_owned()));
        assert_eq!(page(json!(u64::MAX)), Ok(ScanPage { keys, next }));
        assert!(scan_page(json!(["MA=="]).into(), "").is_err());
    }
}
