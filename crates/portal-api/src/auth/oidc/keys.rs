//! The identity provider's signing keys.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use super::error::OidcError;

pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Longest key id, in bytes.
pub(super) const MAX_KEY_ID_BYTES: usize = 128;

/// Most keys that are looked at; issuers publish two or three.
const MAX_KEYS: usize = 32;

const DOCUMENT: &str = "key set";

/// Keys that id tokens may be signed with, by key id.
pub(super) struct KeySet(HashMap<String, DecodingKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

/// A published key. Everything is optional: sets hold keys of kinds that are none of our business.
#[derive(Deserialize)]
struct Entry {
    kty: Option<String>,
    #[serde(rename = "use")]
    key_use: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// Reads a key set, leaving out what RS256 signatures cannot be checked with: a symmetric
    /// "key" in it must never become one.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OidcError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| OidcError::unusable(DOCUMENT, error.to_string()))?;
        let mut keys = HashMap::new();
        for entry in document.keys.into_iter().take(MAX_KEYS) {
            if let Some((id, key)) = entry.into_signing_key() {
                // Of two keys with one id the first counts, as clients commonly do.
                keys.entry(id).or_insert(key);
            }
        }
        if keys.is_empty() {
            return Err(OidcError::unusable(DOCUMENT, "it holds no RSA key for signatures"));
        }
        Ok(Self(keys))
    }

    pub(super) fn find(&self, key_id: &str) -> Option<&DecodingKey> {
        self.0.get(key_id)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Entry {
    fn into_signing_key(self) -> Option<(String, DecodingKey)> {
        let is_for_rs256 = self.kty.as_deref() == Some("RSA")
            && self.key_use.as_deref() == Some("sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256");
        let id = self.kid.filter(|id| is_key_id(id))?;
        let modulus = URL_SAFE_NO_PAD.decode(self.n?).ok()?;
        let exponent = URL_SAFE_NO_PAD.decode(self.e?).ok()?;
        let is_strong = (2_048..=8_192).contains(&bits(&modulus)) && bits(&exponent) > 1;
        (is_for_rs256 && is_strong)
            .then(|| (id, DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
    }
}

/// Whether a text may be a key id: it is looked up and logged, so its alphabet is closed.
pub(super) fn is_key_id(text: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The length in bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let mut bits = 0;
    for (index, byte) in significant.enumerate() {
        bits += if index == 0 { 8 - byte.leading_zeros() as usize } else { 8 };
    }
    bits
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn number(bits: usize) -> String {
        let mut bytes = vec![0xFF; bits / 8];
        bytes.insert(0, 0);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn key(id: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": number(2048), "e": "AQAB"})
    }

    fn parse(keys: &[Value]) -> Result<KeySet, OidcError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_that_rs256_cannot_use_are_left_out() {
        let altered = |name: &str, value: Value| {
            let mut key = key("bad");
            key[name] = value;
            key
        };
        let useless = [
            json!({"kty": "oct", "use": "sig", "alg": "RS256", "kid": "bad", "k": "c2VjcmV0"}),
            altered("kty", json!("oct")),
            altered("kty", json!("EC")),
            altered("use", json!("enc")),
            altered("use", Value::Null),
            altered("alg", json!("HS256")),
            altered("alg", json!("RS512")),
            altered("n", json!(number(1024))),
            altered("n", json!(number(16_384))),
            altered("n", json!("!!")),
            altered("e", json!("AQ")),
            altered("e", Value::Null),
            altered("kid", Value::Null),
            altered("kid", json!("")),
            altered("kid", json!("a b")),
            altered("kid", json!("k".repeat(MAX_KEY_ID_BYTES + 1))),
        ];
        for entry in useless {
            let set = parse(&[entry.clone(), key("good")]).unwrap();
            assert!(set.find("good").is_some());
            assert_eq!(set.0.len(), 1, "{entry}");
            assert!(parse(std::slice::from_ref(&entry)).is_err(), "{entry}");
        }
    }

    #[test]
    fn the_algorithm_may_be_left_out() {
        let mut entry = key("a");
        entry.as_object_mut().unwrap().remove("alg");
        assert!(parse(&[entry]).unwrap().find("a").is_some());
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
