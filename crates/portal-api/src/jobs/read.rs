//! The read path that all job answers share: cache, conditional request, freshness headers.

use std::future::Future;

use actix_web::HttpResponse;
use actix_web::http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, LINK, VARY,
};
use bytes::Bytes;
use employer_store::{StoreError, TenantTx};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tenancy::{Tag, TenantKey, TenantScope};
use tenant_cache::{CacheError, CachedAnswer, Loaded, Operation};

use crate::error::ApiError;
use crate::extract::{EntityTag, ReadHeaders};
use crate::state::PortalState;

/// Hexadecimal digits of a body's hash within a job's tag.
const JOB_HASH_DIGITS: usize = 16;

/// The name of the content coding.
const GZIP: &str = "gzip";

/// Why an answer could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the store did not answer")]
    Store(#[from] StoreError),
    #[error("a cursor could not be written")]
    Cursor(#[from] serde_json::Error),
}

impl LoadError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unavailable())
    }
}

/// What to read, and under which key.
pub(crate) struct Read<'a> {
    pub(crate) scope: &'a TenantScope,
    pub(crate) operation: Operation,
    pub(crate) key: TenantKey,
    /// What the answer is about, so that changes of anything else leave it.
    pub(crate) tags: &'a [Tag],
}

/// Answers from the cache, or loads in a transaction that cannot write. `None`: nothing there.
pub(crate) async fn read_through<T, F, Fut>(
    state: &PortalState,
    read: Read<'_>,
    load: F,
) -> Result<Option<CachedAnswer>, ApiError>
where
    T: Serialize + Send + 'static,
    F: FnOnce(TenantTx) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<Loaded<T>>, LoadError>> + Send + 'static,
{
    let (db, scope) = (state.db.clone(), read.scope.clone());
    let load = move || async move { load(db.begin_read(&scope).await?).await };
    through(state, read, load).await
}

/// The same, where the transaction sees one moment.
pub(crate) async fn read_snapshot_through<T, F, Fut>(
    state: &PortalState,
    read: Read<'_>,
    load: F,
) -> Result<Option<CachedAnswer>, ApiError>
where
    T: Serialize + Send + 'static,
    F: FnOnce(TenantTx) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<Loaded<T>>, LoadError>> + Send + 'static,
{
    let (db, scope) = (state.db.clone(), read.scope.clone());
    let load = move || async move { load(db.begin_snapshot(&scope).await?).await };
    through(state, read, load).await
}

async fn through<T, F, Fut>(
    state: &PortalState,
    read: Read<'_>,
    load: F,
) -> Result<Option<CachedAnswer>, ApiError>
where
    T: Serialize + Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<Loaded<T>>, LoadError>> + Send + 'static,
{
    let answer = state.cache.get_or_load(read.scope, read.operation, read.key, read.tags, load);
    answer.await.map_err(from_cache)
}

fn from_cache(error: CacheError<LoadError>) -> ApiError {
    match error {
        CacheError::Load(error) if error.is_unavailable() => ApiError::unavailable(error),
        CacheError::Load(error) => ApiError::internal(error),
        CacheError::TimedOut | CacheError::Overloaded => ApiError::unavailable(error),
        CacheError::Unserializable | CacheError::Incomplete => ApiError::internal(error),
    }
}

/// A cached answer on its way out.
pub(crate) struct Representation<'a> {
    pub(crate) answer: &'a CachedAnswer,
    pub(crate) tag: EntityTag,
    /// What is sent: the answer's body, or a part of it.
    pub(crate) body: Bytes,
    /// The same in gzip, where there is such a form.
    pub(crate) gzip: Option<Bytes>,
    /// Where the next page is.
    pub(crate) next: Option<String>,
}

impl<'a> Representation<'a> {
    /// The answer as it is in the cache, under its tag there or one of its own.
    pub(crate) fn whole(answer: &'a CachedAnswer, tag: EntityTag) -> Self {
        Self { answer, tag, body: answer.body.clone(), gzip: answer.gzip.clone(), next: None }
    }

    /// The answer, in the form that the caller prefers: 304 where the caller has it already in
    /// either form.
    pub(crate) fn respond(self, headers: &ReadHeaders) -> HttpResponse {
        let gzip = self.gzip.filter(|_| headers.takes_gzip);
        let coded_tag = self.tag.of_coding(GZIP);
        let tags = if gzip.is_some() { [coded_tag, self.tag] } else { [self.tag, coded_tag] };
        // A cache updates what it has under the tag that it reads; so that is the one it named.
        let known = tags.iter().find(|tag| headers.if_none_match.has(tag));
        let mut response = match known {
            Some(_) => HttpResponse::NotModified(),
            None => HttpResponse::Ok(),
        };
        // The browser may keep it for its own user, and has to ask each time whether it is current.
        response.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
        response.insert_header((VARY, HeaderValue::from_static("Accept-Encoding")));
        response.insert_header((ETAG, known.unwrap_or(&tags[0]).as_str()));
        response.insert_header(("X-Cache", self.answer.outcome.as_str()));
        response.insert_header((AGE, self.answer.age.as_secs().to_string()));
        if let Some(next) = self.next {
            response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
        }
        if known.is_some() {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, "application/json"));
        match gzip {
            Some(gzip) => {
                response.insert_header((CONTENT_ENCODING, HeaderValue::from_static(GZIP)));
                response.body(gzip)
            }
            None => response.body(self.body),
        }
    }
}

