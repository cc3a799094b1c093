//! The scripts in the wording that this service needs.
//!
//! Without the first line the service runs a script under one lock for the whole database. Other
//! servers refuse that line, so it stands here and not in the scripts.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::port::Script;

const LOCK_KEYS_ONLY: &str = "#!lua flags=allow-key-locking\n";

/// For a stamp that is not text: the body of a request is the last argument, the script expects
/// the stamp first.
const STAMP_LAST: &str = "local ARGV = { ARGV[2], ARGV[1] }\n";

/// `SET` with its value last, for values that are not text and have options.
const SET_VALUE_LAST: &str = "\
return redis.call('SET', KEYS[1], ARGV[#ARGV], unpack(ARGV, 1, #ARGV - 1))";

/// A script as the service knows it.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) text: String,
    /// By which the service finds it again; SHA-1 is the protocol's choice.
    pub(super) hash: String,
    is_loaded: AtomicBool,
}

impl Program {
    fn new(script: Script) -> Self {
        let text = format!("{LOCK_KEYS_ONLY}{}", script.lua());
        let hash = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref());
        Self { text, hash, is_loaded: AtomicBool::new(false) }
    }

    /// Whether the service was seen to have it.
    pub(super) fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Relaxed)
    }

    pub(super) fn set_loaded(&self, is_loaded: bool) {
        self.is_loaded.store(is_loaded, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Programs {
    advance_stamp: Program,
    advance_stamp_softly: Program,
    delete_if_equals: Program,
    charge: Program,
    /// `AdvanceStamp` with the stamp after its time to live.
    advance_stamp_last: String,
    /// The same of `AdvanceStampSoftly`.
    advance_stamp_softly_last: String,
    /// `SET` with the value after its options.
    pub(super) set_value_last: String,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self {
            advance_stamp: Program::new(Script::AdvanceStamp),
            advance_stamp_softly: Program::new(Script::AdvanceStampSoftly),
            delete_if_equals: Program::new(Script::DeleteIfEquals),
            charge: Program::new(Script::Charge),
            advance_stamp_last: stamp_last(Script::AdvanceStamp),
            advance_stamp_softly_last: stamp_last(Script::AdvanceStampSoftly),
            set_value_last: format!("{LOCK_KEYS_ONLY}{SET_VALUE_LAST}"),
        }
    }

    pub(super) const fn get(&self, script: Script) -> &Program {
        match script {
            Script::AdvanceStamp => &self.advance_stamp,
            Script::AdvanceStampSoftly => &self.advance_stamp_softly,
            Script::DeleteIfEquals => &self.delete_if_equals,
            Script::Charge => &self.charge,
        }
    }

    /// The text of a script whose stamp comes after its time to live; none of one without a stamp.
    pub(super) fn stamp_last(&self, script: Script) -> Option<&str> {
        match script {
            Script::AdvanceStamp => Some(&self.advance_stamp_last),
            Script::AdvanceStampSoftly => Some(&self.advance_stamp_softly_last),
            Script::DeleteIfEquals | Script::Charge => None,
        }
    }
}

fn stamp_last(script: Script) -> String {
    format!("{LOCK_KEYS_ONLY}{STAMP_LAST}{}", script.lua())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::with_capacity(40), |mut text, byte| {
        // Writing to a string does not fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_what_redis_computes() {
        // The digest of the empty text, and of "abc", from FIPS 180-4.
        let sha1 = |text: &str| hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref());
        assert_eq!(sha1(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(sha1("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn every_script_begins_with_the_lock() {
        let programs = Programs::new();
        for script in Script::ALL {
            let program = programs.get(script);
            assert_eq!(program.text.strip_prefix(LOCK_KEYS_ONLY), Some(script.lua()));
            assert_eq!(program.hash.len(), 40);
            let last = programs.stamp_last(script);
            assert!(last.is_none_or(|text| text.starts_with(LOCK_KEYS_ONLY)));
            assert!(last.is_none_or(|text| text.ends_with(script.lua())));
        }
        assert!(programs.set_value_last.starts_with(LOCK_KEYS_ONLY));
    }
}
