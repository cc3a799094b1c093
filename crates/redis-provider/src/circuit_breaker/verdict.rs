//! What an answer says about the service.

use std::time::Duration;

use super::circuit::Ending;
use crate::error::RedisError;
use crate::port::Reply;

/// What an answer says about the service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    Ended(Ending),
    Throttled { reason: &'a str, wait: Option<Duration> },
}

pub(super) fn judge<T>(answer: &Result<T, RedisError>) -> Verdict<'_> {
    match answer {
        Ok(_) | Err(RedisError::Rejected(_)) => Verdict::Ended(Ending::Answered),
        Err(RedisError::Throttled { reason, retry_after }) => {
            Verdict::Throttled { reason, wait: *retry_after }
        }
        Err(RedisError::Unavailable(_) | RedisError::Timeout { .. } | RedisError::Protocol(_)) => {
            Verdict::Ended(Ending::Failed)
        }
    }
}

/// A pipeline has failed when most of its commands have.
pub(super) fn judge_pipeline(
    answer: &Result<Vec<Result<Reply, RedisError>>, RedisError>,
) -> Verdict<'_> {
    let Ok(replies) = answer else { return judge(answer) };
    let mut failed = 0;
    for reply in replies {
        match judge(reply) {
            Verdict::Ended(Ending::Failed) => failed += 1,
            Verdict::Ended(_) => {}
            throttled @ Verdict::Throttled { .. } => return throttled,
        }
    }
    let has_failed = failed * 2 > replies.len();
    Verdict::Ended(if has_failed { Ending::Failed } else { Ending::Answered })
}