/// The tag of a job's representation. `hash` is that of the cache, or [`hash_of`] the same bytes.
pub(crate) fn job_tag(version: i32, hash: &str) -> EntityTag {
    let hash = hash.trim_matches('"');
    EntityTag::of_version(version, hash.get(..JOB_HASH_DIGITS).unwrap_or(hash))
}

/// Half of the SHA-256 of a body in hexadecimal digits, as the cache tags its answers.
pub(crate) fn hash_of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let digits = digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use actix_web::{FromRequest as _, ResponseError as _};
    use tenant_cache::{Content, Outcome};

    use super::*;

    fn answer() -> CachedAnswer {
        CachedAnswer {
            content: Arc::new(Content {
                body: Bytes::from_static(b"{}"),
                gzip: None,
                etag: format!("\"{}\"", hash_of(b"{}")).into(),
            }),
            outcome: Outcome::Hit,
            age: Duration::from_millis(2_900),
        }
    }

    /// An answer with a `gzip` form, if told to; `accepted` and `known` are what the caller says.
    async fn respond_in(
        gzip: Option<&'static [u8]>,
        accepted: &str,
        known: Option<&str>,
    ) -> HttpResponse {
        let mut request = TestRequest::get().insert_header(("Accept-Encoding", accepted));
        if let Some(tags) = known {
            request = request.insert_header(("If-None-Match", tags));
        }
        let headers = ReadHeaders::extract(&request.to_http_request()).await.unwrap();
        let mut answer = answer();
        let content = Content { gzip: gzip.map(Bytes::from_static), ..(*answer.content).clone() };
        answer.content = Arc::new(content);
        let next = Some("/api/jobs?cursor=x".to_owned());
        let whole = Representation::whole(&answer, job_tag(7, &answer.etag));
        Representation { next, ..whole }.respond(&headers)
    }

    async fn respond(if_none_match: Option<&str>) -> HttpResponse {
        respond_in(None, "gzip", if_none_match).await
    }

    fn header<'a>(response: &'a HttpResponse, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn who_takes_gzip_is_given_the_kept_form_under_a_tag_of_its_own() {
        let response = respond_in(Some(b"gzip form"), "br, gzip", None).await;
        assert_eq!(header(&response, "content-encoding"), "gzip");
        assert_eq!(header(&response, "vary"), "Accept-Encoding");
        assert_eq!(header(&response, "etag"), "\"7-44136fa355b3678a-gzip\"");
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(to_bytes(response.into_body()).await.unwrap(), "gzip form");

        for (gzip, accepted) in [(Some(&b"gzip form"[..]), "br"), (None, "gzip")] {
            let response = respond_in(gzip, accepted, None).await;
            assert_eq!(header(&response, "content-encoding"), "");
            assert_eq!(header(&response, "vary"), "Accept-Encoding", "it might have been another");
            assert_eq!(header(&response, "etag"), "\"7-44136fa355b3678a\"");
            assert_eq!(to_bytes(response.into_body()).await.unwrap(), "{}");
        }
    }

    #[actix_web::test]
    async fn either_form_spares_the_other() {
        let (plain, coded) = ("\"7-44136fa355b3678a\"", "\"7-44136fa355b3678a-gzip\"");
        for accepted in ["gzip", "identity"] {
            for known in [plain, coded] {
                let response = respond_in(Some(b"gzip form"), accepted, Some(known)).await;
                assert_eq!(response.status(), 304, "{accepted} {known}");
                assert_eq!(header(&response, "etag"), known, "the one that the caller has");
                assert_eq!(header(&response, "vary"), "Accept-Encoding");
                assert_eq!(header(&response, "content-encoding"), "");
            }
        }
        let any = respond_in(Some(b"gzip form"), "gzip", Some("*")).await;
        assert_eq!((any.status().as_u16(), header(&any, "etag")), (304, coded));
        let other =
            respond_in(Some(b"gzip form"), "gzip", Some("\"6-44136fa355b3678a-gzip\"")).await;
        assert_eq!(other.status(), 200);
    }

    #[actix_web::test]
    async fn freshness_is_shown() {
        let response = respond(None).await;
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header("x-cache"), "hit");
        assert_eq!(header("age"), "2");
        assert_eq!(header("etag"), "\"7-44136fa355b3678a\"");
        assert_eq!(header("cache-control"), "private, no-cache");
        assert_eq!(header("link"), "</api/jobs?cursor=x>; rel=\"next\"");
    }

    #[actix_web::test]
    async fn what_the_caller_has_is_not_sent_again() {
        let response = respond(Some("\"7-44136fa355b3678a\"")).await;
        assert_eq!(response.status(), 304);
        assert!(response.headers().contains_key("etag"));
        assert!(!response.headers().contains_key("content-type"));
        assert_eq!(respond(Some("\"6-44136fa355b3678a\"")).await.status(), 200);
    }

    #[test]
    fn the_tag_after_a_write_is_that_of_the_next_read() {
        assert_eq!(job_tag(3, &answer().etag), job_tag(3, &hash_of(b"{}")));
    }

    #[test]
    fn outages_are_told_from_faults() {
        let inconsistent = StoreError::Role("x".to_owned());
        let error = from_cache(CacheError::Load(Arc::new(LoadError::Store(inconsistent))));
        assert_eq!(error.code(), crate::ErrorCode::Internal);
        for outage in [CacheError::TimedOut, CacheError::Overloaded] {
            let answer = from_cache(outage).error_response();
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
        }
    }
}
