//! Bodies of answers, taken apart: what is no answer of the service is not taken for one.
//!
//! Nearly all bodies are lists of values in base64, each of which is read where it stands and
//! decoded at once. Whatever is written in another way, however little, is left to a parser of all
//! of JSON: it alone decides what is refused.

use bytes::Bytes;
use serde_json::Value as Json;

use super::binary;

/// The result of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// What was base64.
    Bytes(Bytes),
    List(Vec<Value>),
    /// Whatever else it was.
    Other(Json),
}

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

impl From<Json> for Value {
    fn from(value: Json) -> Self {
        match value {
            Json::String(text) => match binary::decode(text.as_bytes()) {
                Some(bytes) => Self::Bytes(bytes),
                None => Self::Other(Json::String(text)),
            },
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            other => Self::Other(other),
        }
    }
}

impl Value {
    /// Bytes of the values in a result.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::List(items) => items.iter().map(Self::weight).sum(),
            Self::Other(Json::String(text)) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            Self::Other(_) => 0,
        }
    }
}

/// `None` for anything but the service's own documents.
pub(super) fn parse(body: &[u8]) -> Option<Body> {
    Scanner { rest: body }.body().or_else(|| parse_any(body))
}

/// The same without a look for what is usual.
pub(super) fn parse_any(body: &[u8]) -> Option<Body> {
    match serde_json::from_slice(body).ok()? {
        Json::Array(items) => items.into_iter().map(answer).collect::<Option<_>>().map(Body::Many),
        one => answer(one).map(Body::One),
    }
}

/// An object with a result or an error, never both.
fn answer(value: Json) -> Option<Answer> {
    let Json::Object(mut fields) = value else { return None };
    match (fields.remove("result"), fields.remove("error")) {
        (Some(result), None) => Some(Ok(result.into())),
        (None, Some(Json::String(text))) => Some(Err(text)),
        _ => None,
    }
}

/// Lists in lists that are read in place: a page of keys has one.
const DEPTH: u32 = 2;

/// Reads what the service writes most of the time: no blanks, no errors, only base64, `OK`, `null`,
/// whole numbers and lists of them. Gives up at anything else.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn body(mut self) -> Option<Body> {
        let body = if self.rest.first() == Some(&b'[') {
            Body::Many(self.list(|scanner| scanner.answer().map(Ok))?)
        } else {
            Body::One(Ok(self.answer()?))
        };
        self.rest.is_empty().then_some(body)
    }

    fn answer(&mut self) -> Option<Value> {
        self.skip(b"{\"result\":")?;
        let value = self.value(DEPTH)?;
        self.skip(b"}")?;
        Some(value)
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        match self.rest.first()? {
            b'"' => self.string(),
            b'n' => self.skip(b"null").map(|()| Value::Other(Json::Null)),
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.list(|scanner| scanner.value(depth)).map(Value::List)
            }
            _ => self.number(),
        }
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.skip(b"[")?;
        let mut items = Vec::new();
        if self.skip(b"]").is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.skip(b",").is_none() {
                return self.skip(b"]").map(|()| items);
            }
        }
    }

    /// What is decoded has none of the characters that mean something else in JSON.
    fn string(&mut self) -> Option<Value> {
        self.skip(b"\"")?;
        let (text, rest) = self.rest.split_at_checked(memchr::memchr(b'"', self.rest)?)?;
        self.rest = rest;
        self.skip(b"\"")?;
        if text == b"OK" {
            return Some(Value::Other(Json::String("OK".to_owned())));
        }
        binary::decode(text).map(Value::Bytes)
    }

    /// A whole number as JSON has it; a negative zero is none.
    fn number(&mut self) -> Option<Value> {
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        let end = self.rest.iter().position(|byte| !is_part(byte))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.first() == Some(&b'0') && text.len() > 1
            || !matches!(rest.first()?, b',' | b']' | b'}')
        {
            return None;
        }
        self.rest = rest;
        let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        Some(Value::Other(number.into()))
    }

    fn skip(&mut self, token: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scan(body: &str) -> Option<Body> {
        Scanner { rest: body.as_bytes() }.body()
    }

    fn any_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".*".prop_map(Json::from),
            any::<Vec<u8>>().prop_map(|bytes| Json::from(binary::encode(&bytes))),
            Just(json!("OK")),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::hash_map("[a-z]{0,3}", inner, 0..3)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_in_place_is_what_the_parser_reads(
            results in prop::collection::vec(any_value(), 0..6),
            place: prop::sample::Index,
            other: u8,
        ) {
            let items: Vec<_> = results.iter().map(|result| json!({ "result": result })).collect();
            let mut body = Json::from(items).to_string().into_bytes();
            let parsed = parse_any(&body);
            prop_assert!(parsed.is_some());
            prop_assert_eq!(&parse(&body), &parsed);
            // And where a byte of it is another one.
            let place = place.index(body.len());
            body[place] = other;
            prop_assert_eq!(parse(&body), parse_any(&body));
            body.truncate(place);
            prop_assert_eq!(parse(&body), None);
        }

        #[test]
        fn what_is_nearly_an_answer_is_read_alike(body in r#"\[?\{"result":(-?[0-9.eE]{0,20}|"[A-Za-z0-9+/=\\"]{0,8}"|\[null,?\[?"QQ=="\]{0,3})\}[\],]?( |\{"result":null\}\])?"#) {
            prop_assert_eq!(parse(body.as_bytes()), parse_any(body.as_bytes()));
        }
    }

    #[test]
    fn what_the_service_mostly_writes_is_read_in_place() {
        for body in [
            r#"{"result":"QQ=="}"#,
            r#"{"result":"OK"}"#,
            r#"[{"result":"QQ=="},{"result":null},{"result":["QQ==",null]},{"result":-12}]"#,
            r#"[{"result":["MA==",["YTox"]]},{"result":0},{"result":9223372036854775807}]"#,
            "[]",
        ] {
            let read = scan(body);
            assert!(read.is_some(), "{body}");
            assert_eq!(read, parse_any(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_parser() {
        for body in [
            r#"{"error":"ERR no"}"#,
            r#"{"result": "QQ=="}"#,
            r#"{"result":"Q\u0051=="}"#,
            r#"{"result":"QQ="}"#,
            r#"{"result":"QR=="}"#,
            r#"{"result":"plain text"}"#,
            r#"{"result":-0}"#,
            r#"{"result":007}"#,
            r#"{"result":1.5}"#,
            r#"{"result":1e3}"#,
            r#"{"result":18446744073709551615}"#,
            r#"{"result":true}"#,
            r#"{"result":[[["QQ=="]]]}"#,
            r#"{"result":null}x"#,
            r#"{"result":null,"error":"x"}"#,
            r#"[{"result":null},]"#,
        ] {
            assert_eq!(scan(body), None, "{body}");
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
        let nothing = Value::Other(Json::Null);
        assert_eq!(many, Some(Body::Many(vec![Ok(nothing), Err("ERR no".to_owned())])));
        assert_eq!(parse(b"[]"), Some(Body::Many(Vec::new())));
    }
}
