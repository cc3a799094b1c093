//! The commands that are sent, alone or in a pipeline, and what they answer.

use std::time::Duration;

use bytes::Bytes;
use fred::interfaces::{FredResult, KeysInterface};
use fred::types::{ClusterHash, CustomCommand, Expiration, SetOptions as Existence, Value};
use fred::util::redis_keyslot;

use super::errors::Access;
use super::values;
use crate::error::RedisError;
use crate::limits::ttl_millis;
use crate::port::{Command, Condition, Expiry, Reply, Script, ScriptReply, SetOptions};

/// Most keys that one command reads: other callers of the server wait while it is answered.
pub(super) const MOST_KEYS: usize = 128;

/// The library takes an array of three to five elements for news of a subscription where it begins
/// with one of a few words, which anybody may have stored, and drops it; the next caller on that
/// connection would be given the answer to somebody else's question.
const MISTAKABLE: std::ops::RangeInclusive<usize> = 3..=5;

/// A command over keys of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request<'a> {
    Get(&'a str),
    /// Two keys and more, [`MOST_KEYS`] at most.
    GetTogether(&'a [&'a str]),
    Set(&'a str, &'a Bytes, SetOptions),
    Unlink(&'a str),
    Expire(&'a str, Duration),
    Script(Script, &'a str, &'a [Bytes]),
    Increment(&'a str, i64, Duration),
    /// A message to the shard of its topic.
    Publish(&'a str, &'a Bytes),
}

/// Makes the counter with its time to live in one step, so that none is left without one. The
/// answer is text, because Lua's numbers are doubles.
const INCREMENT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[1], '0', 'PX', ARGV[2])
end
redis.call('INCRBY', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])";

impl<'a> Request<'a> {
    /// A command that was checked.
    pub(super) fn from_command(command: &'a Command) -> Self {
        match command {
            Command::Get(key) => Self::Get(key),
            Command::Set(key, value, options) => Self::Set(key, value, *options),
            Command::Delete(key) => Self::Unlink(key),
            Command::Expire(key, ttl) => Self::Expire(key, *ttl),
            Command::Evaluate(script, keys, arguments) => {
                Self::Script(*script, keys.first().map_or("", String::as_str), arguments)
            }
        }
    }

    pub(super) const fn access(&self) -> Access {
        match self {
            Self::Get(_) | Self::GetTogether(_) => Access::Read,
            _ => Access::Write,
        }
    }

    /// The slot of its keys.
    pub(super) fn slot(&self) -> u16 {
        let key = match self {
            Self::Get(key)
            | Self::Set(key, ..)
            | Self::Unlink(key)
            | Self::Expire(key, _)
            | Self::Script(_, key, _)
            | Self::Increment(key, ..)
            | Self::Publish(key, _) => key,
            Self::GetTogether(keys) => keys.first().copied().unwrap_or_default(),
        };
        redis_keyslot(key.as_bytes())
    }

    /// The same, key by key, where it is more than one: while a slot moves to another node, neither
    /// node has them all.
    pub(super) fn apart(self) -> Option<Vec<Self>> {
        match self {
            Self::GetTogether(keys) => Some(keys.iter().map(|key| Self::Get(key)).collect()),
            _ => None,
        }
    }

    /// Sends it by a client, or puts it in a pipeline.
    ///
    /// A future of the library takes 7 KB, and whatever awaits it by value takes as much again and
    /// is copied as often as it is handed on; in a box of its own it stays where it is.
    pub(super) async fn send<C: KeysInterface>(self, client: &C) -> FredResult<Value> {
        match self {
            Self::Get(key) => Box::pin(client.get(key)).await,
            Self::GetTogether(keys) => {
                let keys: Vec<&str> = padded(keys).collect();
                Box::pin(client.mget(keys)).await
            }
            Self::Set(key, value, options) => {
                let (expiry, existence) = translate(options);
                Box::pin(client.set(key, value.clone(), expiry, existence, false)).await
            }
            Self::Unlink(key) => Box::pin(client.unlink(key)).await,
            Self::Expire(key, ttl) => Box::pin(client.pexpire(key, signed_millis(ttl), None)).await,
            Self::Script(script, key, arguments) => {
                Box::pin(evaluate(client, script.lua(), key, arguments.iter().cloned())).await
            }
            Self::Increment(key, by, ttl) => {
                let arguments = [by.to_string(), ttl_millis(ttl).to_string()].map(Bytes::from);
                Box::pin(evaluate(client, INCREMENT, key, arguments.into_iter())).await
            }
            Self::Publish(topic, payload) => {
                let slot = ClusterHash::Custom(redis_keyslot(topic.as_bytes()));
                let command = CustomCommand::new_static("SPUBLISH", slot, false);
                let parts = vec![Value::from(topic), Value::from(payload.clone())];
                Box::pin(client.custom(command, parts)).await
            }
        }
    }

