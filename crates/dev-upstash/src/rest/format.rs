//! Replies as JSON or RESP2.

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde_json::Value;

use super::error::RestError;
use crate::resp::{Reply, write_reply};

/// How a caller wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Text, and U+FFFD for what is none.
    Json,
    /// Every string in base64, except for the status `OK`.
    Base64,
    /// What Redis said, as it said it.
    Resp2,
}

impl Format {
    /// From the headers `Upstash-Encoding` and `Upstash-Response-Format`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, RestError> {
        let get = |name| headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase());
        let is_base64 = get("upstash-encoding").is_some_and(|encoding| encoding == b"base64");
        match get("upstash-response-format").as_deref() {
            None | Some(b"json" | b"") if is_base64 => Ok(Self::Base64),
            None | Some(b"json" | b"") => Ok(Self::Json),
            Some(b"resp2") if is_base64 => Err(RestError::Refused(
                "ERR Upstash-Encoding: base64 is not allowed with the resp2 response format"
                    .to_owned(),
            )),
            Some(b"resp2") => Ok(Self::Resp2),
            Some(_) => {
                Err(RestError::Refused("ERR the response format must be json or resp2".to_owned()))
            }
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Base64 => "application/json",
            Self::Resp2 => "application/octet-stream",
        }
    }

    /// The answer to one command.
    pub(super) fn one(self, reply: &Reply) -> Vec<u8> {
        match self {
            Self::Resp2 => resp2(std::slice::from_ref(reply)),
            Self::Json | Self::Base64 => self.item(reply).to_string().into_bytes(),
        }
    }

    /// The answer to a list of commands. In RESP2 the replies follow one another, as they do on a
    /// connection to Redis.
    pub(super) fn many(self, replies: &[Reply]) -> Vec<u8> {
        match self {
            Self::Resp2 => resp2(replies),
            Self::Json | Self::Base64 => {
                let items = replies.iter().map(|reply| self.item(reply)).collect();
                Value::Array(items).to_string().into_bytes()
            }
        }
    }

    fn item(self, reply: &Reply) -> Value {
        let (name, value) = match reply {
            Reply::Error(text) => ("error", text_of(text)),
            reply => ("result", self.value(reply)),
        };
        Value::Object([(name.to_owned(), value)].into_iter().collect())
    }

    fn value(self, reply: &Reply) -> Value {
        match reply {
            Reply::Simple(text) if text == "OK" => text_of(text),
            Reply::Simple(text) | Reply::Bulk(Some(text)) => self.string(text),
            Reply::Error(text) => text_of(text),
            Reply::Integer(number) => (*number).into(),
            Reply::Bulk(None) | Reply::Array(None) => Value::Null,
            Reply::Array(Some(items)) => items.iter().map(|item| self.value(item)).collect(),
        }
    }

    fn string(self, bytes: &[u8]) -> Value {
        match self {
            Self::Base64 => STANDARD.encode(bytes).into(),
            Self::Json | Self::Resp2 => text_of(bytes),
        }
    }
}

fn text_of(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn resp2(replies: &[Reply]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for reply in replies {
        write_reply(reply, &mut out);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn bulk(bytes: &'static [u8]) -> Reply {
        Reply::Bulk(Some(Bytes::from_static(bytes)))
    }

    fn json(format: Format, reply: &Reply) -> String {
        String::from_utf8(format.one(reply)).unwrap()
    }

    #[test]
    fn base64_leaves_alone_only_the_status_ok() {
        let status = Reply::Simple(Bytes::from_static(b"OK"));
        assert_eq!(json(Format::Base64, &status), r#"{"result":"OK"}"#);
        assert_eq!(json(Format::Base64, &bulk(b"OK")), r#"{"result":"T0s="}"#);
        let pong = Reply::Simple(Bytes::from_static(b"PONG"));
        assert_eq!(json(Format::Base64, &pong), r#"{"result":"UE9ORw=="}"#);
        let nested = Reply::Array(Some(vec![
            Reply::Array(Some(vec![bulk(b"\xff"), Reply::Bulk(None)])),
            Reply::Integer(i64::MAX),
        ]));
        assert_eq!(
            json(Format::Base64, &nested),
            r#"{"result":[["/w==",null],9223372036854775807]}"#,
        );
        assert_eq!(json(Format::Base64, &Reply::error("ERR no")), r#"{"error":"ERR no"}"#);
    }

    #[test]
    fn text_that_is_none_is_replaced() {
        assert_eq!(json(Format::Json, &bulk(b"a\xffb\"")), "{\"result\":\"a\u{fffd}b\\\"\"}");
        assert_eq!(json(Format::Json, &Reply::Array(None)), r#"{"result":null}"#);
    }

    #[test]
    fn resp2_is_what_redis_said() {
        let replies = [bulk(b"\xff\r\n"), Reply::error("ERR no"), Reply::Integer(1)];
        assert_eq!(Format::Resp2.many(&replies), b"$3\r\n\xff\r\n\r\n-ERR no\r\n:1\r\n");
    }
}
