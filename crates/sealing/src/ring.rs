//! The keys, newest first.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use zeroize::Zeroizing;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// Separates keys derived here from any that might be derived from the same key for another use.
const PURPOSE: &[u8] = b"portal sealing v1\0";

/// Keys that seal and open, newest first; at least one, at most eight.
#[derive(Clone)]
pub struct KeyRing {
    newest: Key,
    older: Vec<Key>,
}

/// One key with its name.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// Overwritten when it is dropped, and not printed: the library sees to both.
    secret: Prk,
}

impl KeyRing {
    pub(crate) fn new(newest: Key, older: Vec<Key>) -> Self {
        Self { newest, older }
    }

    /// The name of the key that seals.
    pub fn newest_id(&self) -> &str {
        &self.newest.id
    }

    /// The names of all keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.newest).chain(&self.older).map(|key| key.id.as_str())
    }

    pub(crate) fn newest(&self) -> &Key {
        &self.newest
    }

    /// The key of this name, and whether it is the newest.
    pub(crate) fn find(&self, id: &[u8]) -> Option<(&Key, bool)> {
        if self.newest.id.as_bytes() == id {
            return Some((&self.newest, true));
        }
        self.older.iter().find(|key| key.id.as_bytes() == id).map(|key| (key, false))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.ids()).finish()
    }
}

impl Key {
    pub(crate) fn new(id: &str, secret: &[u8; KEY_BYTES]) -> Self {
        // The secret is uniformly random, so that HKDF's first step has nothing to do.
        Self { id: id.to_owned(), secret: Prk::new_less_safe(HKDF_SHA256, secret) }
    }

    /// The key for one context.
    pub(crate) fn derive(&self, context: &[u8]) -> Result<LessSafeKey, Unspecified> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        self.secret.expand(&[PURPOSE, context], DerivedLength)?.fill(bytes.as_mut())?;
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes.as_ref())?))
    }
}

/// The length of a derived key.
struct DerivedLength;

impl KeyType for DerivedLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
