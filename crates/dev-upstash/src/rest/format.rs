//! Replies as JSON or RESP2.

use std::sync::LazyLock;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use bytes::BytesMut;

use super::error::RestError;
use crate::resp::{Reply, write_reply};

static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

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
            Self::Json | Self::Base64 => {
                let replies = std::slice::from_ref(reply);
                let mut out = Vec::with_capacity(room(replies));
                self.write_items(replies, &mut out);
                out
            }
        }
    }

    /// The answer to a list of commands. In RESP2 the replies follow one another, as they do on a
    /// connection to Redis.
    pub(super) fn many(self, replies: &[Reply]) -> Vec<u8> {
        match self {
            Self::Resp2 => resp2(replies),
            Self::Json | Self::Base64 => {
                let mut out = Vec::with_capacity(room(replies) + 2);
                out.push(b'[');
                self.write_items(replies, &mut out);
                out.push(b']');
                out
            }
        }
    }

    /// Objects with a comma between each two. Written by hand: a tree of values takes several times
    /// as long as everything else that a read takes here.
    fn write_items(self, replies: &[Reply], out: &mut Vec<u8>) {
        for (number, reply) in replies.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            match reply {
                Reply::Error(text) => {
                    out.extend_from_slice(b"{\"error\":");
                    write_text(text, out);
                }
                reply => {
                    out.extend_from_slice(b"{\"result\":");
                    self.write_value(reply, out);
                }
            }
            out.push(b'}');
        }
    }

    fn write_value(self, reply: &Reply, out: &mut Vec<u8>) {
        match reply {
            Reply::Simple(text) if text == "OK" => write_text(text, out),
            Reply::Simple(text) | Reply::Bulk(Some(text)) => self.write_string(text, out),
            Reply::Error(text) => write_text(text, out),
            Reply::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Reply::Bulk(None) | Reply::Array(None) => out.extend_from_slice(b"null"),
            Reply::Array(Some(items)) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    self.write_value(item, out);
                }
                out.push(b']');
            }
        }
    }

    fn write_string(self, bytes: &[u8], out: &mut Vec<u8>) {
        if self != Self::Base64 {
            return write_text(bytes, out);
        }
        out.push(b'"');
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let written = out.get_mut(start..).map(|place| BASE64.encode_slice(bytes, place));
        debug_assert!(matches!(written, Some(Ok(_))), "the room is what base64 takes");
        out.push(b'"');
    }
}

/// Room for the strings in base64 and what is around each, so that the document is seldom moved while
/// it grows.
fn room(replies: &[Reply]) -> usize {
    let of_one = |reply: &Reply| match reply {
        Reply::Array(Some(items)) => room(items),
        reply => reply.as_bytes().map_or(0, |bytes| bytes.len().div_ceil(3) * 4),
    };
    replies.iter().map(|reply| of_one(reply) + 16).sum()
}

/// As a JSON string; U+FFFD for what is no text.
fn write_text(bytes: &[u8], out: &mut Vec<u8>) {
    let text = serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned());
    out.extend_from_slice(text.to_string().as_bytes());
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
