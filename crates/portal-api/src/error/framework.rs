//! The framework's own errors, told in our words.
//!
//! Our extractors answer with [`ApiError`] themselves; what is left comes from the framework's
//! routing, its body stream and its session layer.

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;

use super::{ApiError, ErrorCode};

/// An error of the framework as one of ours. Its text goes to the log, never to the caller.
pub(crate) fn from_framework(error: &actix_web::Error) -> ApiError {
    if let Some(error) = error.as_error::<PayloadError>() {
        return from_payload(error);
    }
    status_problem(error.as_response_error().status_code()).with_source(error.to_string())
}

/// The error that a bare status stands for.
pub(crate) fn status_problem(status: StatusCode) -> ApiError {
    let code = match status {
        StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorCode::Forbidden,
        StatusCode::NOT_FOUND => return ApiError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ErrorCode::RequestTimeout,
        StatusCode::CONFLICT => ErrorCode::Conflict,
        StatusCode::GONE => ErrorCode::Gone,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => ErrorCode::Unavailable,
        status if status.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::BadRequest,
    };
    ApiError::new(code, code.title())
}

/// A body that could not be read to its end.
fn from_payload(error: &PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::new(
            ErrorCode::PayloadTooLarge,
            "The body is larger than this resource takes.",
        ),
        other => ApiError::new(ErrorCode::BadRequest, "The body could not be read to its end.")
            .with_source(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_statuses_keep_their_class() {
        for number in 400..=599_u16 {
            let status = StatusCode::from_u16(number).unwrap();
            let problem = status_problem(status);
            assert_eq!(
                problem.code().status().is_server_error(),
                status.is_server_error(),
                "{number}"
            );
        }
        let known = [401, 403, 404, 405, 408, 409, 410, 413, 415, 429, 500, 503];
        for number in known {
            let status = StatusCode::from_u16(number).unwrap();
            assert_eq!(status_problem(status).code().status(), status);
        }
    }

    #[test]
    fn texts_of_the_framework_stay_inside() {
        let error = actix_web::error::ErrorInternalServerError("db password=hunter2");
        let problem = from_framework(&error);
        assert_eq!(problem.code(), ErrorCode::Internal);
        assert!(!problem.detail().contains("hunter2"));
        assert!(problem.source_chain().contains("hunter2"));

        let error = actix_web::error::ErrorBadRequest("C:\\internal\\path");
        assert!(!from_framework(&error).detail().contains("internal"));
    }
}
