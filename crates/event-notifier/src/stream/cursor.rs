//! Where in a person's feed a stream is.

use std::fmt;
use std::str::FromStr;

/// A place in one person's feed: everything up to `seq` was delivered.
///
/// Its text is `<epoch>.<seq>`, the epoch in hexadecimal, in digits and lower-case letters alone: a
/// browser sends it back in `Last-Event-ID`, where other characters would make the request one that
/// has to be asked for first. It is untrusted input and says nothing about whose feed is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which numbering: a feed that was cut off at its old end begins a new one.
    pub epoch: i64,
    /// The last number that was delivered.
    pub seq: i64,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct InvalidCursor;

/// Longest text of a cursor: sixteen hexadecimal digits, a point, nineteen decimal ones.
const LONGEST: usize = 36;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > LONGEST {
            return Err(InvalidCursor);
        }
        let (epoch, seq) = text.split_once('.').ok_or(InvalidCursor)?;
        let is_plain = |part: &str, is_digit: fn(&u8) -> bool| {
            !part.is_empty()
                && part.bytes().all(|byte| is_digit(&byte))
                && (part == "0" || !part.starts_with('0'))
        };
        let is_hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !is_plain(epoch, is_hexadecimal) || !is_plain(seq, u8::is_ascii_digit) {
            return Err(InvalidCursor);
        }
        let epoch = i64::from_str_radix(epoch, 16).map_err(|_| InvalidCursor)?;
        let seq = seq.parse().map_err(|_| InvalidCursor)?;
        Ok(Self { epoch, seq })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}.{}", self.epoch, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for (epoch, seq, text) in [
            (0, 0, "0.0"),
            (0x7f, 1842, "7f.1842"),
            (i64::MAX, i64::MAX, "7fffffffffffffff.9223372036854775807"),
        ] {
            let cursor = Cursor { epoch, seq };
            assert_eq!(cursor.to_string(), text);
            assert_eq!(text.parse(), Ok(cursor));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "1.2.3",
            "01.2",
            "1.02",
            "1.-2",
            "-1.2",
            "1.+2",
            "7F.1",
            "g.1",
            " 1.1",
            "1.1 ",
            "1.1\n",
            "1.9223372036854775808",
            "8000000000000000.1",
            "00000000000000000000000000000000000000000000.1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }
}
