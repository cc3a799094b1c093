//! What can go wrong between the portal and the Management API.

use std::time::Duration;

use super::super::oidc::FetchError;
use crate::error::ApiError;

/// Why the Management API was of no help.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// It did not answer, or said that it cannot right now.
    #[error("the identity provider's Management API gave no answer")]
    Unavailable(#[from] FetchError),
    /// It takes no more calls for a while.
    #[error("the identity provider's Management API takes no calls for {after:?}")]
    RateLimited {
        /// Until it does.
        after: Duration,
    },
    /// Too many callers of ours wait already.
    #[error("too many changes wait for the identity provider")]
    Busy,
    /// It did not take the call: credentials, scopes or the request itself.
    #[error("the identity provider's Management API refused the call with {status}: {code}")]
    Refused {
        /// The status.
        status: u16,
        /// Its word for it.
        code: String,
    },
    /// What it answered cannot be used.
    #[error("the identity provider's Management API gave an answer that cannot be used: {0}")]
    Unusable(&'static str),
    /// It does not know a role of ours.
    #[error("the identity provider has no role named {0}")]
    NoSuchRole(&'static str),
}

impl From<ManagementError> for ApiError {
    fn from(error: ManagementError) -> Self {
        let after = match &error {
            ManagementError::RateLimited { after } => Some(*after),
            _ => None,
        };
        // Whatever it was, nothing has been changed here; the log says what to mend.
        let unavailable = Self::unavailable(error);
        match after {
            Some(after) => unavailable.with_retry_after(after),
            None => unavailable,
        }
    }
}
