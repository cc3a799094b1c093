//! A stream of server-sent events, read as it comes in pieces of any size.
//!
//! The service puts one message in one line of data: `message,TOPIC,PAYLOAD`. Topics have no
//! commas; a payload of ours is base64, so it has no line breaks.

use bytes::Bytes;

use super::binary;
use crate::limits::{MAX_PAYLOAD_BYTES, MAX_TOPIC_BYTES};

/// Longer lines are not ours.
const LONGEST_LINE: usize = MAX_PAYLOAD_BYTES.div_ceil(3) * 4 + MAX_TOPIC_BYTES + 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a line of data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The subscription to a topic is in force.
    Subscribed(String),
    /// Somebody published something.
    Message { topic: String, payload: Bytes },
    /// Somebody else published something that is not base64, or too long to be ours.
    Foreign,
}

/// Remembers the line that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    is_too_long: bool,
    ends_in_return: bool,
    has_begun: bool,
}

impl Parser {
    /// The events that a further piece of the stream completes.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(first) = piece.first() {
            // A line ends in a return, a line feed or both, which may come in two pieces.
            if std::mem::take(&mut self.ends_in_return) && *first == b'\n' {
                piece = piece.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(piece);
                break;
            };
            let (part, rest) = piece.split_at(end);
            self.extend(part);
            self.ends_in_return = rest.first() == Some(&b'\r');
            piece = rest.get(1..).unwrap_or_default();
            events.extend(self.end_line());
        }
        events
    }

    fn extend(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > LONGEST_LINE {
            self.is_too_long = true;
            self.line.clear();
        }
        if !self.is_too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            return Some(Event::Foreign);
        }
        let line = if std::mem::replace(&mut self.has_begun, true) {
            &line[..]
        } else {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line)
        };
        understand(line)
    }
}

/// Comments, blank lines and other fields say nothing.
fn understand(line: &[u8]) -> Option<Event> {
    let data = line.strip_prefix(b"data:")?;
    let data = data.strip_prefix(b" ").unwrap_or(data);
    let mut parts = data.splitn(3, |byte| *byte == b',');
    let (kind, topic, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let topic = std::str::from_utf8(topic).ok()?.to_owned();
    match kind {
        b"subscribe" => Some(Event::Subscribed(topic)),
        b"message" => Some(
            binary::decode(rest)
                .map_or(Event::Foreign, |payload| Event::Message { topic, payload }),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces.iter().flat_map(|piece| parser.push(piece)).collect()
    }

    fn message(topic: &str, payload: &[u8]) -> Event {
        Event::Message { topic: topic.to_owned(), payload: Bytes::copy_from_slice(payload) }
    }

    proptest! {
        #[test]
        fn messages_survive_any_cut(
            messages in prop::collection::vec(("[a-z:*/]{1,9}", any::<Vec<u8>>()), 1..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            ending in prop::sample::select(vec!["\n\n", "\r\n\r\n", "\n", "\r\n", "\r", "\n: hello\n"]),
        ) {
            let mut stream = Vec::new();
            for (topic, payload) in &messages {
                let line = format!("data: message,{topic},{}{ending}", binary::encode(payload));
                stream.extend_from_slice(line.as_bytes());
            }
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            places.sort_unstable();
            let (mut pieces, mut from) = (Vec::new(), 0);
            for place in places {
                pieces.push(&stream[from..place]);
                from = place;
            }
            pieces.push(&stream[from..]);
            let expected: Vec<Event> =
                messages.iter().map(|(topic, payload)| message(topic, payload)).collect();
            prop_assert_eq!(read_all(&pieces), expected);
        }

        #[test]
        fn pieces_do_not_matter(stream: Vec<u8>, at: prop::sample::Index) {
            let (one, two) = stream.split_at(at.index(stream.len() + 1));
            prop_assert_eq!(read_all(&[one, two]), read_all(&[&stream]));
        }
    }

    #[test]
    fn a_subscription_announces_itself() {
        let stream = "\u{feff}data: subscribe,a,1\n\ndata:subscribe,b,2\n\n: beat\n\nevent: x\n\
                      id: 1\ndata\ndata: subscribe\ndata: unsubscribe,a,0\ndata: message,a,QQ==\n\n";
        let events = read_all(&[stream.as_bytes()]);
        let announced = ["a", "b"].map(|topic| Event::Subscribed(topic.to_owned()));
        assert_eq!(events, [&announced[..], &[message("a", b"A")]].concat());
    }

    #[test]
    fn what_others_publish_is_left_out() {
        for payload in ["plain text, with comma", "T0s", "é", "{\"a\":1}"] {
            let line = format!("data: message,a,{payload}\n");
            assert_eq!(read_all(&[line.as_bytes()]), [Event::Foreign], "{payload}");
        }
        assert_eq!(read_all(&[b"data: message,a,\n"]), [message("a", b"")]);
    }

    #[test]
    fn an_endless_line_takes_no_endless_memory() {
        let mut parser = Parser::default();
        assert!(parser.push(b"data: message,a,").is_empty());
        let piece = vec![b'A'; 64 * 1024];
        for _ in 0..64 {
            assert!(parser.push(&piece).is_empty());
            assert!(parser.line.len() <= LONGEST_LINE);
        }
        let events = parser.push(b"\ndata: message,a,QQ==\n");
        assert_eq!(events, [Event::Foreign, message("a", b"A")]);
    }

    #[test]
    fn the_largest_message_fits() {
        let payload = vec![0xff; MAX_PAYLOAD_BYTES];
        let topic = "t".repeat(MAX_TOPIC_BYTES);
        let line = format!("data: message,{topic},{}\n", binary::encode(&payload));
        assert_eq!(read_all(&[line.as_bytes()]), [message(&topic, &payload)]);
    }
}
