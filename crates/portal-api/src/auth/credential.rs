//! What a request proves its caller with: a session, a bearer token or an API key; one of them.
//!
//! Two are refused whatever they are. A page of another site can make a browser send the cookie,
//! but not a header, so what a request does must not depend on which of the two is looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName};

use super::api_keys::MARK;
use super::sessions::SESSION_COOKIE;
use crate::error::{ApiError, ErrorCode};

/// The header that carries an API key.
pub(crate) const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The scheme of bearer tokens, in lower case.
const BEARER: &[u8] = b"bearer";

/// What a request came with; nothing of it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// A cookie, or nothing.
    Session,
    /// A token of the identity provider.
    Bearer(&'a str),
    /// One of our keys.
    ApiKey(&'a str),
}

impl<'a> Credential<'a> {
    /// The one credential of a request. Other schemes of `Authorization` are left to whoever
    /// stands in front of the portal.
    pub(super) fn of(request: &'a HttpRequest) -> Result<Self, ApiError> {
        let headers = request.headers();
        let tokens = headers.get_all(AUTHORIZATION).filter_map(|value| bearer(value.as_bytes()));
        let keys = headers.get_all(API_KEY_HEADER).map(|value| Sent::Key(value.as_bytes()));
        let mut sent = tokens.map(Sent::Token).chain(keys);
        let Some(first) = sent.next() else { return Ok(Self::Session) };
        if sent.next().is_some() || request.cookie(SESSION_COOKIE).is_some() {
            return Err(one_at_a_time());
        }
        match first {
            // Many clients know no other header. No token begins like a key.
            Sent::Token(bytes) if bytes.starts_with(MARK.as_bytes()) => {
                readable(bytes).map(Self::ApiKey)
            }
            Sent::Token(bytes) => readable(bytes).map(Self::Bearer),
            Sent::Key(bytes) => readable(bytes).map(Self::ApiKey),
        }
    }
}

enum Sent<'a> {
    Token(&'a [u8]),
    Key(&'a [u8]),
}

/// What stands behind the scheme of bearer tokens, where a header names it.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(BEARER.len())?;
    let is_whole = rest.first().is_none_or(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(BEARER) && is_whole).then(|| rest.trim_ascii())
}

fn readable(bytes: &[u8]) -> Result<&str, ApiError> {
    let is_token = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(bytes).ok().filter(|_| is_token).ok_or_else(|| {
        ApiError::new(ErrorCode::BadRequest, "The credential is empty or has unusable characters.")
            .with_challenge("Bearer realm=\"portal\", error=\"invalid_request\"")
    })
}

fn one_at_a_time() -> ApiError {
    ApiError::new(
        ErrorCode::BadRequest,
        "Send one credential: the session's cookie, a bearer token or an API key.",
    )
    .with_challenge("Bearer realm=\"portal\", error=\"invalid_request\"")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(headers: &[(&str, &str)]) -> Result<String, ErrorCode> {
        let mut request = TestRequest::default();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        match Credential::of(&request.to_http_request()) {
            Ok(Credential::Session) => Ok("session".to_owned()),
            Ok(Credential::Bearer(token)) => Ok(format!("token {token}")),
            Ok(Credential::ApiKey(key)) => Ok(format!("key {key}")),
            Err(error) => Err(error.code()),
        }
    }

    const COOKIE: (&str, &str) = ("cookie", "a=1; __Host-portal=abc");

    #[test]
    fn there_is_one_credential() {
        let table: [(&[(&str, &str)], &str); 9] = [
            (&[], "session"),
            (&[COOKIE], "session"),
            (&[("authorization", "Bearer a.b.c")], "token a.b.c"),
            (&[("authorization", "bEARER  a.b.c ")], "token a.b.c"),
            (&[("x-api-key", "k")], "key k"),
            (&[("authorization", "Bearer epk_a")], "key epk_a"),
            (&[("authorization", "Basic eDp5"), COOKIE], "session"),
            (&[("authorization", "Basic eDp5"), ("x-api-key", "k")], "key k"),
            (&[("authorization", "Bearerish x"), COOKIE], "session"),
        ];
        for (headers, expected) in table {
            assert_eq!(of(headers), Ok(expected.to_owned()), "{headers:?}");
        }
    }

    #[test]
    fn two_are_refused_and_so_is_what_cannot_be_one() {
        let token = ("authorization", "Bearer a.b.c");
        let key = ("x-api-key", "k");
        let table: [&[(&str, &str)]; 9] = [
            &[token, COOKIE],
            &[key, COOKIE],
            &[token, key],
            &[token, token],
            &[key, key],
            &[("authorization", "Bearer"), COOKIE],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer a b")],
            &[("x-api-key", "")],
        ];
        for headers in table {
            assert_eq!(of(headers), Err(ErrorCode::BadRequest), "{headers:?}");
        }
    }
}
