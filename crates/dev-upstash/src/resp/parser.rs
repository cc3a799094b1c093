//! Reads replies from bytes that arrive in pieces.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Reply;

/// One line or string. A MONITOR line shows the arguments of a command with up to four characters a
/// byte, and a request has at most 10 MB.
const STRING_MAX: usize = 64 << 20;
/// All strings of one reply together.
const REPLY_MAX: usize = 256 << 20;
const ELEMENTS_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 32;

/// What no redis-server says, or more than this front is ready to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("a reply is not RESP2")]
    Malformed,
    #[error("a reply is too large")]
    TooLarge,
}

/// An array whose elements are still arriving.
#[derive(Debug)]
struct Open {
    missing: usize,
    items: Vec<Reply>,
}

/// What one line, with the string that it announces, amounts to.
enum Element {
    Value(Reply),
    /// An array with this many elements, which follow.
    Array(usize),
}

/// The bytes received and not yet understood. After an error it is of no use any more.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: BytesMut,
    /// Up to here there is no line end, so that a long line is searched once.
    searched: usize,
    open: Vec<Open>,
    elements: usize,
    size: usize,
}

impl Parser {
    /// Where received bytes are put.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether everything that was received has been understood.
    pub(crate) fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.open.is_empty()
    }

    /// The next whole reply, if it is there.
    pub(crate) fn next_reply(&mut self) -> Result<Option<Reply>, ProtocolError> {
        while let Some(element) = self.next_element()? {
            self.elements += 1;
            if self.elements > ELEMENTS_MAX || self.size > REPLY_MAX {
                return Err(ProtocolError::TooLarge);
            }
            match element {
                Element::Array(missing) if missing > 0 => {
                    if missing > ELEMENTS_MAX || self.open.len() >= DEPTH_MAX {
                        return Err(ProtocolError::TooLarge);
                    }
                    self.open.push(Open { missing, items: Vec::new() });
                }
                Element::Array(_) => {
                    if let Some(reply) = self.close(Reply::Array(Some(Vec::new()))) {
                        return Ok(Some(reply));
                    }
                }
                Element::Value(value) => {
                    if let Some(reply) = self.close(value) {
                        return Ok(Some(reply));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Puts a value into the array that waits for it; gives back what is whole by that.
    fn close(&mut self, mut value: Reply) -> Option<Reply> {
        while let Some(mut open) = self.open.pop() {
            open.items.push(value);
            open.missing -= 1;
            if open.missing > 0 {
                self.open.push(open);
                return None;
            }
            value = Reply::Array(Some(open.items));
        }
        self.elements = 0;
        self.size = 0;
        Some(value)
    }

    fn next_element(&mut self) -> Result<Option<Element>, ProtocolError> {
        let Some(end) = self.find_line_end()? else { return Ok(None) };
        let line = self.buffer.get(..end).unwrap_or_default();
        let (&kind, rest) = line.split_first().ok_or(ProtocolError::Malformed)?;
        let element = match kind {
            b'$' => return self.next_bulk(end, length(rest)?),
            b'*' => match length(rest)? {
                Some(missing) => Element::Array(missing),
                None => Element::Value(Reply::Array(None)),
            },
            b':' => Element::Value(Reply::Integer(number(rest)?)),
            b'+' => return Ok(Some(Element::Value(Reply::Simple(self.take_line(end))))),
            b'-' => return Ok(Some(Element::Value(Reply::Error(self.take_line(end))))),
            _ => return Err(ProtocolError::Malformed),
        };
        self.consume(end + 2);
        Ok(Some(element))
    }

    fn next_bulk(
        &mut self,
        end: usize,
        length: Option<usize>,
    ) -> Result<Option<Element>, ProtocolError> {
        let Some(length) = length else {
            self.consume(end + 2);
            return Ok(Some(Element::Value(Reply::Bulk(None))));
        };
        if length > STRING_MAX {
            return Err(ProtocolError::TooLarge);
        }
        let whole = end + 2 + length + 2;
        if self.buffer.len() < whole {
            self.buffer.reserve(whole - self.buffer.len());
            return Ok(None);
        }
        self.consume(end + 2);
        let bytes = self.buffer.split_to(length).freeze();
        if self.buffer.get(..2) != Some(b"\r\n") {
            return Err(ProtocolError::Malformed);
        }
        self.consume(2);
        self.size += length;
        Ok(Some(Element::Value(Reply::Bulk(Some(bytes)))))
    }

    /// Where the first line ends.
    fn find_line_end(&mut self) -> Result<Option<usize>, ProtocolError> {
        let unseen = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = unseen.windows(2).position(|pair| pair == b"\r\n") else {
            // The last byte may be the first half of a line end.
            self.searched = self.buffer.len().saturating_sub(1);
            let is_too_long = self.buffer.len() > STRING_MAX;
            return if is_too_long { Err(ProtocolError::TooLarge) } else { Ok(None) };
        };
        let end = self.searched + found;
        self.searched = end;
        Ok(Some(end))
    }

    /// The text of the first line, without its kind.
    fn take_line(&mut self, end: usize) -> Bytes {
        let mut line = self.buffer.split_to(end);
        self.consume(2);
        self.size += line.len();
        line.split_off(1).freeze()
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.searched = 0;
    }
}

fn number(text: &[u8]) -> Result<i64, ProtocolError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(ProtocolError::Malformed)
}

/// A length; -1 stands for nothing.
fn length(text: &[u8]) -> Result<Option<usize>, ProtocolError> {
    match number(text)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| ProtocolError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::write_reply;
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<Reply>, ProtocolError> {
        let mut parser = Parser::default();
        parser.buffer().extend_from_slice(bytes);
        parser.next_reply()
    }

    fn any_line() -> impl Strategy<Value = Bytes> {
        vec(any::<u8>().prop_filter("no line end", |byte| !b"\r\n".contains(byte)), 0..40)
            .prop_map(Bytes::from)
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            any_line().prop_map(Reply::Simple),
            any_line().prop_map(Reply::Error),
            any::<i64>().prop_map(Reply::Integer),
            proptest::option::of(vec(any::<u8>(), 0..200))
                .prop_map(|bytes| Reply::Bulk(bytes.map(Bytes::from))),
            Just(Reply::Array(None)),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            vec(inner, 0..8).prop_map(|items| Reply::Array(Some(items)))
        })
    }

    proptest! {
        #[test]
        fn replies_survive_the_wire_in_any_pieces(
            replies in vec(any_reply(), 1..5),
            pieces in vec(1_usize..60, 1..20),
        ) {
            let mut wire = BytesMut::new();
            for reply in &replies {
                write_reply(reply, &mut wire);
            }
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for piece in pieces.iter().cycle() {
                let piece = wire.split_to((*piece).min(wire.len()));
                parser.buffer().extend_from_slice(&piece);
                while let Some(reply) = parser.next_reply().unwrap() {
                    seen.push(reply);
                }
                if wire.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen, replies);
            prop_assert!(parser.is_idle());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
            let mut parser = Parser::default();
            for byte in bytes {
                parser.buffer().extend_from_slice(&[byte]);
                if parser.next_reply().is_err() {
                    break;
                }
            }
        }

        #[test]
        fn no_almost_right_bytes_make_it_panic(
            reply in any_reply(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut wire = BytesMut::new();
            write_reply(&reply, &mut wire);
            let place = place.index(wire.len());
            wire[place] = byte;
            let _ = parse(&wire);
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_arrives() {
        for announced in ["$99999999999\r\n", "*99999999\r\n"] {
            assert_eq!(parse(announced.as_bytes()), Err(ProtocolError::TooLarge), "{announced}");
        }
        assert_eq!(parse("*1\r\n".repeat(100).as_bytes()), Err(ProtocolError::TooLarge));
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for malformed in ["\r\n", "HTTP/1.1 400\r\n", ":x\r\n", "$-2\r\n", "$1\r\nabc\r\n"] {
            assert_eq!(parse(malformed.as_bytes()), Err(ProtocolError::Malformed), "{malformed}");
        }
    }
}
