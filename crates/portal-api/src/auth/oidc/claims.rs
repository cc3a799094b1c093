//! The claims that each kind of token has, and the checks that they share.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use super::token_error::TokenError;

/// Longest subject, in bytes; the standard's own bound.
const MAX_SUBJECT_BYTES: usize = 255;

/// For whom a token is: one name or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(audience) => audience == name,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == name),
        }
    }

    pub(super) fn is_one(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Several(audiences) => audiences.len() == 1,
        }
    }
}

/// When a token was made and until when it holds, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) issued_at: i64,
    pub(super) not_before: Option<i64>,
    pub(super) expires_at: i64,
}

impl Times {
    /// Whether the token is in force. The sums saturate: claims may hold any number.
    pub(super) fn check(
        self,
        now: OffsetDateTime,
        skew: Duration,
        longest: Duration,
    ) -> Result<(), TokenError> {
        let (now, skew) = (now.unix_timestamp(), seconds(skew));
        if self.expires_at <= now.saturating_sub(skew) {
            return Err(TokenError::Expired);
        }
        if self.issued_at > now.saturating_add(skew) {
            return Err(TokenError::IssuedInFuture);
        }
        if self.not_before.is_some_and(|nbf| nbf > now.saturating_add(skew)) {
            return Err(TokenError::NotYetValid);
        }
        let lifetime = self.expires_at.saturating_sub(self.issued_at);
        if (1..=seconds(longest)).contains(&lifetime) { Ok(()) } else { Err(TokenError::Lifetime) }
    }
}

/// Refuses what cannot name anybody.
pub(super) fn check_subject(subject: &str) -> Result<(), TokenError> {
    let is_subject =
        (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control);
    if is_subject { Ok(()) } else { Err(TokenError::Subject) }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
