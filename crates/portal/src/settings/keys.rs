//! Key rings in settings: `id:base64,id:base64`, newest first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealing::KeyRing;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tenant_cache::Operation;

use super::faults::Faults;
use super::variables::Variables;

/// The variable that holds the keys of the cache.
pub(crate) const CACHE_KEYS: &str = "CACHE_ENCRYPTION_KEYS";

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

/// Reads a key ring whose keys have exactly `N` bytes; answers the newest key.
///
/// All keys are checked, so that a damaged old one is noticed at start and not at first use.
pub(crate) fn newest_key<const N: usize>(
    name: &str,
    text: &SecretString,
    faults: &mut Faults,
) -> Option<SecretBox<[u8; N]>> {
    let mut newest = None;
    for (index, entry) in text.expose_secret().split(',').enumerate() {
        let position = index + 1;
        let Some((id, encoded)) = entry.trim().split_once(':') else {
            faults.add(name, format!("entry {position} is not id:base64"));
            continue;
        };
        if id.is_empty() || id.len() > 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            faults.add(name, format!("entry {position}: an id is 1 to 16 letters or digits"));
        }
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok());
        match decoded {
            Some(key) if newest.is_none() => newest = Some(SecretBox::new(Box::new(key))),
            Some(_) => {}
            None => {
                faults.add(name, format!("entry {position}: the key is not base64 of {N} bytes"));
            }
        }
    }
    newest
}
