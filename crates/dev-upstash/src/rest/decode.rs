//! Commands out of paths and JSON.

use std::fmt;

use bytes::Bytes;
use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::error::RestError;

/// The words of a command; the first is its name.
pub(super) type Words = Vec<Bytes>;

/// A word in JSON: a string, a number or a boolean. Servers disagree about null, objects and nested
/// arrays, so they are refused here: no client may depend on them.
struct Word(Bytes);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor).map(Self)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, number or boolean")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Bytes, E> {
        Ok(number.to_string().into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Bytes, E> {
        Ok(number.to_string().into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Bytes, E> {
        Ok(number.to_string().into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Bytes, E> {
        Ok(value.to_string().into())
    }
}

/// `["SET","key","value"]`
pub(super) fn command(body: &[u8]) -> Result<Words, RestError> {
    let words: Vec<Word> = serde_json::from_slice(body)
        .map_err(|_| RestError::Refused("ERR failed to parse command".to_owned()))?;
    Ok(words.into_iter().map(|Word(word)| word).collect())
}

/// `[["SET","key","value"],["GET","key"]]`
pub(super) fn commands(body: &[u8]) -> Result<Vec<Words>, RestError> {
    let commands: Vec<Vec<Word>> = serde_json::from_slice(body)
        .map_err(|_| RestError::Refused("ERR failed to parse pipeline request".to_owned()))?;
    if commands.is_empty() {
        return Err(RestError::Refused("ERR empty pipeline request".to_owned()));
    }
    let plain = |words: Vec<Word>| words.into_iter().map(|Word(word)| word).collect();
    Ok(commands.into_iter().map(plain).collect())
}

/// The segments of a path, without the first when it names a form.
pub(super) fn segments(path: &str) -> Words {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(decode).collect()
}

/// `/set/key` with the body as the last segment and then the query: the way for values that are
/// not text.
pub(super) fn path_command(path: &str, query: &str, body: Bytes) -> Words {
    let mut words = segments(path);
    if !body.is_empty() {
        words.push(body);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "_token" {
            words.push(decode(name));
            if !value.is_empty() {
                words.push(decode(value));
            }
        }
    }
    words
}

fn decode(segment: &str) -> Bytes {
    percent_decode(segment.as_bytes()).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&'static [u8]]) -> Words {
        words.iter().map(|word| Bytes::from_static(word)).collect()
    }

    #[test]
    fn words_are_strings_numbers_and_booleans() {
        let body = br#"["SET","k\u00e9\u0000",100,-1,1.5,1.0,true,18446744073709551615]"#;
        let decoded = command(body).unwrap();
        let expected: [&[u8]; 8] = [
            b"SET",
            "k\u{e9}\0".as_bytes(),
            b"100",
            b"-1",
            b"1.5",
            b"1",
            b"true",
            b"18446744073709551615",
        ];
        assert_eq!(decoded, expected);
    }

    #[test]
    fn other_words_are_refused() {
        for body in [
            r#"["SET","k",null]"#,
            r#"["SET","k",{}]"#,
            r#"["SET","k",["v"]]"#,
            r#"["SET","k","\ud800"]"#,
            r#"{"command":"SET"}"#,
            r#""PING""#,
            r#"["PING"] x"#,
            "",
        ] {
            assert!(command(body.as_bytes()).is_err(), "{body}");
            assert!(commands(format!("[{body}]").as_bytes()).is_err(), "{body}");
        }
        assert!(commands(b"[]").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_a_segment(values in vec(vec(any::<u8>(), 0..40), 1..6)) {
            let mut path = String::new();
            for value in &values {
                path.push('/');
                path.extend(percent_encode(value, NON_ALPHANUMERIC));
            }
            prop_assert_eq!(path_command(&path, "", Bytes::new()), values);
        }

        #[test]
        fn any_text_can_be_a_word(words in vec(".{0,40}", 1..6)) {
            let body = serde_json::to_vec(&words).unwrap();
            prop_assert_eq!(command(&body).unwrap(), words);
        }

        #[test]
        fn no_body_makes_it_panic(body in vec(any::<u8>(), 0..200)) {
            let _ = (command(&body), commands(&body));
        }
    }

    #[test]
    fn a_path_is_decoded_by_segment() {
        assert_eq!(
            path_command("/set/a%2Fb/%FF+%25/", "", Bytes::new()),
            words(&[b"set", b"a/b", b"\xff+%", b""]),
        );
    }

    #[test]
    fn the_body_is_the_last_segment_and_the_query_follows() {
        assert_eq!(
            path_command("/set/k", "EX=100&NX&_token=t", Bytes::from_static(b"\0\xff")),
            words(&[b"set", b"k", b"\0\xff", b"EX", b"100", b"NX"]),
        );
    }
}
