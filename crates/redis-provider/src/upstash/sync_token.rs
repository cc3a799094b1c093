//! What makes a reader see what was written before.
//!
//! Each answer of the service carries a token that names a point of its history; a request that
//! shows it is not answered from a copy that has not come so far.

use std::sync::{Mutex, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue};

use super::errors::Access;

pub(super) const HEADER: &str = "upstash-sync-token";

/// The point that everything answered so far was seen at, or nearly: tokens cannot be compared,
/// and of answers that crossed on the way the last is kept.
#[derive(Debug, Default)]
pub(super) struct SyncToken {
    state: Mutex<Known>,
}

/// What was known when a request was made.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    value: Option<HeaderValue>,
    version: u64,
}

impl Known {
    /// The header of a request; empty the first time, which asks for a token.
    pub(super) fn header(&self) -> HeaderValue {
        self.value.clone().unwrap_or(HeaderValue::from_static(""))
    }
}

impl SyncToken {
    pub(super) fn known(&self) -> Known {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of an answer, before anybody gets to see what is in it.
    ///
    /// The token of a read that was asked before the token in force was known may be of an older
    /// copy: it would make a write forgotten that its writer knows to be done.
    pub(super) fn note(&self, asked_with: &Known, access: Access, headers: &HeaderMap) {
        let Some(token) = headers.get(HEADER).filter(|token| !token.is_empty()) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if access == Access::Write || asked_with.version == state.version {
            state.value = Some(token.clone());
            state.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(token: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(HEADER),
            HeaderValue::from_static(token),
        )])
    }

    #[test]
    fn the_newest_token_is_sent() {
        let token = SyncToken::default();
        let first = token.known();
        assert_eq!(first.header(), "");
        token.note(&first, Access::Read, &answer("1"));
        assert_eq!(token.known().header(), "1");
        token.note(&token.known(), Access::Read, &HeaderMap::new());
        token.note(&token.known(), Access::Read, &answer(""));
        assert_eq!(token.known().header(), "1", "an answer without a token takes none away");
    }

    #[test]
    fn a_read_that_was_overtaken_by_a_write_does_not_take_its_token() {
        let token = SyncToken::default();
        let read = token.known();
        let write = token.known();
        token.note(&write, Access::Write, &answer("after the write"));
        token.note(&read, Access::Read, &answer("before it"));
        assert_eq!(token.known().header(), "after the write");
        token.note(&token.known(), Access::Read, &answer("later"));
        assert_eq!(token.known().header(), "later");
    }
}
