//! Lua scripts whose first line asks for key-level locking.
//!
//! A redis-server refuses the flag `allow-key-locking`, so it gets the script without it. The hash
//! by which a caller names the script is that of the text with the flag; this remembers which hash
//! Redis knows instead.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;

const FLAG: &str = "allow-key-locking";
/// When so many are known all are forgotten, as by `SCRIPT FLUSH`: callers load them again.
const SCRIPTS_MAX: usize = 4096;

/// The hash of a script with the flag, and that of the same script without it.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    hashes: Mutex<HashMap<Bytes, Bytes>>,
}

/// A script as Redis gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) text: Bytes,
    /// By which the caller will name it, where that differs from what Redis computes.
    pub(super) hash: Option<Bytes>,
}

impl Scripts {
    /// Takes the flag out of a script, and remembers its hash.
    pub(super) fn learn(&self, text: &Bytes) -> Plain {
        let Some(plain) = without_flag(text) else {
            return Plain { text: text.clone(), hash: None };
        };
        let hash = sha1(text);
        let mut hashes = self.lock();
        if hashes.len() >= SCRIPTS_MAX {
            hashes.clear();
        }
        hashes.insert(hash.clone(), sha1(&plain));
        Plain { text: plain, hash: Some(hash) }
    }

    /// The hash that Redis knows for the one that the caller names.
    pub(super) fn translate(&self, hash: &Bytes) -> Bytes {
        let lower = Bytes::from(hash.to_ascii_lowercase());
        self.lock().get(&lower).unwrap_or(hash).clone()
    }

    /// `SCRIPT FLUSH`
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, Bytes>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The script without the flag; nothing where it has none. Line numbers in errors stay right.
fn without_flag(script: &[u8]) -> Option<Bytes> {
    let end = script.iter().position(|byte| *byte == b'\n').unwrap_or(script.len());
    let (first, rest) = script.split_at_checked(end)?;
    let first = std::str::from_utf8(first).ok()?.trim_end().strip_prefix("#!lua")?;
    let flags = first.split_whitespace().find_map(|word| word.strip_prefix("flags="))?;
    let others: Vec<&str> = flags.split(',').filter(|flag| *flag != FLAG).collect();
    if others.len() == flags.split(',').count() {
        return None;
    }
    let first =
        if others.is_empty() { String::new() } else { format!("#!lua flags={}", others.join(",")) };
    Some([first.as_bytes(), rest].concat().into())
}

fn sha1(text: &[u8]) -> Bytes {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_and_the_rest_stays() {
        for (script, plain) in [
            ("#!lua flags=allow-key-locking\nreturn 1", Some("\nreturn 1")),
            ("#!lua flags=allow-key-locking\r\nreturn 1", Some("\nreturn 1")),
            (
                "#!lua flags=no-writes,allow-key-locking\nreturn 1",
                Some("#!lua flags=no-writes\nreturn 1"),
            ),
            ("#!lua flags=no-writes\nreturn 1", None),
            ("#!lua\nreturn 1", None),
            ("return '#!lua flags=allow-key-locking'", None),
            ("", None),
        ] {
            assert_eq!(without_flag(script.as_bytes()), plain.map(Bytes::from), "{script:?}");
        }
    }

    #[test]
    fn a_script_is_named_by_the_hash_of_its_own_text() {
        let scripts = Scripts::default();
        let text = Bytes::from_static(b"#!lua flags=allow-key-locking\nreturn 1");
        let hash = scripts.learn(&text).hash.unwrap();
        assert_eq!(scripts.translate(&hash), sha1(b"\nreturn 1"));
        assert_eq!(scripts.translate(&hash.to_ascii_uppercase().into()), sha1(b"\nreturn 1"));
        scripts.forget();
        assert_eq!(scripts.translate(&hash), hash);
        assert_eq!(sha1(b"return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
