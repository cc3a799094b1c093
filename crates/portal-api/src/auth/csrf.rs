//! Proof that an unsafe request comes from the portal's own pages.
//!
//! The cookie is `SameSite=Lax`, which leaves sibling subdomains and old browsers. So a request
//! that changes something also says where it comes from, which the edge checks before anything is
//! looked up, and repeats the session's token, which no other site can read.

use actix_web::HttpRequest;
use actix_web::http::{Method, header};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use session_store::SessionRecord;

use crate::error::{ApiError, ErrorCode};

/// The header that repeats the session's token.
pub(crate) const TOKEN_HEADER: &str = "x-csrf-token";

/// Checks a request of a signed-in person; those that change nothing pass.
pub(super) fn check(request: &HttpRequest, session: &SessionRecord) -> Result<(), ApiError> {
    if is_safe(request.method()) {
        return Ok(());
    }
    let token = request.headers().get(TOKEN_HEADER);
    check_token(token.map(header::HeaderValue::as_bytes).unwrap_or_default(), session)
}

/// Compares a token with the session's, in a time that tells nothing about either.
pub(super) fn check_token(token: &[u8], session: &SessionRecord) -> Result<(), ApiError> {
    verify_slices_are_equal(token, session.csrf_token.as_bytes())
        .map_err(|_| refusal("Send the csrf_token of GET /api/session as X-CSRF-Token."))
}

fn refusal(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::CsrfFailed, detail)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::super::test_session::record;
    use super::*;

    fn checked(method: Method, headers: &[(&str, &str)]) -> Result<(), ErrorCode> {
        let mut request = TestRequest::default().method(method);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        check(&request.to_http_request(), &record()).map_err(|error| error.code())
    }

    #[test]
    fn reading_needs_no_token() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(checked(method, &[("sec-fetch-site", "cross-site")]), Ok(()));
        }
    }

    #[test]
    fn changing_needs_the_sessions_token() {
        let token = record().csrf_token;
        let longer = format!("{token}x");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(checked(method.clone(), &[("x-csrf-token", &token)]), Ok(()));
            for wrong in ["", "another", &longer, &token[1..], &token.to_uppercase()] {
                let headers = [("x-csrf-token", wrong)];
                assert_eq!(checked(method.clone(), &headers), Err(ErrorCode::CsrfFailed));
            }
            assert_eq!(checked(method, &[]), Err(ErrorCode::CsrfFailed));
        }
    }
}
