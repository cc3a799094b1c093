//! One error type for every answer that is not a success, as RFC 9457 describes them.
//!
//! What a client reads (`code`, `detail`, `errors`) and what the log reads (`source`) are
//! different fields; bodies of 5xx answers are constant. The edge renders and logs each error
//! once: handlers only return them.

mod code;
mod fields;
mod framework;
mod problem;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use employer_store::StoreError;

pub use code::ErrorCode;
pub use fields::{Faults, FieldError};
pub(crate) use framework::{from_framework, status_problem};
pub use problem::Problem;
pub(crate) use problem::{PROBLEM_JSON, RequestContext, render};

/// How long a client should wait when what we depend on is away.
const RETRY_AFTER_OUTAGE: Duration = Duration::from_secs(2);

/// Why a request failed.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<Box<str>>,
    challenge: Option<Box<str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// An error with what the caller may read of this occurrence.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
            challenge: None,
            source: None,
        }
    }

    /// There is no such thing, or none that the caller may know of: both read the same.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "There is no such resource.")
    }

    /// A fault of ours, with the cause for the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "").with_source(source)
    }

    /// Something that we depend on is away, with the cause for the log.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Unavailable, "")
            .with_retry_after(RETRY_AFTER_OUTAGE)
            .with_source(source)
    }

    /// The cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names one part of the request that is at fault; see [`FieldError::pointer`].
    #[must_use]
    pub fn with_field(
        mut self,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.errors.push(FieldError::new(pointer, code, detail));
        self
    }

    /// Names all parts of the request that are at fault.
    #[must_use]
    pub fn with_fields(mut self, errors: Vec<FieldError>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// After what time another attempt makes sense; rounded up to whole seconds.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The methods that a resource knows, for the `Allow` header.
    #[must_use]
    pub fn with_allow(mut self, methods: impl Into<Box<str>>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    /// What was wrong with the credential, for the `WWW-Authenticate` header (RFC 6750).
    #[must_use]
    pub fn with_challenge(mut self, challenge: impl Into<Box<str>>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// The same error once more, for where only a reference to it is at hand. Its causes are
    /// kept as the text that the log writes.
    pub(crate) fn restate(&self) -> Self {
        let chain = self.source_chain();
        Self {
            code: self.code,
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            retry_after: self.retry_after,
            allow: self.allow.clone(),
            challenge: self.challenge.clone(),
            source: (!chain.is_empty()).then(|| chain.into()),
        }
    }

    /// The stable reason.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the caller reads of this occurrence; constant for 5xx.
    pub fn detail(&self) -> &str {
        match self.code {
            ErrorCode::Internal => "The fault is ours. The request id finds it in our log.",
            ErrorCode::Unavailable => "Something that this answer needs is away. Try again soon.",
            _ => &self.detail,
        }
    }

    /// The parts of the request that are at fault; none for 5xx.
    pub fn errors(&self) -> &[FieldError] {
        if self.code.status().is_server_error() { &[] } else { &self.errors }
    }

    /// The causes from the outermost to the root, for the log.
    pub(crate) fn source_chain(&self) -> String {
        let mut chain = String::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = next {
            if !chain.is_empty() {
                chain.push_str(": ");
            }
            chain.push_str(&error.to_string());
            next = error.source();
        }
        chain
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code.as_str())
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// The answer as far as it is known here; the edge adds `instance` and `request_id`.
    fn error_response(&self) -> HttpResponse {
        render(self, &RequestContext::default())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<Arc<StoreError>> for ApiError {
    fn from(error: Arc<StoreError>) -> Self {
        if error.is_unavailable() { Self::unavailable(error) } else { Self::internal(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_server_error_reaches_the_caller() {
        let error = ApiError::new(ErrorCode::Internal, "password is hunter2")
            .with_field("#/x", "secret", "hunter2")
            .with_source(std::io::Error::other("connection to 10.0.0.7 refused"));
        assert!(!error.detail().contains("hunter2"));
        assert!(error.errors().is_empty());
        assert_eq!(error.source_chain(), "connection to 10.0.0.7 refused");
        assert_eq!(error.to_string(), "internal");
    }
}
