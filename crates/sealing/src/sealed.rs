//! Sealing and opening one value.
//!
//! Layout: length of the key's id (1 byte), the id, the nonce (12), the ciphertext, its tag (16).

use std::fmt;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::error::Unspecified;

use crate::ring::KeyRing;

const TAG_BYTES: usize = 16;

/// The library could not seal: no randomness, or more than it can take (64 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value could not be sealed")]
pub struct SealError;

/// Why a value was not opened. In either case nothing of it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It names a key that the ring does not have.
    #[error("the value was sealed with a key that is not in the ring")]
    UnknownKey,
    /// It was changed, was sealed for another context, or is no sealed value.
    #[error("the value was changed or belongs elsewhere")]
    Damaged,
}

/// What was in a sealed value.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The value.
    pub plain: Vec<u8>,
    /// Whether the newest key sealed it; if not, it should be sealed anew.
    pub is_current: bool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Opened")
            .field("bytes", &self.plain.len())
            .field("is_current", &self.is_current)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Seals `plain` with the newest key, for `context` alone.
    ///
    /// The context has to be unambiguous: parts of varying length need their lengths with them.
    ///
    /// # Errors
    ///
    /// [`SealError`], which in practice means that the operating system has no randomness.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.try_seal(context, plain).map_err(|Unspecified| SealError)
    }

    fn try_seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let key = self.newest();
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let id = key.id.as_bytes();
        let mut sealed = Vec::with_capacity(self.overhead() + plain.len());
        sealed.push(u8::try_from(id.len()).map_err(|_| Unspecified)?);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(context));
        let in_out = sealed.get_mut(start..).ok_or(Unspecified)?;
        let tag = key.derive(context)?.seal_in_place_separate_tag(nonce, aad, in_out)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for `context` by any key of the ring.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        let (&id_length, rest) = sealed.split_first().ok_or(OpenError::Damaged)?;
        let (id, rest) = rest.split_at_checked(usize::from(id_length)).ok_or(OpenError::Damaged)?;
        let (&nonce, ciphertext) = rest.split_first_chunk().ok_or(OpenError::Damaged)?;
        let (key, is_current) = self.find(id).ok_or(OpenError::UnknownKey)?;
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(context));
        let mut plain = ciphertext.to_vec();
        let length = key
            .derive(context)
            .and_then(|key| Ok(key.open_in_place(nonce, aad, &mut plain)?.len()))
            .map_err(|Unspecified| OpenError::Damaged)?;
        plain.truncate(length);
        Ok(Opened { plain, is_current })
    }

    /// How many bytes longer a value is once it is sealed.
    pub fn overhead(&self) -> usize {
        1 + self.newest_id().len() + NONCE_LEN + TAG_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(&text.into()).unwrap()
    }

    #[test]
    fn the_newest_seals_and_any_opens() {
        let (old, both) = (ring(OLD), ring(&format!("{NEW},{OLD}")));
        let sealed = old.seal(b"context", b"value").unwrap();
        let opened = both.open(b"context", &sealed).unwrap();
        assert_eq!((opened.plain.as_slice(), opened.is_current), (&b"value"[..], false));
        let sealed = both.seal(b"context", b"value").unwrap();
        assert!(both.open(b"context", &sealed).unwrap().is_current);
        assert_eq!(old.open(b"context", &sealed), Err(OpenError::UnknownKey));
    }

    #[test]
    fn a_key_of_the_same_name_and_other_bytes_opens_nothing() {
        let sealed = ring(OLD).seal(b"context", b"value").unwrap();
        let other = ring(&NEW.replace("new", "old"));
        assert_eq!(other.open(b"context", &sealed), Err(OpenError::Damaged));
    }

    #[test]
    fn one_value_never_looks_the_same_twice() {
        let ring = ring(NEW);
        let sealed = ring.seal(b"context", b"value").unwrap();
        assert_ne!(sealed, ring.seal(b"context", b"value").unwrap());
        assert_eq!(sealed.len(), b"value".len() + ring.overhead());
    }

    #[test]
    fn what_is_opened_does_not_print() {
        let opened = Opened { plain: b"secret".to_vec(), is_current: true };
        assert_eq!(format!("{opened:?}"), "Opened { bytes: 6, is_current: true, .. }");
    }

    /// RFC 5869 for the derived key and NIST's AES-256-GCM beneath it, computed by another
    /// library: what was sealed by one version has to open in all later ones.
    #[test]
    fn the_format_is_what_it_was() {
        let sealed = hex(FORMAT);
        let opened = ring(NEW).open(b"a context", &sealed).unwrap();
        assert_eq!(opened.plain, b"a value");
    }

    const FORMAT: &str =
        "036e6577000102030405060708090a0b52c2add3accd7a1df2cc8384ed03a4a7399623e70429c8";

    fn hex(text: &str) -> Vec<u8> {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        text.as_bytes().chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_context_and_in_no_other(
            plain in any::<Vec<u8>>(),
            context in any::<Vec<u8>>(),
            other in any::<Vec<u8>>(),
        ) {
            let ring = ring(NEW);
            let sealed = ring.seal(&context, &plain).unwrap();
            prop_assert_eq!(ring.open(&context, &sealed).unwrap().plain, plain);
            prop_assert_eq!(ring.open(&other, &sealed).is_ok(), context == other);
        }

        #[test]
        fn no_flipped_bit_and_no_cut_goes_unnoticed(
            plain in proptest::collection::vec(any::<u8>(), 0..64),
            flip in 1_u8..,
        ) {
            let ring = ring(NEW);
            let sealed = ring.seal(b"context", &plain).unwrap();
            for position in 0..sealed.len() {
                let mut damaged = sealed.clone();
                damaged[position] ^= flip;
                prop_assert!(ring.open(b"context", &damaged).is_err(), "position {}", position);
                prop_assert!(ring.open(b"context", &sealed[..position]).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
            prop_assert!(ring(NEW).open(b"context", &bytes).is_err());
        }
    }
}
