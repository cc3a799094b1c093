//! What every adapter accepts, so that a call that works over one service works over all.
//!
//! The bounds lie below the smallest of the services' own: 32 KB a key, 10 MB a request and no
//! comma in a topic at Upstash, 3,999 arguments a command at ElastiCache Serverless.

use std::time::Duration;

use bytes::Bytes;

use crate::error::RedisError;
use crate::port::{Command, Expiry, SetOptions};
use crate::script;

/// Longest key, in bytes; an empty one is refused as well.
pub const MAX_KEY_BYTES: usize = 1024;
/// Largest value or script argument, in bytes.
pub const MAX_VALUE_BYTES: usize = 7 * 1024 * 1024;
/// Most keys in one call.
pub const MAX_KEYS: usize = 10_000;
/// Most commands in one pipeline.
pub const MAX_PIPELINE_COMMANDS: usize = 1000;
/// Most topics in one subscription.
pub const MAX_TOPICS: usize = 64;
/// Longest topic, in bytes; it is printable ASCII without commas.
pub const MAX_TOPIC_BYTES: usize = 128;
/// Largest message, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 512 * 1024;
/// Longest time to live; a longer one is cut to it. A hundred years of 365.25 days.
pub const MAX_TTL: Duration = Duration::from_secs(3_155_760_000);

/// A time to live in milliseconds: rounded up, at least one, at most [`MAX_TTL`].
pub(crate) fn ttl_millis(ttl: Duration) -> u64 {
    let millis = ttl.min(MAX_TTL).as_nanos().div_ceil(1_000_000).max(1);
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// The same as a duration.
pub(crate) fn whole_ttl(ttl: Duration) -> Duration {
    Duration::from_millis(ttl_millis(ttl))
}

pub(crate) fn check_key(key: &str) -> Result<(), RedisError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(RedisError::Rejected(format!(
            "a key of {} bytes; 1 to {MAX_KEY_BYTES} are allowed",
            key.len()
        )));
    }
    Ok(())
}

pub(crate) fn check_keys(keys: &[&str]) -> Result<(), RedisError> {
    if keys.len() > MAX_KEYS {
        return Err(RedisError::Rejected(format!(
            "{} keys in one call; {MAX_KEYS} are allowed",
            keys.len()
        )));
    }
    keys.iter().try_for_each(|key| check_key(key))
}

/// A prefix may be empty: then the scan is over every key.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), RedisError> {
    if prefix.is_empty() { Ok(()) } else { check_key(prefix) }
}

pub(crate) fn check_value(value: &Bytes) -> Result<(), RedisError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(RedisError::Rejected(format!(
            "a value of {} bytes; {MAX_VALUE_BYTES} are allowed",
            value.len()
        )));
    }
    Ok(())
}

/// Checks a write before it is sent.
///
/// `IfAbsent` with `Keep` is refused because there is no time to keep where nothing is replaced.
pub(crate) fn check_set(key: &str, value: &Bytes, options: SetOptions) -> Result<(), RedisError> {
    check_key(key)?;
    check_value(value)?;
    if options.expiry == Expiry::Keep && options.condition == crate::port::Condition::IfAbsent {
        return Err(RedisError::Rejected(
            "nothing to keep the time to live of where the key must be absent".to_owned(),
        ));
    }
    Ok(())
}

pub(crate) fn check_topic(topic: &str) -> Result<(), RedisError> {
    let is_plain = topic.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if topic.is_empty() || topic.len() > MAX_TOPIC_BYTES || !is_plain {
        return Err(RedisError::Rejected(format!(
            "a topic is 1 to {MAX_TOPIC_BYTES} printable ASCII characters without commas"
        )));
    }
    Ok(())
}

pub(crate) fn check_topics(topics: &[&str]) -> Result<(), RedisError> {
    if topics.is_empty() || topics.len() > MAX_TOPICS {
        return Err(RedisError::Rejected(format!(
            "{} topics in one subscription; 1 to {MAX_TOPICS} are allowed",
            topics.len()
        )));
    }
    topics.iter().try_for_each(|topic| check_topic(topic))
}

pub(crate) fn check_message(topic: &str, payload: &Bytes) -> Result<(), RedisError> {
    check_topic(topic)?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(RedisError::Rejected(format!(
            "a message of {} bytes; {MAX_PAYLOAD_BYTES} are allowed",
            payload.len()
        )));
    }
    Ok(())
}

pub(crate) fn check_pipeline(commands: &[Command]) -> Result<(), RedisError> {
    if commands.len() > MAX_PIPELINE_COMMANDS {
        return Err(RedisError::Rejected(format!(
            "{} commands in one pipeline; {MAX_PIPELINE_COMMANDS} are allowed",
            commands.len()
        )));
    }
    Ok(())
}

/// Checks one command of a pipeline; its failure is that command's own answer.
pub(crate) fn check_command(command: &Command) -> Result<(), RedisError> {
    match command {
        Command::Get(key) | Command::Delete(key) | Command::Expire(key, _) => check_key(key),
        Command::Set(key, value, options) => check_set(key, value, *options),
        Command::Evaluate(called, keys, arguments) => script::check(*called, keys, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_rounded_up_and_bounded() {
        assert_eq!(ttl_millis(Duration::ZERO), 1);
        assert_eq!(ttl_millis(Duration::from_nanos(1)), 1);
        assert_eq!(ttl_millis(Duration::from_micros(1001)), 2);
        assert_eq!(ttl_millis(Duration::from_secs(3)), 3000);
        assert_eq!(ttl_millis(Duration::MAX), 3_155_760_000_000);
    }

    #[test]
    fn topics_are_plain() {
        assert!(check_topic("portal:cache").is_ok());
        for topic in ["", "a,b", "a b", "a\n", "é", &"x".repeat(MAX_TOPIC_BYTES + 1)] {
            assert!(check_topic(topic).is_err(), "{topic:?}");
        }
    }
}
