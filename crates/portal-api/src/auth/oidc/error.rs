//! What can go wrong between the portal and its identity provider.

use super::token_error::TokenError;
use crate::error::{ApiError, ErrorCode};

/// Why the identity provider was of no help.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It did not answer, or said that it cannot right now. Trying again later helps.
    #[error("the identity provider gave no answer")]
    Unavailable(#[from] FetchError),
    /// What it published cannot be used. Somebody has to look at its settings or at ours.
    #[error("the identity provider's {document} cannot be used: {reason}")]
    Unusable {
        /// Which of its documents.
        document: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It did not take the authorization code or refresh token: used twice, too old, revoked, or
    /// not made for us.
    #[error("the identity provider refused the authorization code or refresh token")]
    CodeRefused,
    /// It did not take our request for tokens: client id, secret or redirect address.
    #[error("the identity provider refused the token request: {error}")]
    ClientRefused {
        /// Its `error` code.
        error: String,
    },
    /// The id token that it gave is not acceptable.
    #[error("the id token is not acceptable")]
    Token(#[from] TokenError),
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or no complete answer within the deadline.
    #[error("the request failed")]
    Transport(#[source] reqwest::Error),
    /// An answer that is neither the document nor a reason to give up.
    #[error("unexpected status {0}")]
    Status(u16),
    /// An answer beyond what the document may have.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that was allowed.
        limit: usize,
    },
    /// The last attempt failed a moment ago; none is made before a pause is over.
    #[error("the last attempt failed a moment ago")]
    JustFailed,
}

impl OidcError {
    pub(super) fn unusable(document: &'static str, reason: impl Into<String>) -> Self {
        Self::Unusable { document, reason: reason.into() }
    }
}

impl From<OidcError> for ApiError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Unavailable(_)
            | OidcError::Unusable { .. }
            | OidcError::ClientRefused { .. } => Self::unavailable(error),
            OidcError::CodeRefused => Self::new(
                ErrorCode::LoginFailed,
                "The sign-in was used already or took too long. Start it again.",
            )
            .with_source(error),
            OidcError::Token(_) => Self::new(
                ErrorCode::LoginFailed,
                "The identity provider's answer does not belong to this sign-in. Start it again.",
            )
            .with_source(error),
        }
    }
}
