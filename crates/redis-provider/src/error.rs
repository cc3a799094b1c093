//! What can go wrong between the portal and a Redis service, as a caller can act on it.

use std::time::Duration;

/// An error of the provider port. None of them means that a key is absent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// The service could not be reached; nothing was applied. Degrade, and try again later.
    #[error("the Redis service is unavailable: {0}")]
    Unavailable(String),
    /// The service refuses for a while, for the rate or the quota; nothing was applied. Asking
    /// again before `retry_after` is over only makes it worse.
    #[error("the Redis service refuses for now: {reason}")]
    Throttled {
        /// What the service said.
        reason: String,
        /// How long to leave it alone, as far as it is known.
        retry_after: Option<Duration>,
    },
    /// No answer within the deadline.
    #[error("the Redis service did not answer in time")]
    Timeout {
        /// Whether the command may have been applied all the same.
        maybe_applied: bool,
    },
    /// The service refused the command: wrong type, missing right, quota, size.
    #[error("the Redis service refused the command: {0}")]
    Rejected(String),
    /// The answer was not one that this command can have.
    #[error("unexpected answer of the Redis service: {0}")]
    Protocol(String),
}

impl RedisError {
    /// A stable word for metrics and logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Timeout { .. } => "timeout",
            Self::Rejected(_) => "rejected",
            Self::Protocol(_) => "protocol",
        }
    }
}
