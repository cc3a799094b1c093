//! What a session is known by where its cookie's value must not be.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

const BYTES: usize = 32;

/// The SHA-256 of a cookie's value. Whoever reads it can look a session up and end it, but not
/// present it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid([u8; BYTES]);

impl Sid {
    /// Of a cookie's value.
    pub(crate) fn of_cookie(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// From the bytes that the ledger keeps.
    pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, as the ledger keeps them.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// From hexadecimal digits; none where they are something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let pairs: &[[u8; 2]; BYTES] = pairs.try_into().ok()?;
        let mut bytes = [0; BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        rest.is_empty().then_some(Self(bytes))
    }

    /// Where Redis has its copy.
    pub(crate) fn redis_key(&self) -> String {
        format!("sid:{self}")
    }
}

/// In hexadecimal digits.
/// The value of a hexadecimal digit.
fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        b'A'..=b'F' => Some(letter - b'A' + 10),
        _ => None,
    }
}

/// The hexadecimal digit of a value below 16.
fn letter(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

impl fmt::Display for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: each request with a session writes it.
        let mut text = [0; 2 * BYTES];
        let (pairs, _) = text.as_chunks_mut::<2>();
        for ([high, low], byte) in pairs.iter_mut().zip(self.0) {
            (*high, *low) = (letter(byte >> 4), letter(byte & 15));
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sid({self})")
    }
}

impl Serialize for Sid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_read() {
        let sid = Sid::of_cookie("a cookie");
        assert_eq!(Sid::parse(&sid.to_string()), Some(sid));
        for other in ["", "0", "zz", &sid.to_string()[2..], &format!("{sid}00")] {
            assert_eq!(Sid::parse(other), None, "{other:?}");
        }
    }
}
