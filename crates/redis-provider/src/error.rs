//! What can go wrong between the portal and a Redis service, as a caller can act on it.

/// An error of the provider port. None of them means that a key is absent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// The service could not be reached; nothing was applied. Degrade, and try again later.
    #[error("the Redis service is unavailable: {0}")]
    Unavailable(String),
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
            Self::Timeout { .. } => "timeout",
            Self::Rejected(_) => "rejected",
            Self::Protocol(_) => "protocol",
        }
    }
}
