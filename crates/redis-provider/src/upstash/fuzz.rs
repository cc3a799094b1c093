//! The parsers of answers and of streams, with what must hold whatever the bytes are.

#![expect(clippy::missing_panics_doc, reason = "a fuzz target reports by panicking")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::reply::{self, Answer, Body};
use super::sse::{Event, Parser};

/// Takes a body for the answer of every command in turn.
///
/// Panics where a value that was accepted does not have the bytes that were sent.
pub fn reply(body: &[u8]) {
    match reply::parse(body) {
        Some(Body::One(answer)) => check_answer(&answer),
        Some(Body::Many(answers)) => answers.iter().for_each(check_answer),
        None => {}
    }
}

fn check_answer(answer: &Answer) {
    let Ok(value) = answer else { return };
    let _weight = reply::weight(value);
    if let (Ok(Some(bytes)), Value::String(text)) = (reply::optional_bytes(value, "GET"), value) {
        let is_faithful =
            text == "OK" && bytes.as_ref() == b"OK" || *text == STANDARD.encode(&bytes);
        assert!(is_faithful, "{text:?} became {bytes:?}");
    }
    if let (Ok(number), Value::Number(sent)) = (reply::integer(value, "INCRBY"), value) {
        assert_eq!(number.to_string(), sent.to_string());
    }
    let keys = value.as_array().map_or(0, Vec::len);
    if let Ok(values) = reply::values(value, keys) {
        assert_eq!(values.len(), keys);
    }
    if let Ok(page) = reply::scan_page(value, "a:") {
        assert!(page.keys.iter().all(|key| key.starts_with("a:")), "a key of another prefix");
    }
    // Refused or not: neither is a reason to panic.
    let _others = (
        reply::flag(value, "PEXPIRE"),
        reply::count(value, "UNLINK"),
        reply::is_written(value),
        reply::script_reply(value),
    );
}

/// Reads a stream in pieces of several sizes.
///
/// Panics where the pieces decide what is read, or where a message was not in the stream.
pub fn sse(stream: &[u8]) {
    let whole = Parser::default().push(stream);
    for size in [1, 2, 3, 7, 64] {
        let mut parser = Parser::default();
        let events: Vec<Event> = stream.chunks(size).flat_map(|piece| parser.push(piece)).collect();
        assert_eq!(events, whole, "pieces of {size} bytes");
    }
    for event in whole {
        let Event::Message { topic, payload } = event else { continue };
        let line = format!("message,{topic},{}", STANDARD.encode(payload));
        let is_there = stream.windows(line.len()).any(|window| window == line.as_bytes());
        assert!(is_there, "{line:?} was not in the stream");
    }
}
