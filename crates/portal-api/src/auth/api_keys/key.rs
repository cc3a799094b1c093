//! What a key looks like: `epk_` and 12 letters or digits to find it by, `_`, 43 that are the
//! secret, and 6 that check the rest.
//!
//! The beginning is there so that scanners of repositories and logs recognize a key that got lost,
//! and the check so that they, and we, need no database to tell a key from a slip of the pen.

use std::fmt;

use sha2::{Digest, Sha256};

/// What every key begins with.
pub(in crate::auth) const MARK: &str = "epk_";

const FINDER_CHARS: usize = 12;
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;

/// The length of what finds a key, its mark included.
const PREFIX_BYTES: usize = MARK.len() + FINDER_CHARS;
const KEY_BYTES: usize = PREFIX_BYTES + 1 + SECRET_CHARS + CHECK_CHARS;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key in full. It is shown once, to whoever made it, and then forgotten.
pub(super) struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

impl Key {
    /// A new key, of 256 random bits and a beginning of its own.
    pub(super) fn generate() -> Self {
        let mut text = MARK.to_owned();
        text.extend(random_chars(FINDER_CHARS));
        text.push('_');
        text.extend(random_chars(SECRET_CHARS));
        let check = check_of(&text);
        text.push_str(&check);
        Self(text)
    }

    /// The key that a request came with; `None` where it can be none of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == KEY_BYTES
            && text.starts_with(MARK)
            && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        let (body, check) = text.split_at_checked(KEY_BYTES - CHECK_CHARS)?;
        (is_ours && check_of(body) == check).then(|| Self(text.to_owned()))
    }

    /// What the key is found by; anybody may know it.
    pub(super) fn prefix(&self) -> &str {
        self.0.get(..PREFIX_BYTES).unwrap_or_default()
    }

    /// What is stored of it. A secret of this length needs no slow hash.
    pub(super) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The key in full.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// Letters and digits, each as likely as any other.
fn random_chars(count: usize) -> impl Iterator<Item = char> {
    std::iter::repeat_with(rand::random::<u8>)
        // 248 is four times 62: what is above would make some characters likelier.
        .filter(|byte| *byte < 248)
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 62)))
        .map(|byte| char::from(*byte))
        .take(count)
}

fn check_of(body: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let [first, second, third, fourth, ..] = digest;
    let mut rest = u32::from_be_bytes([first, second, third, fourth]);
    let mut check = String::with_capacity(CHECK_CHARS);
    for _ in 0..CHECK_CHARS {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        check.extend(ALPHABET.get(digit).map(|byte| char::from(*byte)));
        rest /= 62;
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recognized_and_a_slip_of_the_pen_is_not() {
        let key = Key::generate();
        let text = key.expose().to_owned();
        assert_eq!(text.len(), 66);
        let parsed = Key::parse(&text).unwrap();
        assert_eq!((parsed.prefix(), parsed.sha256()), (key.prefix(), key.sha256()));
        assert!(key.prefix().starts_with("epk_") && key.prefix().len() == 16);
        assert_eq!(format!("{key:?}"), "Key(..)");
        for position in 4..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[position] = if altered[position] == b'a' { b'b' } else { b'a' };
            assert!(Key::parse(std::str::from_utf8(&altered).unwrap()).is_none(), "{position}");
        }
        for other in ["", "epk_", &text[1..], &format!("{text}0"), &text.to_lowercase(), "ä"] {
            assert!(Key::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn no_two_are_alike() {
        let keys: std::collections::HashSet<String> =
            (0..1_000).map(|_| Key::generate().expose().to_owned()).collect();
        assert_eq!(keys.len(), 1_000);
    }
}