    /// Takes the answer apart.
    pub(super) fn reply(self, answer: Value) -> Result<Reply, RedisError> {
        match self {
            Self::Get(_) => values::optional_bytes(answer, "GET").map(Reply::Value),
            // Their answers are taken apart by whoever asks.
            Self::GetTogether(_) | Self::Publish(..) => {
                Err(values::unexpected(&answer, "a command of one answer"))
            }
            Self::Set(..) => values::is_written(&answer).map(Reply::Applied),
            Self::Unlink(_) => values::flag(&answer, "UNLINK").map(Reply::Applied),
            Self::Expire(..) => values::flag(&answer, "PEXPIRE").map(Reply::Applied),
            Self::Script(..) => values::script_reply(answer).map(Reply::Script),
            Self::Increment(..) => {
                let count = values::counter(answer)?;
                Ok(Reply::Script(ScriptReply::Integer(count)))
            }
        }
    }
}

/// The keys, the last of them again and again where the answer would be of a mistakable length.
fn padded<'a>(keys: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let wanted = if MISTAKABLE.contains(&keys.len()) { MISTAKABLE.end() + 1 } else { keys.len() };
    let again = keys.last().into_iter().cycle().take(wanted - keys.len());
    keys.iter().chain(again).copied()
}

/// Runs a script over one key, always by its text: half a kilobyte, but never a second attempt,
/// which in a pipeline would come after the commands that follow.
async fn evaluate<C: KeysInterface>(
    client: &C,
    lua: &'static str,
    key: &str,
    arguments: impl Iterator<Item = Bytes>,
) -> FredResult<Value> {
    let slot = ClusterHash::Custom(redis_keyslot(key.as_bytes()));
    let command = CustomCommand::new_static("EVAL", slot, false);
    let mut parts = vec![Value::from(lua), Value::from(1), Value::from(key)];
    parts.extend(arguments.map(Value::from));
    client.custom(command, parts).await
}

fn translate(options: SetOptions) -> (Option<Expiration>, Option<Existence>) {
    let expiry = match options.expiry {
        Expiry::Never => None,
        Expiry::After(ttl) => Some(Expiration::PX(signed_millis(ttl))),
        Expiry::Keep => Some(Expiration::KEEPTTL),
    };
    let existence = match options.condition {
        Condition::Always => None,
        Condition::IfAbsent => Some(Existence::NX),
        Condition::IfPresent => Some(Existence::XX),
    };
    (expiry, existence)
}

fn signed_millis(ttl: Duration) -> i64 {
    i64::try_from(ttl_millis(ttl)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_are_those_of_the_servers(key in "[{}a-z\u{e9}]{1,12}") {
            let expected = dev_redis_cluster::slot_of_key(key.as_bytes());
            prop_assert_eq!(Request::Get(&key).slot(), expected);
        }
    }

    #[test]
    fn no_answer_is_of_a_length_that_is_taken_for_news() {
        for count in 2..=MOST_KEYS {
            let keys: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let sent: Vec<&str> = padded(&keys).collect();
            assert!(!(3..=5).contains(&sent.len()), "{count}");
            assert_eq!(sent.get(..count), Some(&*keys));
            assert!(sent.iter().skip(count).all(|key| Some(key) == keys.last()));
            assert!(sent.len() == count || sent.len() == 6, "{count}");
        }
    }

    #[test]
    fn a_hash_tag_decides_the_slot() {
        let slot = |key| Request::Get(key).slot();
        // The slots that `CLUSTER KEYSLOT` of Redis 7.0 answers.
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("x{foo}y"), slot("foo"));
        assert_eq!(slot("{foo}{bar}"), slot("foo"));
        assert_eq!(slot("{}foo"), Request::Unlink("{}foo").slot());
        assert_ne!(slot("{}foo"), slot("foo"));
        assert_eq!(slot("{{foo}}"), slot("{foo"));
    }
}
