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
enum Word<'a> {
    /// As it stands in the body.
    There(&'a str),
    Made(Bytes),
}

impl Word<'_> {
    /// A part of the body is not copied.
    fn into_bytes(self, body: &Bytes) -> Bytes {
        match self {
            Self::There(text) => body.slice_ref(text.as_bytes()),
            Self::Made(bytes) => bytes,
        }
    }
}

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, number or boolean")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Word<'de>, E> {
        Ok(Word::There(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word<'de>, E> {
        Ok(Word::Made(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word<'de>, E> {
        Ok(Word::Made(number.to_string().into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word<'de>, E> {
        Ok(Word::Made(number.to_string().into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Word<'de>, E> {
        Ok(Word::Made(number.to_string().into()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Word<'de>, E> {
        Ok(Word::Made(value.to_string().into()))
    }
}

/// `["SET","key","value"]`
pub(super) fn command(body: &Bytes) -> Result<Words, RestError> {
    let words: Vec<Word<'_>> = serde_json::from_slice(body)
        .map_err(|_| RestError::Refused("ERR failed to parse command".to_owned()))?;
    Ok(words.into_iter().map(|word| word.into_bytes(body)).collect())
}

/// `[["SET","key","value"],["GET","key"]]`
pub(super) fn commands(body: &Bytes) -> Result<Vec<Words>, RestError> {
    let commands: Vec<Vec<Word<'_>>> = serde_json::from_slice(body)
        .map_err(|_| RestError::Refused("ERR failed to parse pipeline request".to_owned()))?;
    if commands.is_empty() {
        return Err(RestError::Refused("ERR empty pipeline request".to_owned()));
    }
    let plain =
        |words: Vec<Word<'_>>| words.into_iter().map(|word| word.into_bytes(body)).collect();
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
        let decoded = command(&Bytes::from_static(body)).unwrap();
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
            assert!(command(&Bytes::from_static(body.as_bytes())).is_err(), "{body}");
            assert!(commands(&Bytes::from(format!("[{body}]"))).is_err(), "{body}");
        }
        assert!(commands(&Bytes::from_static(b"[]")).is_err());
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
            let body = Bytes::from(serde_json::to_vec(&words).unwrap());
            prop_assert_eq!(command(&body).unwrap(), words);
        }

        #[test]
        fn no_body_makes_it_panic(body in vec(any::<u8>(), 0..200)) {
            let body = Bytes::from(body);
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
