//! The commands that the port's methods send.

use std::time::Duration;

use bytes::Bytes;

use super::binary;
use super::encode::{Encoded, json, raw, text};
use super::errors::Access;
use super::programs::Programs;
use crate::dialect::prefix_pattern;
use crate::error::RedisError;
use crate::limits::ttl_millis;
use crate::port::{Command, Condition, Expiry, Script, SetOptions};

/// Keys that the server looks at for a page of a scan.
const SCAN_COUNT: &str = "500";

/// The commands, with the scripts that some of them need.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) programs: Programs,
}

impl Requests {
    /// A command of a pipeline; scripts go by their text, because a second attempt would come
    /// after the commands that follow.
    pub(super) fn of_command(&self, command: &Command) -> Result<Encoded, RedisError> {
        match command {
            Command::Get(key) => get(key),
            Command::Set(key, value, options) => self.set(key, value, *options),
            Command::Delete(key) => unlink(&[key]),
            Command::Expire(key, ttl) => expire(key, *ttl),
            Command::Evaluate(script, keys, arguments) => {
                self.evaluate(*script, keys.first().map_or("", String::as_str), arguments)
            }
        }
    }

    pub(super) fn set(
        &self,
        key: &str,
        value: &Bytes,
        options: SetOptions,
    ) -> Result<Encoded, RedisError> {
        let millis = match options.expiry {
            Expiry::After(ttl) => Some(ttl_millis(ttl).to_string()),
            Expiry::Never | Expiry::Keep => None,
        };
        let mut trailing: Vec<&str> = Vec::new();
        trailing.extend(millis.iter().flat_map(|millis| ["PX", millis.as_str()]));
        trailing.extend((options.expiry == Expiry::Keep).then_some("KEEPTTL"));
        trailing.extend(match options.condition {
            Condition::Always => None,
            Condition::IfAbsent => Some("NX"),
            Condition::IfPresent => Some("XX"),
        });
        if let Some(value) = text(value) {
            let mut words = vec!["SET", key, value];
            words.append(&mut trailing);
            return json(Access::Write, &words);
        }
        match trailing[..] {
            [] => raw(Access::Write, &["set", key], None, value),
            [name, option] if name == "PX" => {
                raw(Access::Write, &["set", key], Some((name, option)), value)
            }
            // What a query without a value would become is not documented; this is.
            _ => {
                let mut words = vec!["eval", self.programs.set_value_last.as_str(), "1", key];
                words.append(&mut trailing);
                raw(Access::Write, &words, None, value)
            }
        }
    }

    /// A script by its text, whatever its arguments are.
    pub(super) fn evaluate(
        &self,
        script: Script,
        key: &str,
        arguments: &[Bytes],
    ) -> Result<Encoded, RedisError> {
        let program = self.programs.get(script);
        if let Some(encoded) = as_text("EVAL", &program.text, key, arguments) {
            return encoded;
        }
        match (self.programs.stamp_last(script), arguments) {
            (_, [only]) => raw(Access::Write, &["eval", &program.text, "1", key], None, only),
            // The time to live of a stamp was checked to be digits.
            (Some(stamp_last), [stamp, ttl]) => {
                let ttl = text(ttl).unwrap_or_default();
                let words = ["eval", stamp_last, "1", key, ttl];
                raw(Access::Write, &words, None, stamp)
            }
            _ => Err(RedisError::Rejected(
                "a script over REST has one argument at most that is not text".to_owned(),
            )),
        }
    }

    /// A script by its hash, where its arguments are text.
    pub(super) fn evaluate_known(
        &self,
        script: Script,
        key: &str,
        arguments: &[Bytes],
    ) -> Option<Encoded> {
        as_text("EVALSHA", &self.programs.get(script).hash, key, arguments)?.ok()
    }
}

fn as_text(
    verb: &str,
    name: &str,
    key: &str,
    arguments: &[Bytes],
) -> Option<Result<Encoded, RedisError>> {
    let mut words = vec![verb, name, "1", key];
    for argument in arguments {
        words.push(text(argument)?);
    }
    Some(json(Access::Write, &words))
}

pub(super) fn get(key: &str) -> Result<Encoded, RedisError> {
    json(Access::Read, &["GET", key])
}

/// One command, because every one is charged for. A key of another type than text is answered as
/// if it were absent.
pub(super) fn get_many(keys: &[&str]) -> Result<Encoded, RedisError> {
    json(Access::Read, &[&["MGET"], keys].concat())
}

pub(super) fn unlink(keys: &[&str]) -> Result<Encoded, RedisError> {
    json(Access::Write, &[&["UNLINK"], keys].concat())
}

pub(super) fn expire(key: &str, ttl: Duration) -> Result<Encoded, RedisError> {
    json(Access::Write, &["PEXPIRE", key, &ttl_millis(ttl).to_string()])
}

/// The two commands of a counter, which must not be torn apart: a key that expired in between
/// would leave a counter that lives for ever.
pub(super) fn increment(key: &str, by: i64, ttl: Duration) -> Result<[Encoded; 2], RedisError> {
    let millis = ttl_millis(ttl).to_string();
    Ok([
        json(Access::Write, &["SET", key, "0", "PX", &millis, "NX"])?,
        json(Access::Write, &["INCRBY", key, &by.to_string()])?,
    ])
}

