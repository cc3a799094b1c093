//! Query strings: every key known, every key once unless it is a list, every value real UTF-8.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode;

use super::has_control_characters;
use crate::error::{ApiError, ErrorCode, Faults};

/// Longest query string in bytes.
const MAX_QUERY_BYTES: usize = 8 * 1024;
/// Most parameters in one query string.
const MAX_PAIRS: usize = 100;

/// The decoded parameters of a query string, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Decodes `query`; keys that are not in `known` are faults.
    pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        if query.len() > MAX_QUERY_BYTES {
            return Err(refusal("The query string is longer than 8192 bytes."));
        }
        let mut faults = Faults::default();
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(key) = decode(key) else {
                faults.add("query:", "not_utf8", "a key is not percent-encoded UTF-8");
                continue;
            };
            let pointer = format!("query:{key}");
            if !known.contains(&key.as_str()) {
                faults.add(truncated(&pointer), "unknown", unknown_detail(known));
                continue;
            }
            match decode(value) {
                None => faults.add(pointer, "not_utf8", "is not percent-encoded UTF-8"),
                Some(value) if has_control_characters(&value, false) => {
                    faults.add(pointer, "control_character", "has control characters");
                }
                Some(value) => pairs.push((key, value)),
            }
            if pairs.len() > MAX_PAIRS {
                return Err(refusal("The query string has more than 100 parameters."));
            }
        }
        if faults.is_empty() { Ok(Self(pairs)) } else { Err(refused_parameters(faults)) }
    }

    /// Parameters that came in another form and were checked there.
    pub(crate) const fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The parameters, in the order they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a parameter that may stand once; a repetition is a fault.
    pub(crate) fn single(&self, key: &str, faults: &mut Faults) -> Option<&str> {
        let mut values = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() {
            faults.add(format!("query:{key}"), "repeated", "may be given once");
        }
        first.map(String::as_str)
    }

    /// The values of a list, given as a comma list, as repetitions, or both; without repetitions
    /// and in the order they came. A parameter without a value is as good as absent.
    pub(crate) fn list(&self, key: &str, most: usize, faults: &mut Faults) -> Vec<&str> {
        let mut items = Vec::new();
        let is_wanted = |(name, value): &&(String, String)| name == key && !value.is_empty();
        for (_, value) in self.0.iter().filter(is_wanted) {
            for item in value.split(',').map(str::trim) {
                if item.is_empty() {
                    faults.add(format!("query:{key}"), "empty", "has an empty item");
                } else if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        if items.len() > most {
            faults.add(format!("query:{key}"), "too_many", format!("at most {most} items"));
            items.truncate(most);
        }
        items
    }
}

/// The error that says which parameters are at fault.
pub(crate) fn refused_parameters(faults: Faults) -> ApiError {
    refusal("Parameters are unknown, malformed or out of bounds; see errors.")
        .with_fields(faults.into_vec())
}

fn refusal(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameter, detail)
}

/// Undoes percent-encoding and `+`; `None` where the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn unknown_detail(known: &[&str]) -> String {
    if known.is_empty() {
        "no parameters are known here".to_owned()
    } else {
        format!("not one of {}", known.join(", "))
    }
}

/// An unknown key is text from outside: what is repeated of it is bounded.
fn truncated(pointer: &str) -> String {
    pointer.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// For handlers that take no parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoQuery;

impl FromRequest for NoQuery {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Pairs::parse(request.query_string(), &[]).map(|_| Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["q", "status"];

    fn faults_of(query: &str) -> Vec<(String, &'static str)> {
        let error = Pairs::parse(query, KNOWN).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter);
        error.errors().iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
    }

    #[test]
    fn values_are_decoded_and_lists_joined() {
        let pairs = Pairs::parse("q=a%20b+c&status=draft,paused&&status=draft", KNOWN).unwrap();
        let mut faults = Faults::default();
        assert_eq!(pairs.single("q", &mut faults), Some("a b c"));
        assert_eq!(pairs.list("status", 20, &mut faults), ["draft", "paused"]);
        assert!(faults.is_empty());
    }

    #[test]
    fn what_is_not_known_or_not_text_is_refused() {
        assert_eq!(faults_of("Q=1"), [("query:Q".to_owned(), "unknown")]);
        assert_eq!(faults_of("q=%FF"), [("query:q".to_owned(), "not_utf8")]);
        assert_eq!(faults_of("q=a%00b"), [("query:q".to_owned(), "control_character")]);
        assert_eq!(faults_of("x=1&q=%0A").len(), 2);
        assert_eq!(faults_of("%FF=1"), [("query:".to_owned(), "not_utf8")]);
        assert!(Pairs::parse(&"q=1&".repeat(101), KNOWN).is_err());
        assert!(Pairs::parse(&format!("q={}", "x".repeat(9_000)), KNOWN).is_err());
    }

    #[test]
    fn repetition_and_excess_are_faults() {
        let pairs = Pairs::parse("q=1&q=2&status=a,b,c&status=,", KNOWN).unwrap();
        let mut faults = Faults::default();
        pairs.single("q", &mut faults);
        assert_eq!(pairs.list("status", 2, &mut faults).len(), 2);
        let codes: Vec<_> = faults.into_vec().iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["repeated", "empty", "empty", "too_many"]);
    }
}
