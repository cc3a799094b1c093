//! The table of error codes: what a client may branch on.

use actix_web::http::StatusCode;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// A stable reason why a request failed. Clients branch on it, never on the texts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name, as bodies carry it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status that answers with this code have.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The short text that is the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

error_codes! {
    /// The request cannot be understood as HTTP says it should be.
    BadRequest = "bad_request", BAD_REQUEST, "The request is malformed";
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not valid JSON";
    /// A query parameter or header is unknown, malformed or out of bounds.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter is invalid";
    /// The cursor was altered, or belongs to another tenant, view, order or set of filters.
    CursorInvalid = "cursor_invalid", BAD_REQUEST, "The cursor is not valid here";
    /// The sign-in did not succeed and has to be started again.
    LoginFailed = "login_failed", BAD_REQUEST, "The sign-in failed";
    /// Nobody is signed in.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Sign in first";
    /// The caller's role does not allow this.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// The CSRF token is missing or is not the session's.
    CsrfFailed = "csrf_failed", FORBIDDEN, "The CSRF token is missing or wrong";
    /// There is no such thing, or none that the caller may know of.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The resource exists and does not know this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The change collides with the current state.
    Conflict = "conflict", CONFLICT, "The change collides with the current state";
    /// The tenant would be without an owner.
    LastOwner = "last_owner", CONFLICT, "An owner has to stay";
    /// The state of the job or application does not allow this transition.
    TransitionRefused = "transition_refused", CONFLICT, "Its state does not allow this";
    /// The first request with this idempotency key has not been answered yet.
    IdempotencyInFlight = "idempotency_in_flight", CONFLICT, "The first request is still running";
    /// It was here and is gone for good.
    Gone = "gone", GONE, "Gone";
    /// The version named by `If-Match` is not the current one.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "Changed in the meantime";
    /// The change needs an `If-Match` header.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "If-Match is required";
    /// The body is larger than allowed.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body's media type is not one that the resource accepts.
    UnsupportedMediaType =
        "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// Fields of the body are wrong; `errors` names each.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "The body is not valid";
    /// The idempotency key was used with another request.
    IdempotencyMismatch =
        "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The key was used with another request";
    /// The job lacks what a published job needs; `errors` names what.
    NotPublishable = "not_publishable", UNPROCESSABLE_ENTITY, "The job is not ready to publish";
    /// The caller asks too often.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    /// A fault of ours; the log knows it under the request id.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
    /// There are as many streams of events open as there may be.
    TooManyStreams = "too_many_streams", SERVICE_UNAVAILABLE, "Too many streams are open";
    /// Something that the answer depends on is away; trying again later helps.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_code_is_an_error() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(
                code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                code.as_str()
            );
            assert!(!code.title().is_empty() && !code.title().ends_with('.'));
        }
    }
}
