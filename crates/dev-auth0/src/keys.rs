//! Signing keys: the set always announces the current and the next one, as Auth0's does, and keeps
//! the previous ones until they are revoked.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};

const PREVIOUS_MAX: usize = 8;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("an RSA key could not be generated")]
    Generate(#[source] aws_lc_rs::error::Unspecified),
    #[error("an RSA key could not be encoded")]
    Encode(#[source] jsonwebtoken::errors::Error),
}

/// An RSA key of 2048 bits with its id.
pub(crate) struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    modulus: String,
    exponent: String,
}

impl SigningKey {
    /// Makes a new key; this takes some hundred milliseconds, so it blocks.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(KeyError::Generate)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(KeyError::Generate)?;
        // jsonwebtoken takes PKCS#8 in PEM only.
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(KeyError::Encode)?;
        let public = pair.public_key();
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            encoding,
            modulus: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            exponent: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The id, as headers and the key set carry it.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The private half.
    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// The public half.
    pub(crate) fn decoding(&self) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
        DecodingKey::from_rsa_components(&self.modulus, &self.exponent)
    }

    fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256",
            "kid": self.kid, "n": self.modulus, "e": self.exponent,
        })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What a rotation does besides moving on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation {
    /// Sign with a key that was not announced, instead of the next one.
    pub(crate) is_unannounced: bool,
    /// Stop publishing all previous keys.
    pub(crate) revokes_previous: bool,
}

/// The keys of the issuer.
#[derive(Debug)]
pub(crate) struct KeyRing {
    current: Arc<SigningKey>,
    next: Arc<SigningKey>,
    previous: VecDeque<Arc<SigningKey>>,
}

impl KeyRing {
    /// A ring of two new keys.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        Ok(Self {
            current: Arc::new(SigningKey::generate()?),
            next: Arc::new(SigningKey::generate()?),
            previous: VecDeque::new(),
        })
    }

    /// The key that signs now.
    pub(crate) fn current(&self) -> Arc<SigningKey> {
        Arc::clone(&self.current)
    }

    /// A published key by id.
    pub(crate) fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.published().find(|key| key.kid == kid).map(Arc::clone)
    }

    /// Moves on: `fresh` becomes the next key, or the current one of an unannounced rotation.
    pub(crate) fn rotate(&mut self, fresh: SigningKey, rotation: Rotation) {
        let fresh = Arc::new(fresh);
        let current =
            if rotation.is_unannounced { fresh } else { std::mem::replace(&mut self.next, fresh) };
        let retired = std::mem::replace(&mut self.current, current);
        self.previous.push_front(retired);
        self.previous.truncate(if rotation.revokes_previous { 0 } else { PREVIOUS_MAX });
    }

    /// The key set, as `/.well-known/jwks.json` answers it.
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": self.published().map(|key| key.jwk()).collect::<Vec<_>>() })
    }

    fn published(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        [&self.current, &self.next].into_iter().chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_moves_to_the_announced_key() {
        let mut ring = KeyRing::generate().unwrap();
        let (first, second) = (ring.current.kid.clone(), ring.next.kid.clone());
        ring.rotate(SigningKey::generate().unwrap(), Rotation::default());
        assert_eq!(ring.current.kid, second);
        assert!(ring.find(&first).is_some(), "the previous key is published until it is revoked");

        let unannounced = Rotation { is_unannounced: true, revokes_previous: true };
        let next = ring.next.kid.clone();
        ring.rotate(SigningKey::generate().unwrap(), unannounced);
        assert!(ring.current.kid != next && ring.next.kid == next);
        assert!(ring.find(&first).is_none() && ring.find(&second).is_none());
        assert_eq!(ring.key_set()["keys"].as_array().unwrap().len(), 2);
    }
}
