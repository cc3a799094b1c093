//! Commands for Redis, and replies for callers that ask for RESP2.

use std::fmt::{Display, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::Reply;

/// Appends a command: an array of strings.
pub(crate) fn write_command(arguments: &[Bytes], out: &mut BytesMut) {
    write_number(b'*', arguments.len(), out);
    for argument in arguments {
        write_bulk(argument, out);
    }
}

/// Appends a reply, byte for byte as Redis writes it.
pub(crate) fn write_reply(reply: &Reply, out: &mut BytesMut) {
    match reply {
        Reply::Simple(text) => write_line(b'+', text, out),
        Reply::Error(text) => write_line(b'-', text, out),
        Reply::Integer(number) => write_number(b':', number, out),
        Reply::Bulk(Some(bytes)) => write_bulk(bytes, out),
        Reply::Bulk(None) => out.put_slice(b"$-1\r\n"),
        Reply::Array(None) => out.put_slice(b"*-1\r\n"),
        Reply::Array(Some(items)) => {
            write_number(b'*', items.len(), out);
            for item in items {
                write_reply(item, out);
            }
        }
    }
}

fn write_line(kind: u8, text: &[u8], out: &mut BytesMut) {
    out.put_u8(kind);
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn write_number(kind: u8, number: impl Display, out: &mut BytesMut) {
    out.put_u8(kind);
    let written = write!(out, "{number}\r\n");
    debug_assert!(written.is_ok(), "the buffer grows");
}

fn write_bulk(bytes: &[u8], out: &mut BytesMut) {
    write_number(b'$', bytes.len(), out);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}
