//! Key rings as settings carry them: `id:base64,id:base64`, newest first.

use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::ring::{KEY_BYTES, Key, KeyRing};
use crate::sealed::SealError;

const MAX_KEYS: usize = 8;
const MAX_ID_BYTES: usize = 16;

/// Room for the Base64 of a key; a longer text is no key.
const DECODED_BYTES: usize = 36;

/// Why a text is no key ring; positions count from 1. The text itself is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// There is no colon in an entry.
    #[error("entry {0} is not id:base64")]
    Form(usize),
    /// The name has no character, more than 16, or others than letters, digits, `-` and `_`.
    #[error("entry {0}: an id is 1 to 16 letters, digits, '-' or '_'")]
    Id(usize),
    /// Two entries have the same name, so that a value could not say which one sealed it.
    #[error("entry {0} has the id of an earlier one")]
    RepeatedId(usize),
    /// The key is not Base64, or not of 32 bytes.
    #[error("entry {0}: the key is not base64 of 32 bytes (openssl rand -base64 32)")]
    Key(usize),
    /// There are more than eight.
    #[error("there are more than 8 keys; take the last ones away")]
    TooMany,
}

impl KeyRing {
    /// Reads `id:base64,id:base64`, newest first; each key has 32 bytes. Blanks around an entry do
    /// not count.
    ///
    /// # Errors
    ///
    /// The first fault: every key is checked, so that a damaged old one is noticed at the start
    /// and not at its first use.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidKeyRing> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text.expose_secret().split(',').enumerate() {
            let position = index + 1;
            if position > MAX_KEYS {
                return Err(InvalidKeyRing::TooMany);
            }
            let (id, encoded) =
                entry.trim().split_once(':').ok_or(InvalidKeyRing::Form(position))?;
            if !is_id(id) {
                return Err(InvalidKeyRing::Id(position));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(InvalidKeyRing::RepeatedId(position));
            }
            let secret = decode(encoded).ok_or(InvalidKeyRing::Key(position))?;
            keys.push(Key::new(id, &secret));
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(InvalidKeyRing::Form(1))?;
        Ok(Self::new(newest, keys.collect()))
    }
}

/// A new key in the form of an entry: `id:base64` of 32 random bytes.
///
/// # Errors
///
/// The operating system has no randomness to give.
pub fn fresh_key(id: &str) -> Result<SecretString, SealError> {
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(secret.as_mut()).map_err(|Unspecified| SealError)?;
    let encoded = Zeroizing::new(STANDARD.encode(secret.as_ref()));
    Ok(format!("{id}:{}", encoded.as_str()).into())
}

fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_allowed)
}

fn decode(encoded: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut decoded = Zeroizing::new([0; DECODED_BYTES]);
    let length = STANDARD.decode_slice(encoded, decoded.as_mut()).ok()?;
    let secret = decoded.get(..length)?;
    Some(Zeroizing::new(secret.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

    fn parse(text: &str) -> Result<KeyRing, InvalidKeyRing> {
        KeyRing::parse(&text.into())
    }

    #[test]
    fn rings_are_read_newest_first() {
        let ring = parse(&format!("2026-11_b:{A}, a:{A} ")).unwrap();
        assert_eq!(ring.newest_id(), "2026-11_b");
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["2026-11_b", "a"]);
    }

    #[test]
    fn wrong_ones_are_refused_with_their_position() {
        let short = &A[4..];
        let long = format!("QUFB{A}");
        let endless = "A".repeat(10_000);
        let nine = (0..9).map(|n| format!("k{n}:{A}")).collect::<Vec<_>>().join(",");
        for (text, fault) in [
            (String::new(), InvalidKeyRing::Form(1)),
            (A.to_owned(), InvalidKeyRing::Form(1)),
            (format!("a:{A},"), InvalidKeyRing::Form(2)),
            (format!(":{A}"), InvalidKeyRing::Id(1)),
            (format!("a b:{A}"), InvalidKeyRing::Id(1)),
            (format!("ä:{A}"), InvalidKeyRing::Id(1)),
            (format!("12345678901234567:{A}"), InvalidKeyRing::Id(1)),
            (format!("a:{A},a:{A}"), InvalidKeyRing::RepeatedId(2)),
            (format!("a:{A},b:{short}"), InvalidKeyRing::Key(2)),
            (format!("a:{long}"), InvalidKeyRing::Key(1)),
            (format!("a:{endless}"), InvalidKeyRing::Key(1)),
            ("a:!".to_owned(), InvalidKeyRing::Key(1)),
            (nine, InvalidKeyRing::TooMany),
        ] {
            assert_eq!(parse(&text).unwrap_err(), fault, "{text}");
        }
        assert!(parse(&(0..8).map(|n| format!("k{n}:{A}")).collect::<Vec<_>>().join(",")).is_ok());
    }

    #[test]
    fn a_fresh_key_is_an_entry_and_another_each_time() {
        let (one, two) = (fresh_key("k").unwrap(), fresh_key("k").unwrap());
        assert!(KeyRing::parse(&one).is_ok());
        assert_ne!(one.expose_secret(), two.expose_secret());
    }

    #[test]
    fn keys_do_not_print() {
        let ring = parse(&format!("newest:{A},older:{A}")).unwrap();
        assert_eq!(format!("{ring:?}"), r#"["newest", "older"]"#);
    }
}
