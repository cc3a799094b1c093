//! What a read says about representations: those it has, and the codings it takes.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};
use actix_web::{FromRequest, HttpRequest};

use super::IfNoneMatch;
use crate::error::ApiError;

/// The headers of a request by which its answer's representation is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadHeaders {
    /// What the caller has already.
    pub(crate) if_none_match: IfNoneMatch,
    /// Whether the caller takes a body in gzip, and likes it no less than a plain one.
    pub(crate) takes_gzip: bool,
}

impl FromRequest for ReadHeaders {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let takes_gzip = takes_gzip(request.headers());
        let if_none_match = IfNoneMatch::from_request(request, payload).into_inner();
        ready(if_none_match.map(|if_none_match| Self { if_none_match, takes_gzip }))
    }
}

/// By RFC 9110, section 12.5.3. What cannot be read counts as not said: a plain body is always
/// right.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for value in headers.get_all(ACCEPT_ENCODING) {
        for element in value.to_str().unwrap_or_default().split(',') {
            let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
            let quality = quality(parameters);
            match coding.trim() {
                "*" => any = quality,
                name if name.eq_ignore_ascii_case("gzip") => gzip = quality,
                name if name.eq_ignore_ascii_case("x-gzip") => gzip = gzip.or(quality),
                name if name.eq_ignore_ascii_case("identity") => identity = quality,
                _ => {}
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The weight among the parameters of a coding: 1 where there is none.
fn quality(parameters: &str) -> Option<f32> {
    let weight = parameters.trim();
    if weight.is_empty() {
        return Some(1.0);
    }
    let (name, value) = weight.split_once('=')?;
    let value = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_wanted() {
        let takes = |values: &[&str]| {
            let request = TestRequest::get();
            let request = values
                .iter()
                .fold(request, |request, value| request.append_header((ACCEPT_ENCODING, *value)));
            takes_gzip(request.to_http_request().headers())
        };
        for wanted in [
            &["gzip"][..],
            &["GZIP"],
            &["x-gzip"],
            &["br, gzip;q=0.5, deflate"],
            &["gzip ; q=0.001"],
            &["gzip;Q=1.0, identity"],
            &["*"],
            &["identity;q=0, *;q=0.1"],
            &["br", "gzip"],
            &["gzip, *;q=0"],
        ] {
            assert!(takes(wanted), "{wanted:?}");
        }
        for unwanted in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=2"],
            &["gzip;q=nan"],
            &["gzip;q="],
            &["gzip;level=9"],
            &["gzipped"],
            &["gzip\u{fffd}"],
        ] {
            assert!(!takes(unwanted), "{unwanted:?}");
        }
    }

    #[test]
    fn a_malformed_tag_is_still_refused() {
        let request = TestRequest::get().insert_header(("If-None-Match", "x")).to_http_request();
        let headers = ReadHeaders::from_request(&request, &mut Payload::None).into_inner();
        assert!(headers.is_err());
    }
}
