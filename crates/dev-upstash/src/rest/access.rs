//! Which token a request carries.

use actix_web::HttpRequest;
use actix_web::http::header;
use percent_encoding::percent_decode_str;

use super::error::RestError;
use crate::args::Settings;

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Full,
    ReadOnly,
}

impl Access {
    /// From the `Authorization` header, or from the query parameter `_token` where there is none.
    pub(super) fn of(request: &HttpRequest, settings: &Settings) -> Result<Self, RestError> {
        let presented = from_header(request)
            .or_else(|| from_query(request.query_string()))
            .ok_or(RestError::Unauthorized)?;
        if settings.token.is(&presented) {
            Ok(Self::Full)
        } else if settings.read_only_token.as_ref().is_some_and(|token| token.is(&presented)) {
            Ok(Self::ReadOnly)
        } else {
            Err(RestError::Unauthorized)
        }
    }
}

fn from_header(request: &HttpRequest) -> Option<Vec<u8>> {
    let value = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.to_vec())
}

fn from_query(query: &str) -> Option<Vec<u8>> {
    let token = query.split('&').find_map(|pair| pair.strip_prefix("_token="))?;
    Some(percent_decode_str(token).collect())
}
