//! Errors as the caller sees them: JSON for programs, a page for people.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::pages;

/// An OAuth error answer: `{"error", "error_description"}`.
#[derive(Debug, thiserror::Error)]
#[error("{error}: {description}")]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) description: Cow<'static, str>,
}

impl OAuthError {
    /// The request itself is wrong.
    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "invalid_request",
            description: description.into(),
        }
    }

    /// The code or the refresh token is no good. Auth0 answers 403 where RFC 6749 has 400.
    pub(crate) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error: "invalid_grant",
            description: description.into(),
        }
    }

    /// The application did not prove who it is, in the words that Auth0 has for it.
    pub(crate) fn unauthorized_client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "access_denied",
            description: "Unauthorized".into(),
        }
    }

    /// The application is known, and may not have this.
    pub(crate) fn access_denied(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error: "access_denied",
            description: description.into(),
        }
    }

    /// The bearer token is missing, expired or not ours.
    pub(crate) fn invalid_token() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_token",
            description: "the access token is missing, expired or not from here".into(),
        }
    }

    /// Something failed here; the reason is in the log only.
    pub(crate) fn internal(error: &dyn Error) -> Self {
        tracing::error!("{}", chain(error));
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            description: "the request failed".into(),
        }
    }

    /// The outage that a test asked for.
    pub(crate) fn outage(status: u16) -> Self {
        let is_limit = status == StatusCode::TOO_MANY_REQUESTS.as_u16();
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            error: if is_limit { "too_many_requests" } else { "server_error" },
            description: "a fault of /dev/faults".into(),
        }
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = if self.error == "invalid_token" {
                "Bearer error=\"invalid_token\""
            } else {
                "Basic realm=\"dev-auth0\""
            };
            response.insert_header((header::WWW_AUTHENTICATE, scheme));
        }
        response.json(json!({ "error": self.error, "error_description": self.description }))
    }
}

/// An error that is shown to the person in front of the browser, because there is no redirect URI
/// that could be trusted with it.
#[derive(Debug, thiserror::Error)]
#[error("{title}: {description}")]
pub(crate) struct PageError {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) description: Cow<'static, str>,
}

impl PageError {
    /// A request that an application or a person got wrong.
    pub(crate) fn bad_request(
        title: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title, description: description.into() }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        pages::respond(self.status, &pages::message(self.title, &self.description), None)
    }
}

/// An error with all of its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> impl fmt::Display {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
