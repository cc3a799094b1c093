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
use crate::port::{Command, Condition, Expiry, Reply, Script, SetOptions};

/// A command over a single key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request<'a> {
    Get(&'a str),
    Set(&'a str, &'a Bytes, SetOptions),
    Unlink(&'a str),
    Expire(&'a str, Duration),
    Script(Script, &'a str, &'a [Bytes]),
}

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
            Self::Get(_) => Access::Read,
            _ => Access::Write,
        }
    }

    /// Sends it by a client, or puts it in a pipeline.
    pub(super) async fn send<C: KeysInterface>(self, client: &C) -> FredResult<Value> {
        match self {
            Self::Get(key) => client.get(key).await,
            Self::Set(key, value, options) => {
                let (expiry, existence) = translate(options);
                client.set(key, value.clone(), expiry, existence, false).await
            }
            Self::Unlink(key) => client.unlink(key).await,
            Self::Expire(key, ttl) => client.pexpire(key, signed_millis(ttl), None).await,
            Self::Script(script, key, arguments) => {
                evaluate(client, script.lua(), key, arguments.iter().cloned()).await
            }
        }
    }

    /// Takes the answer apart.
    pub(super) fn reply(self, answer: Value) -> Result<Reply, RedisError> {
        match self {
            Self::Get(_) => values::optional_bytes(answer, "GET").map(Reply::Value),
            Self::Set(..) => values::is_written(&answer).map(Reply::Applied),
            Self::Unlink(_) => values::flag(&answer, "UNLINK").map(Reply::Applied),
            Self::Expire(..) => values::flag(&answer, "PEXPIRE").map(Reply::Applied),
            Self::Script(..) => values::script_reply(answer).map(Reply::Script),
        }
    }
}

/// Runs a script over one key, always by its text: half a kilobyte, but never a second attempt,
/// which in a pipeline would come after the commands that follow.
pub(super) async fn evaluate<C: KeysInterface>(
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
