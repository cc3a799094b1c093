//! `Idempotency-Key`: a client's name for one attempt to change something.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};

use crate::error::{ApiError, ErrorCode};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_KEY_BYTES: usize = 255;

/// The key, where the client sent one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request))
    }
}

fn parse(request: &HttpRequest) -> Result<IdempotencyKey, ApiError> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(IdempotencyKey(None)) };
    let key = value.to_str().unwrap_or_default();
    let is_well_formed = (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && !key.trim().is_empty();
    if is_well_formed && values.next().is_none() {
        return Ok(IdempotencyKey(Some(key.to_owned())));
    }
    Err(ApiError::new(ErrorCode::InvalidParameter, "A header is malformed; see errors.")
        .with_field(
            "header:Idempotency-Key",
            "malformed",
            "is given once, 1 to 255 printable ASCII characters",
        ))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn keys_are_short_and_printable() {
        let with = |key: &str| {
            parse(&TestRequest::post().insert_header(("Idempotency-Key", key)).to_http_request())
        };
        assert_eq!(with("order 17").unwrap().0.as_deref(), Some("order 17"));
        assert!(with(&"k".repeat(255)).is_ok());
        for refused in ["", "ünlike", &"k".repeat(256)] {
            assert!(with(refused).is_err(), "{refused}");
        }
        assert_eq!(parse(&TestRequest::post().to_http_request()).unwrap().0, None);
        let twice = TestRequest::post()
            .append_header(("Idempotency-Key", "a"))
            .append_header(("Idempotency-Key", "b"))
            .to_http_request();
        assert!(parse(&twice).is_err());
    }
}
