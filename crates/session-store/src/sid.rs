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
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
            .collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        if rest.is_empty() { bytes.try_into().ok().map(Self) } else { None }
    }

    /// Where Redis has its copy.
    pub(crate) fn redis_key(&self) -> String {
        format!("sid:{self}")
    }
}

/// In hexadecimal digits.
impl fmt::Display for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
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
