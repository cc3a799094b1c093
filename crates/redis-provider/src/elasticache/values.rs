//! Replies, taken apart strictly: what a command cannot answer is a protocol error.

use bytes::Bytes;
use fred::types::Value;

use crate::error::RedisError;
use crate::port::ScriptReply;

pub(super) fn unexpected(value: &Value, command: &'static str) -> RedisError {
    // The kind only: the value may be somebody's data.
    RedisError::Protocol(format!("{} as the answer of {command}", value.kind()))
}

/// The library turns UTF-8 into strings and one special word into a variant of its own.
pub(super) fn optional_bytes(
    value: Value,
    command: &'static str,
) -> Result<Option<Bytes>, RedisError> {
    match value {
        Value::Null => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        Value::String(text) => Ok(Some(text.into_inner())),
        Value::Queued => Ok(Some(Bytes::from_static(b"QUEUED"))),
        other => Err(unexpected(&other, command)),
    }
}

/// An array of so many values, or of more where the last was asked for again.
pub(super) fn many(answer: Value, wanted: usize) -> Result<Vec<Option<Bytes>>, RedisError> {
    let Value::Array(answers) = answer else { return Err(unexpected(&answer, "MGET")) };
    if answers.len() < wanted {
        return Err(RedisError::Protocol("too few answers of MGET".to_owned()));
    }
    answers.into_iter().take(wanted).map(|answer| optional_bytes(answer, "MGET")).collect()
}

pub(super) fn integer(value: &Value, command: &'static str) -> Result<i64, RedisError> {
    match value {
        Value::Integer(number) => Ok(*number),
        other => Err(unexpected(other, command)),
    }
}

/// `1` or `0`.
pub(super) fn flag(value: &Value, command: &'static str) -> Result<bool, RedisError> {
    integer(value, command).map(|number| number != 0)
}

/// `OK`, or nothing where a condition did not hold.
pub(super) fn is_written(value: &Value) -> Result<bool, RedisError> {
    match value {
        Value::Null => Ok(false),
        Value::String(text) if &**text == "OK" => Ok(true),
        other => Err(unexpected(other, "SET")),
    }
}

/// A counter as text, because Lua's own numbers are doubles.
pub(super) fn counter(value: Value) -> Result<i64, RedisError> {
    optional_bytes(value, "INCRBY")?
        .and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok())
        .ok_or_else(|| RedisError::Protocol("no number as the answer of INCRBY".to_owned()))
}

pub(super) fn script_reply(value: Value) -> Result<ScriptReply, RedisError> {
    match value {
        Value::Integer(number) => Ok(ScriptReply::Integer(number)),
        other => Ok(optional_bytes(other, "EVAL")?.map_or(ScriptReply::Nil, ScriptReply::Bytes)),
    }
}

/// One page of one node: keys with the prefix, and its cursor, which is 0 at the end. Foreign keys
/// on a shared server need not be text; ours are, so others are left out.
pub(super) fn scan_page(value: Value, prefix: &str) -> Result<(Vec<String>, u64), RedisError> {
    let Value::Array(parts) = value else { return Err(unexpected(&value, "SCAN")) };
    let Ok([cursor, Value::Array(found)]) = <[Value; 2]>::try_from(parts) else {
        return Err(RedisError::Protocol("a malformed answer of SCAN".to_owned()));
    };
    let cursor = optional_bytes(cursor, "SCAN")?
        .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok())
        .ok_or_else(|| RedisError::Protocol("a malformed cursor of SCAN".to_owned()))?;
    let mut keys = Vec::with_capacity(found.len());
    for key in found {
        let text = optional_bytes(key, "SCAN")?.and_then(|key| String::from_utf8(key.into()).ok());
        keys.extend(text.filter(|key| key.starts_with(prefix)));
    }
    Ok((keys, cursor))
}
