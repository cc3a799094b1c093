//! JSON bodies: bounded in size and time, of a known media type, an object without repeated keys.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::{FromRequest, HttpRequest, web};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::strict_json;
use crate::error::{ApiError, ErrorCode, from_framework};

/// How much body is taken, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 256 * 1024, timeout: Duration::from_secs(10) }
    }
}

/// What a resource takes as its body.
pub(crate) trait BodyKind: 'static {
    /// The media types it may have.
    const MEDIA_TYPES: &'static [&'static str];
    /// Whether there may be none; it then reads as an empty object.
    const MAY_BE_EMPTY: bool = false;
}

/// A JSON object.
#[derive(Debug)]
pub(crate) struct Json;

impl BodyKind for Json {
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
}

/// A JSON object or nothing, which `null` says as well.
#[derive(Debug)]
pub(crate) struct OptionalJson;

impl BodyKind for OptionalJson {
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
    const MAY_BE_EMPTY: bool = true;
}

/// A JSON Merge Patch (RFC 7396) that is an object.
#[derive(Debug)]
pub(crate) struct MergePatch;

impl BodyKind for MergePatch {
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/merge-patch+json", "application/json"];
}

/// The object that a request carries.
#[derive(Debug)]
pub(crate) struct JsonBody<K> {
    /// Its fields, not yet looked at.
    pub(crate) object: Map<String, Value>,
    /// SHA-256 of the bytes, which tells a repeated request from another one.
    pub(crate) digest: [u8; 32],
    kind: PhantomData<K>,
}

impl<K: BodyKind> FromRequest for JsonBody<K> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request
            .app_data::<web::Data<BodyLimits>>()
            .map_or_else(BodyLimits::default, |data| *data.get_ref());
        let head = check_head(request, limits, K::MEDIA_TYPES, K::MAY_BE_EMPTY);
        let payload = payload.take();
        Box::pin(async move {
            head?;
            let bytes = read(payload, limits).await?;
            let digest = Sha256::digest(&bytes).into();
            let object = if bytes.is_empty() && K::MAY_BE_EMPTY {
                Map::new()
            } else {
                parse_object(&bytes, K::MAY_BE_EMPTY)?
            };
            Ok(Self { object, digest, kind: PhantomData })
        })
    }
}

/// Refuses by the headers alone what need not be read.
fn check_head(
    request: &HttpRequest,
    limits: BodyLimits,
    media_types: &[&str],
    may_be_empty: bool,
) -> Result<(), ApiError> {
    let length = text(request, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.bytes as u64) {
        return Err(too_large(limits));
    }
    let has_body = length.is_some_and(|length| length > 0)
        || request.headers().contains_key("transfer-encoding");
    if !has_body && may_be_empty {
        return Ok(());
    }
    let is_encoded = text(request, &CONTENT_ENCODING)
        .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
    let is_known = text(request, &CONTENT_TYPE).is_some_and(|kind| is_one_of(kind, media_types));
    if is_known && !is_encoded {
        return Ok(());
    }
    let expected = format!("Send {}, UTF-8, without a content coding.", media_types.join(" or "));
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, expected))
}

fn text<'a>(request: &'a HttpRequest, header: &HeaderName) -> Option<&'a str> {
    request.headers().get(header)?.to_str().ok()
}

/// Whether `kind` is one of `media_types`, in UTF-8 where it names a character set.
fn is_one_of(kind: &str, media_types: &[&str]) -> bool {
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_known = media_types.iter().any(|known| essence.eq_ignore_ascii_case(known));
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    is_known && is_utf8
}

async fn read(mut payload: Payload, limits: BodyLimits) -> Result<BytesMut, ApiError> {
    let collect = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| from_framework(&error.into()))?;
            if bytes.len() + chunk.len() > limits.bytes {
                return Err(too_large(limits));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    tokio::time::timeout(limits.timeout, collect).await.unwrap_or_else(|_elapsed| {
        Err(ApiError::new(ErrorCode::RequestTimeout, "The body did not arrive in time."))
    })
}

fn too_large(limits: BodyLimits) -> ApiError {
    let detail = format!("The body may have {} bytes at most.", limits.bytes);
    ApiError::new(ErrorCode::PayloadTooLarge, detail)
}