pub(super) fn scan(prefix: &str, cursor: &str) -> Result<Encoded, RedisError> {
    let pattern = prefix_pattern(prefix);
    json(Access::Read, &["SCAN", cursor, "MATCH", &pattern, "COUNT", SCAN_COUNT])
}

/// A message travels as base64, because a stream of events has lines of text.
pub(super) fn publish(topic: &str, payload: &Bytes) -> Result<Encoded, RedisError> {
    json(Access::Write, &["PUBLISH", topic, &binary::encode(payload)])
}

pub(super) fn ping() -> Result<Encoded, RedisError> {
    json(Access::Read, &["PING"])
}

pub(super) fn info() -> Result<Encoded, RedisError> {
    json(Access::Read, &["INFO"])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode::Form;
    use super::*;

    fn requests() -> Requests {
        Requests { programs: Programs::new() }
    }

    /// The words of a command as the service would put them together.
    fn words(encoded: &Encoded) -> Vec<Vec<u8>> {
        match &encoded.form {
            Form::Json(text) => {
                let words: Vec<String> = serde_json::from_str(text).unwrap();
                words.into_iter().map(String::into_bytes).collect()
            }
            Form::Raw { path, body } => {
                let url = url::Url::parse(&format!("http://localhost{path}")).unwrap();
                let decode = |part| percent_encoding::percent_decode_str(part).collect();
                let mut words: Vec<Vec<u8>> = url.path_segments().unwrap().map(decode).collect();
                words.push(body.to_vec());
                for (name, value) in url.query_pairs() {
                    words.push(name.as_bytes().to_vec());
                    words.push(value.as_bytes().to_vec());
                }
                words
            }
        }
    }

    fn any_options() -> impl Strategy<Value = SetOptions> {
        let expiry = prop_oneof![
            Just(Expiry::Never),
            Just(Expiry::Keep),
            (1_u64..100_000).prop_map(|millis| Expiry::After(Duration::from_millis(millis))),
        ];
        let condition = prop_oneof![
            Just(Condition::Always),
            Just(Condition::IfAbsent),
            Just(Condition::IfPresent)
        ];
        (expiry, condition).prop_map(|(expiry, condition)| SetOptions { expiry, condition })
    }

    proptest! {
        #[test]
        fn a_value_is_sent_as_it_is(key in "[^./].*", value: Vec<u8>, options in any_options()) {
            let encoded = requests().set(&key, &Bytes::from(value.clone()), options).unwrap();
            let words = words(&encoded);
            let is_script = words[0] == b"eval";
            prop_assert_eq!(&words[if is_script { 3 } else { 1 }], key.as_bytes());
            prop_assert_eq!(&words[if is_script { words.len() - 1 } else { 2 }], &value);
            let options_sent = if is_script { &words[4..words.len() - 1] } else { &words[3..] };
            let has = |word: &str| options_sent.iter().any(|sent| sent == word.as_bytes());
            prop_assert_eq!(has("KEEPTTL"), options.expiry == Expiry::Keep);
            prop_assert_eq!(has("PX"), matches!(options.expiry, Expiry::After(_)));
            prop_assert_eq!(has("NX"), options.condition == Condition::IfAbsent);
            prop_assert_eq!(has("XX"), options.condition == Condition::IfPresent);
            if let Expiry::After(ttl) = options.expiry {
                prop_assert!(has(&ttl.as_millis().to_string()));
            }
        }

        #[test]
        fn a_stamp_is_sent_as_it_is(key in "[^./].*", stamp: Vec<u8>, ttl: u32) {
            let arguments = [Bytes::from(stamp.clone()), Bytes::from(ttl.to_string())];
            let encoded = requests().evaluate(Script::AdvanceStamp, &key, &arguments).unwrap();
            let words = words(&encoded);
            prop_assert_eq!(words.len(), 6);
            prop_assert_eq!(&words[3], key.as_bytes());
            let requests = requests();
            let stamp_last = requests.programs.stamp_last(Script::AdvanceStamp);
            let is_reversed = stamp_last.is_some_and(|text| words[1] == text.as_bytes());
            prop_assert_eq!(is_reversed, std::str::from_utf8(&stamp).is_err());
            prop_assert_eq!(&words[if is_reversed { 5 } else { 4 }], &stamp);
            let ttl = ttl.to_string();
            prop_assert_eq!(&words[if is_reversed { 4 } else { 5 }], ttl.as_bytes());
        }

        #[test]
        fn an_expected_value_is_sent_as_it_is(key in "[^./].*", value: Vec<u8>) {
            let arguments = [Bytes::from(value.clone())];
            let encoded = requests().evaluate(Script::DeleteIfEquals, &key, &arguments).unwrap();
            let words = words(&encoded);
            prop_assert_eq!((&words[3], &words[4]), (&key.into_bytes(), &value));
        }
    }

    #[test]
    fn long_texts_are_bodies() {
        let value = Bytes::from(vec![b'a'; super::super::encode::LONGEST_TEXT + 1]);
        let encoded = requests().set("k", &value, SetOptions::default()).unwrap();
        assert!(matches!(encoded.form, Form::Raw { .. }));
        let encoded = requests().evaluate(Script::DeleteIfEquals, "k", &[value]).unwrap();
        assert!(matches!(encoded.form, Form::Raw { .. }));
    }
}
