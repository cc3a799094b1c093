//! The parsers of answers and of streams, with what must hold whatever the bytes are.

#![expect(clippy::missing_panics_doc, reason = "a fuzz target reports by panicking")]

use serde_json::Value as Json;

use super::binary;
use super::document::{self, Answer, Body, Value};
use super::reply;
use super::sse::{Event, Parser};

/// Takes a body for the answer of every command in turn.
///
/// Panics where a value that was accepted does not have the bytes that were sent, and where the two
/// ways to read a body do not agree.
pub fn reply(body: &[u8]) {
    let read = document::parse(body);
    assert_eq!(read, document::parse_any(body), "read in place and by the parser");
    match read {
        Some(Body::One(answer)) => check_answer(&answer),
        Some(Body::Many(answers)) => answers.iter().for_each(check_answer),
        None => {}
    }
}

fn check_answer(answer: &Answer) {
    let Ok(value) = answer else { return };
    let _weight = value.weight();
    if let Ok(Some(bytes)) = reply::optional_bytes(value.clone(), "GET") {
        let is_faithful = match value {
            Value::Bytes(sent) => bytes == sent,
            Value::Other(Json::String(text)) => text == "OK" && bytes.as_ref() == b"OK",
            _ => false,
        };
        assert!(is_faithful, "{value:?} became {bytes:?}");
    }
    if let (Ok(number), Value::Other(Json::Number(sent))) = (reply::integer(value, "INCRBY"), value)
    {
        assert_eq!(number.to_string(), sent.to_string());
    }
    let keys = if let Value::List(items) = value { items.len() } else { 0 };
    if let Ok(values) = reply::values(value.clone(), keys) {
        assert_eq!(values.len(), keys);
    }
    if let Ok(page) = reply::scan_page(value.clone(), "a:") {
        assert!(page.keys.iter().all(|key| key.starts_with("a:")), "a key of another prefix");
    }
    // Refused or not: neither is a reason to panic.
    let _others = (
        reply::flag(value, "PEXPIRE"),
        reply::count(value, "UNLINK"),
        reply::is_written(value.clone()),
        reply::script_reply(value.clone()),
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
        let line = format!("message,{topic},{}", binary::encode(&payload));
        let is_there = stream.windows(line.len()).any(|window| window == line.as_bytes());
        assert!(is_there, "{line:?} was not in the stream");
    }
}
