//! From what an HTTP exchange came to, to what a caller can act on.
//!
//! The service's text decides first and the status second, because the status of a quota error is
//! not documented; anything that is not the service's own word says nothing of what was applied.

use std::time::Duration;

use reqwest::StatusCode;

use crate::error::RedisError;

/// Whether a command changes anything; decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    pub(super) const fn timeout(self) -> RedisError {
        RedisError::Timeout { maybe_applied: matches!(self, Self::Write) }
    }
}

/// Why one attempt brought no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The request did not leave this process.
    NotSent(String),
    /// It left, and nothing is known of what became of it.
    Lost(String),
    /// The same, because the time was over.
    TimedOut,
    /// The service's own word: nothing was applied.
    Refused(RedisError),
}

impl Fault {
    /// What it means for a command.
    pub(super) fn into_error(self, access: Access) -> RedisError {
        match (self, access) {
            (Self::NotSent(reason), _) | (Self::Lost(reason), Access::Read) => {
                RedisError::Unavailable(reason)
            }
            (Self::Lost(_) | Self::TimedOut, access) => access.timeout(),
            (Self::Refused(error), _) => error,
        }
    }

    /// Whether the same may be sent again at once. A write may not, once it left: the first one
    /// may be on its way still, and arrive after what its caller does next.
    pub(super) const fn may_repeat(&self, access: Access) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Lost(_) => matches!(access, Access::Read),
            Self::TimedOut | Self::Refused(_) => false,
        }
    }

    /// Whether the service itself is in doubt, rather than this command.
    pub(super) const fn is_outage(&self) -> bool {
        !matches!(self, Self::Refused(RedisError::Rejected(_) | RedisError::Protocol(_)))
    }

    /// Whether the script is not known there: it was not run.
    pub(super) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Refused(RedisError::Rejected(text)) if text.starts_with("NOSCRIPT"))
    }
}

/// Replies that mean "not now" rather than "never": nothing was applied.
const PASSING: [&str; 8] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "NOREPLICAS",
    "ERR max concurrent connections exceeded",
];
/// Used up until the period ends, however often one asks.
const QUOTAS: [&str; 4] = [
    "ERR max daily request limit exceeded",
    "ERR max requests limit exceeded",
    "ERR max daily bandwidth limit exceeded",
    "ERR max monthly bandwidth limit exceeded",
];
/// A refusal of these kinds is of the command or of the token, and will be the same next time.
const FINAL: [&str; 8] = [
    "WRONGPASS",
    "NOAUTH",
    "NOPERM",
    "NOSCRIPT",
    "ERR DB capacity quota exceeded",
    "ERR max request size exceeded",
    "ERR max single record size exceeded",
    "ERR max key size exceeded",
];
/// How long to leave a service alone that speaks of a rate and names no time.
const RATE_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a header is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// An error's text may name keys; what comes after this many characters is left out.
const LONGEST_TEXT: usize = 200;

/// The meaning of an error's text, where it is one that is known.
fn known(text: &str, retry_after: Option<Duration>) -> Option<RedisError> {
    let begins = |list: &[&str]| list.iter().any(|start| text.starts_with(start));
    if begins(&QUOTAS) {
        let reason = format!("{}; the quota is used up until its period ends", shown(text));
        return Some(RedisError::Throttled { reason, retry_after });
    }
    if begins(&PASSING) {
        return Some(RedisError::Unavailable(shown(text)));
    }
    begins(&FINAL).then(|| RedisError::Rejected(shown(text)))
}

/// The error of one command.
pub(super) fn from_text(text: &str) -> RedisError {
    known(text, None).unwrap_or_else(|| RedisError::Rejected(shown(text)))
}

/// The error of a whole request that was answered by something else than success; `text` is the
/// service's own, where the body was one of its error bodies.
pub(super) fn from_status(
    status: StatusCode,
    text: Option<&str>,
    retry_after: Option<Duration>,
) -> Fault {
    if let Some(error) = text.and_then(|text| known(text, retry_after)) {
        return Fault::Refused(error);
    }
    let reason = text.map_or_else(|| format!("HTTP status {}", status.as_u16()), shown);
    let refused = |error: fn(String) -> RedisError| Fault::Refused(error(reason.clone()));
    match status.as_u16() {
        401 => Fault::Refused(RedisError::Rejected(format!("the REST token is refused: {reason}"))),
        413 => refused(RedisError::Rejected),
        429 => Fault::Refused(RedisError::Throttled {
            reason,
            retry_after: Some(retry_after.unwrap_or(RATE_PAUSE)),
        }),
        // Whoever stands in front of the service may say so after the service has acted.
        408 | 500.. => Fault::Lost(reason),
        300..500 if text.is_some() => refused(RedisError::Rejected),
        300..500 => refused(RedisError::Unavailable),
        _ => Fault::Lost("an answer that is not JSON".to_owned()),
    }
}