fn parse_object(bytes: &[u8], may_be_empty: bool) -> Result<Map<String, Value>, ApiError> {
    let value = strict_json::parse(bytes).map_err(|error| {
        let detail = if bytes.is_empty() {
            "The body is empty; a JSON object is expected.".to_owned()
        } else {
            format!("Line {}, column {}: {}.", error.line(), error.column(), reason(&error))
        };
        ApiError::new(ErrorCode::MalformedJson, detail)
    })?;
    match value {
        Value::Object(object) => Ok(object),
        Value::Null if may_be_empty => Ok(Map::new()),
        _ => Err(ApiError::new(ErrorCode::ValidationFailed, "The body has to be a JSON object.")
            .with_field("#", "wrong_type", "has to be an object")),
    }
}

/// What is wrong, in words that do not change with the parser's.
fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the document ends too early",
        serde_json::error::Category::Data => "a key stands twice",
        _ => "not JSON",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    async fn body_of<K: BodyKind>(request: TestRequest) -> Result<JsonBody<K>, ApiError> {
        let limits = BodyLimits { bytes: 64, timeout: Duration::from_secs(1) };
        let (request, mut payload) = request.app_data(web::Data::new(limits)).to_http_parts();
        JsonBody::<K>::from_request(&request, &mut payload).await
    }

    fn post(kind: &str, body: &'static [u8]) -> TestRequest {
        TestRequest::post()
            .insert_header(("Content-Type", kind))
            .insert_header(("Content-Length", body.len()))
            .set_payload(body)
    }

    #[actix_web::test]
    async fn objects_are_read() {
        let body = body_of::<Json>(post("application/json; charset=UTF-8", br#"{"a":1}"#)).await;
        assert_eq!(body.unwrap().object["a"], 1);
        let patch = post("application/merge-patch+json", b"{}");
        assert!(body_of::<MergePatch>(patch).await.is_ok());
        assert!(body_of::<OptionalJson>(TestRequest::post()).await.unwrap().object.is_empty());
        let nothing = body_of::<OptionalJson>(post("application/json", b"null")).await;
        assert!(nothing.unwrap().object.is_empty());
    }

    #[actix_web::test]
    async fn what_is_not_such_an_object_is_refused_with_its_own_code() {
        let long: &'static [u8] = &[b' '; 65];
        let table: &[(&str, &'static [u8], ErrorCode)] = &[
            ("text/plain", b"{}", ErrorCode::UnsupportedMediaType),
            ("application/jsonp", b"{}", ErrorCode::UnsupportedMediaType),
            ("application/json; charset=latin1", b"{}", ErrorCode::UnsupportedMediaType),
            ("application/merge-patch+json", b"{}", ErrorCode::UnsupportedMediaType),
            ("application/json", b"", ErrorCode::MalformedJson),
            ("application/json", b"{\"a\":", ErrorCode::MalformedJson),
            ("application/json", b"{\"a\":1,\"a\":2}", ErrorCode::MalformedJson),
            ("application/json", b"{\"a\":\xff}", ErrorCode::MalformedJson),
            ("application/json", b"[]", ErrorCode::ValidationFailed),
            ("application/json", b"null", ErrorCode::ValidationFailed),
            ("application/json", long, ErrorCode::PayloadTooLarge),
        ];
        for (kind, body, expected) in table {
            let error = body_of::<Json>(post(kind, body)).await.unwrap_err();
            assert_eq!(error.code(), *expected, "{kind} {body:?}");
        }
    }

    #[actix_web::test]
    async fn a_body_without_a_length_is_bounded_as_well() {
        let request = TestRequest::post()
            .insert_header(("Content-Type", "application/json"))
            .insert_header(("Transfer-Encoding", "chunked"))
            .set_payload(vec![b' '; 100]);
        let error = body_of::<Json>(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
    }

    #[actix_web::test]
    async fn compressed_bodies_are_refused() {
        let request = post("application/json", b"{}").insert_header(("Content-Encoding", "gzip"));
        let error = body_of::<Json>(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnsupportedMediaType);
    }
}
