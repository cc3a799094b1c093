//! Errors that concern a whole request.

use actix_web::http::StatusCode;

use super::body::BODY_MAX;
use crate::redis::RedisError;

/// The answer is `{"error": …}` with the text of the variant.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestError {
    #[error("WRONGPASS invalid or missing auth token")]
    Unauthorized,
    #[error("ERR method not allowed")]
    Method,
    #[error("ERR max request size exceeded. Limit: {BODY_MAX} bytes, Actual: {actual} bytes")]
    TooLarge { actual: u64 },
    #[error("ERR the request body could not be read")]
    BrokenBody,
    #[error("ERR max concurrent connections exceeded")]
    Streams,
    /// The request as a whole is refused, for the reason in the text.
    #[error("{0}")]
    Refused(String),
    #[error("ERR dev-upstash has no redis-server: {0}")]
    Redis(#[from] RedisError),
}

impl RestError {
    /// Upstash documents 400, 401 and 405 for what the caller got wrong.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } | Self::BrokenBody | Self::Streams | Self::Refused(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Redis(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
