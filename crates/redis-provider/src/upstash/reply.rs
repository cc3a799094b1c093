//! Bodies of answers, taken apart strictly: what a command cannot answer is a protocol error, and
//! what is no answer of the service at all is not taken for one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::error::RedisError;
use crate::port::{Command, Reply, ScanCursor, ScanPage, ScriptReply};

/// What one command came to: its result, or the text of its error.
pub(super) type Answer = Result<Value, String>;

/// A body of the service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// Of a single command, or the refusal of a whole request.
    One(Answer),
    /// Of several, in their order.
    Many(Vec<Answer>),
}

/// `None` for anything but the service's own documents.
pub(super) fn parse(body: &[u8]) -> Option<Body> {
    match serde_json::from_slice(body).ok()? {
        Value::Array(items) => items.into_iter().map(answer).collect::<Option<_>>().map(Body::Many),
        one => answer(one).map(Body::One),
    }
}

/// An object with a result or an error, never both.
fn answer(value: Value) -> Option<Answer> {
    let Value::Object(mut fields) = value else { return None };
    match (fields.remove("result"), fields.remove("error")) {
        (Some(result), None) => Some(Ok(result)),
        (None, Some(Value::String(text))) => Some(Err(text)),
        _ => None,
    }
}

/// Bytes of the values in a result, as near as their encoded lengths tell.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::try_from(text.len() / 4 * 3).unwrap_or(u64::MAX),
        Value::Array(items) => items.iter().map(weight).sum(),
        _ => 0,
    }
}

fn unexpected(value: &Value, command: &'static str) -> RedisError {
    // The kind only: the value may be somebody's data.
    let kind = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string that is not base64",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    RedisError::Protocol(format!("{kind} as the answer of {command}"))
}

/// Every string is base64 but for a bare `OK`, whose length no base64 has.
fn decode(text: &str) -> Option<Bytes> {
    if text == "OK" {
        return Some(Bytes::from_static(b"OK"));
    }
    STANDARD.decode(text).ok().map(Bytes::from)
}

pub(super) fn optional_bytes(
    value: &Value,
    command: &'static str,
) -> Result<Option<Bytes>, RedisError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => decode(text).map(Some).ok_or_else(|| unexpected(value, command)),
        other => Err(unexpected(other, command)),
    }
}

fn text(value: &Value, command: &'static str) -> Result<String, RedisError> {
    optional_bytes(value, command)?
        .and_then(|bytes| String::from_utf8(bytes.into()).ok())
        .ok_or_else(|| unexpected(value, command))
}

