//! Commands in the two forms in which they can be sent.
//!
//! An array of JSON strings carries any text, and many of them share a request. What is not text
//! has one way only: as the body of a request of its own, which the service appends to the words
//! in the path.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::errors::Access;
use crate::error::RedisError;

/// Longer ones are sent as a body, text or not: escaping could make six bytes of one, and a long
/// command would hold up its neighbours.
pub(super) const LONGEST_TEXT: usize = 256 * 1024;

/// Everything but what RFC 3986 calls unreserved.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A command ready to be sent. Without `Debug`: it is somebody's data.
#[derive(Clone)]
pub(super) struct Encoded {
    pub(super) form: Form,
    pub(super) access: Access,
    /// Bytes of its words.
    pub(super) weight: u64,
}

#[derive(Clone)]
pub(super) enum Form {
    /// An array of strings.
    Json(String),
    /// A path, and a body that is the last word of the command, or the last but those of the
    /// query.
    Raw { path: String, body: Bytes },
}

/// The argument as text, if it can travel as such.
pub(super) fn text(argument: &Bytes) -> Option<&str> {
    let is_short = argument.len() <= LONGEST_TEXT;
    is_short.then(|| std::str::from_utf8(argument).ok()).flatten()
}

/// A command all of whose words are text.
pub(super) fn json(access: Access, words: &[&str]) -> Result<Encoded, RedisError> {
    let array = serde_json::to_string(words)
        .map_err(|error| RedisError::Protocol(format!("a command cannot be encoded: {error}")))?;
    Ok(Encoded { form: Form::Json(array), access, weight: weight(words) })
}

/// A command whose last word is bytes; `trailing` is a name and a value that come after it.
pub(super) fn raw(
    access: Access,
    words: &[&str],
    trailing: Option<(&str, &str)>,
    body: &Bytes,
) -> Result<Encoded, RedisError> {
    let mut path = path(words)?;
    if let Some((name, value)) = trailing {
        path.push('?');
        path.extend(utf8_percent_encode(name, PATH));
        path.push('=');
        path.extend(utf8_percent_encode(value, PATH));
    }
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let weight = weight(words).saturating_add(length);
    Ok(Encoded { form: Form::Raw { path, body: body.clone() }, access, weight })
}

/// Words as the segments of a path.
pub(super) fn path(words: &[&str]) -> Result<String, RedisError> {
    let mut path = String::new();
    for word in words {
        // An empty segment is lost on the way, and these two are steps even when they are escaped.
        if matches!(*word, "" | "." | "..") {
            return Err(RedisError::Rejected(format!(
                "{word:?} cannot stand in the path of a REST request"
            )));
        }
        path.push('/');
        path.extend(utf8_percent_encode(word, PATH));
    }
    Ok(path)
}

fn weight(words: &[&str]) -> u64 {
    words.iter().map(|word| u64::try_from(word.len()).unwrap_or(u64::MAX)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn json_of(encoded: &Encoded) -> Vec<String> {
        let Form::Json(text) = &encoded.form else { panic!("not JSON") };
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let words = value.as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn json_carries_any_text_on_one_line(words in prop::collection::vec(".*", 1..6)) {
            let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
            let encoded = json(Access::Read, &borrowed).unwrap();
            let Form::Json(text) = &encoded.form else { panic!("not JSON") };
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(json_of(&encoded), words);
        }

        #[test]
        fn paths_carry_any_word(words in prop::collection::vec(".+", 1..4)) {
            let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
            let Ok(path) = path(&borrowed) else {
                prop_assert!(words.iter().any(|word| word == "." || word == ".."));
                return Ok(());
            };
            let url = Url::parse(&format!("http://localhost{path}")).unwrap();
            prop_assert_eq!(url.query(), None);
            let segments: Vec<String> = url
                .path_segments()
                .unwrap()
                .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into())
                .collect();
            prop_assert_eq!(segments, words);
        }
    }

    #[test]
    fn steps_are_not_words() {
        for word in ["", ".", ".."] {
            assert!(path(&["set", word]).is_err(), "{word:?}");
        }
        assert_eq!(path(&["set", "a/b?c#d%e f.g"]).unwrap(), "/set/a%2Fb%3Fc%23d%25e%20f.g");
    }

    #[test]
    fn a_word_after_the_body_is_in_the_query() {
        let body = Bytes::from_static(b"\xff");
        let encoded = raw(Access::Write, &["set", "k"], Some(("PX", "10")), &body).unwrap();
        let Form::Raw { path, body } = encoded.form else { panic!("not raw") };
        assert_eq!((path.as_str(), body.as_ref()), ("/set/k?PX=10", &b"\xff"[..]));
        assert_eq!(encoded.weight, 5);
    }
}
