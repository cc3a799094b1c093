//! Key rings in settings: `id:base64,id:base64`, newest first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealing::{InvalidKeyRing, KeyRing};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest as _, Sha256};
use tenant_cache::Operation;

use super::faults::Faults;
use super::variables::Variables;

/// The variable that holds the keys of the cache.
pub(crate) const CACHE_KEYS: &str = "CACHE_ENCRYPTION_KEYS";

/// Most keys of a ring.
const MAX_KEYS: usize = 8;

/// One key of a ring.
#[derive(Debug)]
pub(crate) struct NamedKey<const N: usize> {
    pub(crate) id: String,
    pub(crate) secret: SecretBox<[u8; N]>,
}

/// A ring of at least one key.
#[derive(Debug)]
pub(crate) struct NamedKeys<const N: usize> {
    pub(crate) newest: NamedKey<N>,
    pub(crate) older: Vec<NamedKey<N>>,
}

impl NamedKeys<64> {
    /// Keys for the tokens of sessions, one from each of these, with its name. Whoever has a cookie's
    /// key learns nothing from it about the tokens' one, nor the other way round.
    pub(crate) fn token_ring(&self) -> Result<KeyRing, InvalidKeyRing> {
        self.derived_ring(b"portal session tokens v1\0")
    }

    /// The same for the secrets of webhooks. They outlive the keys: the worker seals them anew at
    /// its start.
    pub(crate) fn webhook_ring(&self) -> Result<KeyRing, InvalidKeyRing> {
        self.derived_ring(b"portal webhook secrets v1\0")
    }

    fn derived_ring(&self, purpose: &[u8]) -> Result<KeyRing, InvalidKeyRing> {
        let entries: Vec<String> = std::iter::once(&self.newest)
            .chain(&self.older)
            .map(|key| {
                let secret = key.secret.expose_secret().as_slice();
                let derived = Sha256::digest([purpose, secret].concat());
                format!("{}:{}", key.id, STANDARD.encode(derived))
            })
            .collect();
        KeyRing::parse(&entries.join(",").into())
    }
}

/// The keys that seal what `operations` put into the cache; needed only where one of them is sealed.
pub(super) fn find_cache_keys(
    operations: &[Operation],
    variables: &Variables,
    faults: &mut Faults,
) -> Option<KeyRing> {
    let Some(text) = variables.find_secret(CACHE_KEYS, faults) else {
        let sealed = operations.iter().find(|operation| operation.policy().class.is_sealed())?;
        let (feature, name) = (sealed.feature(), sealed.name());
        let meaning = format!(
            "id:base64,…, 32 bytes each, newest first: what the cache keeps of {feature}:{name} is \
             encrypted with them (`portal cache rotate-keys` makes one)"
        );
        return faults.missing(CACHE_KEYS, &meaning);
    };
    KeyRing::parse(&text)
        .inspect_err(|fault| faults.add(CACHE_KEYS, format!("cannot be used: {fault}")))
        .ok()
}

/// Reads a key ring whose keys have exactly `N` bytes, newest first; none where there is no usable
/// key.
///
/// All keys are checked, so that a damaged old one is noticed at start and not at first use.
pub(crate) fn read_keys<const N: usize>(
    name: &str,
    text: &SecretString,
    faults: &mut Faults,
) -> Option<NamedKeys<N>> {
    let mut keys: Vec<NamedKey<N>> = Vec::new();
    for (index, entry) in text.expose_secret().split(',').enumerate() {
        let position = index + 1;
        let Some((id, encoded)) = entry.trim().split_once(':') else {
            faults.add(name, format!("entry {position} is not id:base64"));
            continue;
        };
        if id.is_empty() || id.len() > 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            faults.add(name, format!("entry {position}: an id is 1 to 16 letters or digits"));
        }
        if keys.iter().any(|key| key.id == id) {
            faults.add(name, format!("entry {position} has the id of an earlier one"));
        }
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok());
        match decoded {
            Some(key) => {
                let secret = SecretBox::new(Box::new(key));
                keys.push(NamedKey { id: id.to_owned(), secret });
            }
            None => {
                faults.add(name, format!("entry {position}: the key is not base64 of {N} bytes"));
            }
        }
    }
    if keys.len() > MAX_KEYS {
        faults.add(name, format!("holds more than {MAX_KEYS} keys; take the last ones away"));
    }
    let mut keys = keys.into_iter();
    keys.next().map(|newest| NamedKeys { newest, older: keys.collect() })
}