/// A number; a large one may come as a string, so that readers with doubles do not round it.
pub(super) fn integer(value: &Value, command: &'static str) -> Result<i64, RedisError> {
    let parsed = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => {
            digits.parse().ok().or_else(|| std::str::from_utf8(&decode(digits)?).ok()?.parse().ok())
        }
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
pub(super) fn is_written(value: &Value) -> Result<bool, RedisError> {
    match optional_bytes(value, "SET")? {
        None => Ok(false),
        Some(word) if word.as_ref() == b"OK" => Ok(true),
        Some(_) => Err(unexpected(value, "SET")),
    }
}

/// One element for each of so many keys.
pub(super) fn values(value: &Value, keys: usize) -> Result<Vec<Option<Bytes>>, RedisError> {
    match value {
        Value::Array(items) if items.len() == keys => {
            items.iter().map(|item| optional_bytes(item, "MGET")).collect()
        }
        other => Err(unexpected(other, "MGET")),
    }
}

pub(super) fn script_reply(value: &Value) -> Result<ScriptReply, RedisError> {
    match value {
        Value::Number(_) => integer(value, "EVAL").map(ScriptReply::Integer),
        other => Ok(optional_bytes(other, "EVAL")?.map_or(ScriptReply::Nil, ScriptReply::Bytes)),
    }
}

/// Foreign keys in a shared database need not be text; ours are, so others are left out.
pub(super) fn scan_page(value: &Value, prefix: &str) -> Result<ScanPage, RedisError> {
    let Some([cursor, Value::Array(found)]) = value.as_array().map(Vec::as_slice) else {
        return Err(unexpected(value, "SCAN"));
    };
    let cursor = match cursor {
        Value::Number(number) => number.to_string(),
        other => text(other, "SCAN")?,
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
pub(super) fn of_command(command: &Command, value: &Value) -> Result<Reply, RedisError> {
    match command {
        Command::Get(_) => optional_bytes(value, "GET").map(Reply::Value),
        Command::Set(..) => is_written(value).map(Reply::Applied),
        Command::Delete(_) => flag(value, "UNLINK").map(Reply::Applied),
        Command::Expire(..) => flag(value, "PEXPIRE").map(Reply::Applied),
        Command::Evaluate(..) => script_reply(value).map(Reply::Script),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

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
                values.iter().map(|value| value.as_ref().map(|bytes| STANDARD.encode(bytes))).collect();
            let body = json!({ "result": encoded }).to_string();
            let expected: Vec<_> = values.into_iter().map(|value| value.map(Bytes::from)).collect();
            prop_assert_eq!(super::values(&one(&body), expected.len()), Ok(expected));
        }

        #[test]
        fn any_integer_comes_back_in_each_form(number: i64) {
            let digits = number.to_string();
            for form in [json!(number), json!(digits), json!(STANDARD.encode(&digits))] {
                prop_assert_eq!(integer(&form, "INCRBY"), Ok(number));
            }
        }

        #[test]
        fn no_body_panics(body: Vec<u8>) {
            if let Some(Body::One(Ok(value))) = parse(&body) {
                let _refused_or_not = (script_reply(&value), scan_page(&value, ""), is_written(&value));
            }
        }
    }

    #[test]
    fn only_the_services_documents_are_answers() {
        for body in [
            "",
            "<html>502</html>",
            "null",
            "1",
            "{}",
            "{\"result\":1,\"error\":\"x\"}",
            "{\"error\":null}",
            "{\"error\":{\"message\":\"x\"}}",
            "{\"message\":\"Unauthorized\"}",
            "[1]",
            "[{\"result\":1},{}]",
            "{\"result\":1}x",
            "{\"result\":1",
        ] {
            assert_eq!(parse(body.as_bytes()), None, "{body}");
        }
        let many = parse(b"[{\"result\":null},{\"error\":\"ERR no\"}]");
        assert_eq!(many, Some(Body::Many(vec![Ok(Value::Null), Err("ERR no".to_owned())])));
        assert_eq!(parse(b"[]"), Some(Body::Many(Vec::new())));
    }

    #[test]
    fn a_stored_ok_is_told_from_an_acknowledgement() {
        let ok = Some(Bytes::from_static(b"OK"));
        assert_eq!(optional_bytes(&json!("T0s="), "GET"), Ok(ok.clone()));
        assert_eq!(optional_bytes(&json!("OK"), "GET"), Ok(ok));
        assert_eq!(is_written(&json!("OK")), Ok(true));
        assert_eq!(is_written(&json!("T0s=")), Ok(true), "some fronts encode it");
        assert_eq!(is_written(&Value::Null), Ok(false));
        assert!(is_written(&json!("bm8=")).is_err());
    }

    #[test]
    fn what_is_not_base64_is_not_a_value() {
        for text in ["plain text", "T0s", "T0s=\n", "é", "=", "T0t="] {
            let answer = optional_bytes(&json!(text), "GET");
            assert!(matches!(answer, Err(RedisError::Protocol(_))), "{text:?}: {answer:?}");
        }
        for value in [json!(1.5), json!(true), json!([1]), json!({}), json!(u64::MAX)] {
            assert!(integer(&value, "INCRBY").is_err(), "{value}");
        }
        assert!(values(&json!(["T0s="]), 2).is_err(), "an answer is missing");
    }

    #[test]
    fn pages_have_their_cursor_as_text() {
        let page = |cursor: Value| scan_page(&json!([cursor, ["YTox", "Yjox", "/w=="]]), "a:");
        let keys = vec!["a:1".to_owned()];
        let end = ScanPage { keys: keys.clone(), next: None };
        for cursor in [json!("MA=="), json!(0)] {
            assert_eq!(page(cursor), Ok(end.clone()));
        }
        let next = Some(ScanCursor("18446744073709551615".to_owned()));
        assert_eq!(page(json!(u64::MAX)), Ok(ScanPage { keys, next }));
        assert!(scan_page(&json!(["MA=="]), "").is_err());
    }
}
