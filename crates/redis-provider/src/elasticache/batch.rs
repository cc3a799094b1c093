//! From the answers of many commands, or of many nodes, to one.

use crate::error::RedisError;
use crate::port::{Reply, ServerInfo};

/// How many of the deletions deleted something. An error says what is true of the whole: once one
/// of them was carried out, it may be that something was applied.
pub(super) fn count_deleted(replies: Vec<Result<Reply, RedisError>>) -> Result<u64, RedisError> {
    let (mut deleted, mut has_answer) = (0, false);
    let mut failure: Option<RedisError> = None;
    for reply in replies {
        match reply {
            Ok(Reply::Applied(is_deleted)) => {
                deleted += u64::from(is_deleted);
                has_answer = true;
            }
            Ok(_) => {
                let other = "another answer than that of a deletion".to_owned();
                return Err(RedisError::Protocol(other));
            }
            Err(error) => failure = Some(worse(failure, error)),
        }
    }
    match failure {
        None => Ok(deleted),
        Some(RedisError::Unavailable(_)) if has_answer => {
            Err(RedisError::Timeout { maybe_applied: true })
        }
        Some(error) => Err(error),
    }
}

/// The error of a whole pipeline, if not a single command reached its server and came back.
pub(super) fn failure_of_all(replies: &[Result<Reply, RedisError>]) -> Option<RedisError> {
    let mut failure = None;
    for reply in replies {
        match reply {
            Err(error @ (RedisError::Unavailable(_) | RedisError::Timeout { .. })) => {
                failure = Some(worse(failure, error.clone()));
            }
            _ => return None,
        }
    }
    failure
}

/// The error that says more, or worse: a refusal, an unknown outcome, no answer, no server.
fn worse(one: Option<RedisError>, other: RedisError) -> RedisError {
    let rank = |error: &RedisError| match error {
        RedisError::Rejected(_) | RedisError::Protocol(_) => 3,
        RedisError::Timeout { maybe_applied: true } => 2,
        RedisError::Timeout { maybe_applied: false } => 1,
        _ => 0,
    };
    match one {
        Some(one) if rank(&one) >= rank(&other) => one,
        _ => other,
    }
}

/// What the primaries of a cluster say of themselves, as one: sums of what can be added up, and
/// the first one's word for the rest.
pub(super) fn sum(infos: Vec<ServerInfo>) -> ServerInfo {
    let add = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    let mut infos = infos.into_iter();
    let first = infos.next().unwrap_or_default();
    infos.fold(first, |sum, info| ServerInfo {
        used_memory_bytes: add(sum.used_memory_bytes, info.used_memory_bytes),
        evicted_keys: add(sum.evicted_keys, info.evicted_keys),
        keys: add(sum.keys, info.keys),
        keys_without_ttl: add(sum.keys_without_ttl, info.keys_without_ttl),
        max_memory_bytes: add(sum.max_memory_bytes, info.max_memory_bytes),
        ..sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> RedisError {
        RedisError::Unavailable("away".to_owned())
    }

    #[test]
    fn a_deletion_that_failed_in_part_may_have_been_applied() {
        let deleted = |is_deleted| Ok(Reply::Applied(is_deleted));
        assert_eq!(count_deleted(vec![deleted(true), deleted(false), deleted(true)]), Ok(2));
        assert_eq!(count_deleted(Vec::new()), Ok(0));
        assert_eq!(count_deleted(vec![Err(away()), Err(away())]), Err(away()));
        let unknown = Err(RedisError::Timeout { maybe_applied: true });
        assert_eq!(count_deleted(vec![deleted(true), Err(away())]), unknown);
        assert_eq!(count_deleted(vec![Err(away()), deleted(false)]), unknown);
        let refused = RedisError::Rejected("NOPERM".to_owned());
        let mixed = vec![Err(away()), Err(refused.clone()), deleted(true)];
        assert_eq!(count_deleted(mixed), Err(refused));
    }

    #[test]
    fn a_pipeline_fails_as_a_whole_only_where_every_command_did() {
        let lost = RedisError::Timeout { maybe_applied: true };
        assert_eq!(failure_of_all(&[Err(away()), Err(lost.clone())]), Some(lost));
        assert_eq!(failure_of_all(&[Err(away()), Ok(Reply::Applied(true))]), None);
        let refused = Err(RedisError::Rejected("WRONGTYPE".to_owned()));
        assert_eq!(failure_of_all(&[Err(away()), refused]), None);
        assert_eq!(failure_of_all(&[]), None);
    }

    #[test]
    fn what_one_node_does_not_tell_has_no_sum() {
        let info = |keys, used| ServerInfo {
            server: "redis 7.0.15".to_owned(),
            keys,
            used_memory_bytes: used,
            ..ServerInfo::default()
        };
        let sum = sum(vec![info(Some(1), Some(10)), info(Some(2), None), info(Some(3), Some(5))]);
        assert_eq!(sum.keys, Some(6));
        assert_eq!(sum.used_memory_bytes, None);
        assert_eq!(sum.server, "redis 7.0.15");
    }
}
