//! Key rings in settings: `id:base64,id:base64`, newest first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::faults::Faults;

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