/// Seconds, as a header tells them.
pub(super) fn retry_after(header: Option<&reqwest::header::HeaderValue>) -> Option<Duration> {
    let seconds: u64 = header?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// One line of bounded length.
fn shown(text: &str) -> String {
    let dynamic_key = text.find(" Key was: ").unwrap_or(text.len());
    text.chars()
        .take(text.get(..dynamic_key).unwrap_or(text).chars().count().min(LONGEST_TEXT))
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    fn fault(status: u16, text: Option<&str>) -> Fault {
        from_status(StatusCode::from_u16(status).unwrap(), text, None)
    }

    #[test]
    fn quotas_are_told_by_text_whatever_the_status() {
        for text in [
            "ERR max daily request limit exceeded. Limit: 10000, Usage: 10001. See https://x",
            "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. See https://x",
        ] {
            for status in [400, 403, 429, 500] {
                let Fault::Refused(RedisError::Throttled { reason, retry_after: None }) =
                    fault(status, Some(text))
                else {
                    panic!("{status}: {text}");
                };
                assert!(reason.contains("until its period ends"), "{reason}");
            }
            assert!(matches!(from_text(text), RedisError::Throttled { retry_after: None, .. }));
        }
    }

    #[test]
    fn a_rate_names_its_pause_or_gets_one() {
        for (header, pause) in [(None, SECOND), (Some(7), Some(Duration::from_secs(7)))] {
            let header = header.map(Duration::from_secs);
            let fault = from_status(StatusCode::TOO_MANY_REQUESTS, None, header);
            let Fault::Refused(RedisError::Throttled { retry_after, .. }) = fault else {
                panic!("{fault:?}");
            };
            assert_eq!(retry_after, pause);
        }
    }

    #[test]
    fn refusals_are_final_and_sizes_are_the_callers() {
        for text in [
            "WRONGPASS invalid or missing auth token",
            "NOPERM this user has no permissions to run the 'set' command or its subcommand",
            "ERR max request size exceeded. Limit: 1 bytes, Actual: 2 bytes",
            "ERR max single record size exceeded",
            "ERR max key size exceeded. Limit: 1 bytes, Actual: 2 bytes",
            "ERR DB capacity quota exceeded",
            "WRONGTYPE Operation against a key",
            "ERR value is not an integer or out of range",
        ] {
            assert_eq!(from_text(text), RedisError::Rejected(text.to_owned()));
            assert!(matches!(fault(400, Some(text)), Fault::Refused(RedisError::Rejected(_))));
        }
        assert!(matches!(fault(401, None), Fault::Refused(RedisError::Rejected(_))));
        assert!(matches!(fault(413, None), Fault::Refused(RedisError::Rejected(_))));
        assert!(matches!(fault(404, None), Fault::Refused(RedisError::Unavailable(_))));
        let passing = from_text("LOADING Redis is loading");
        assert!(matches!(passing, RedisError::Unavailable(_)));
    }

    #[test]
    fn an_edges_failure_leaves_a_write_unknown() {
        for status in [500, 502, 503, 504, 408, 200] {
            let fault = fault(status, None);
            assert!(matches!(fault, Fault::Lost(_)), "{status}");
            let write = fault.clone().into_error(Access::Write);
            assert_eq!(write, RedisError::Timeout { maybe_applied: true });
            assert!(matches!(fault.clone().into_error(Access::Read), RedisError::Unavailable(_)));
            assert!(fault.may_repeat(Access::Read) && !fault.may_repeat(Access::Write));
        }
    }

    #[test]
    fn texts_are_short_single_lines_without_keys() {
        let text = format!("ERR Dynamic keys are not allowed.\nKey was: no. Key was: {}", "k");
        assert_eq!(from_text(&text).to_string().lines().count(), 1);
        assert!(!shown("ERR Dynamic keys are not allowed. Key was: secret").contains("secret"));
        assert_eq!(shown(&"é".repeat(500)).chars().count(), LONGEST_TEXT);
    }
}
