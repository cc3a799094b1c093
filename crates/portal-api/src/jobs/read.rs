//! The read path that all job answers share: cache, conditional request, freshness headers.

use std::future::Future;

use actix_web::HttpResponse;
use actix_web::http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LINK};
use bytes::Bytes;
use employer_store::{StoreError, TenantTx};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tenancy::{Tag, TenantKey, TenantScope};
use tenant_cache::{CacheError, CachedAnswer, Loaded, Operation};

use crate::error::ApiError;
use crate::extract::{EntityTag, IfNoneMatch};
use crate::state::PortalState;

/// Hexadecimal digits of a body's hash within a job's tag.
const JOB_HASH_DIGITS: usize = 16;

/// Why an answer could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
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
pub(super) struct Read<'a> {
    pub(super) scope: &'a TenantScope,
    pub(super) operation: Operation,
    pub(super) key: TenantKey,
    /// The entities that the answer shows one by one.
    pub(super) entities: &'a [Tag],
}

/// Answers from the cache, or loads in a transaction that cannot write. `None`: nothing there.
pub(super) async fn read_through<T, F, Fut>(
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
    let answer = state.cache.get_or_load(read.scope, read.operation, read.key, read.entities, load);
    answer.await.map_err(from_cache)
}

fn from_cache(error: CacheError<LoadError>) -> ApiError {
    match error {
        CacheError::Load(error) if error.is_unavailable() => ApiError::unavailable(error),
        CacheError::Load(error) => ApiError::internal(error),
        CacheError::TimedOut | CacheError::Overloaded => ApiError::unavailable(error),
        CacheError::Unserializable => ApiError::internal(error),
    }
}

/// A cached answer on its way out.
pub(super) struct Representation<'a> {
    pub(super) answer: &'a CachedAnswer,
    pub(super) tag: EntityTag,
    /// What is sent: the answer's body, or a part of it.
    pub(super) body: Bytes,
    /// Where the next page is.
    pub(super) next: Option<String>,
}

impl Representation<'_> {
    /// The answer: 304 where the caller has this representation already.
    pub(super) fn respond(self, if_none_match: &IfNoneMatch) -> HttpResponse {
        let mut response = if if_none_match.has(&self.tag) {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        // The browser may keep it for its own user, and has to ask each time whether it is current.
        response.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
        response.insert_header((ETAG, self.tag.as_str()));
        response.insert_header(("X-Cache", self.answer.outcome.as_str()));
        response.insert_header((AGE, self.answer.age.as_secs().to_string()));
        if let Some(next) = self.next {
            response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
        }
        if if_none_match.has(&self.tag) {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.body(self.body)
    }
}

/// The tag of a job's representation. `hash` is that of the cache, or [`hash_of`] the same bytes.
pub(super) fn job_tag(version: i32, hash: &str) -> EntityTag {
    let hash = hash.trim_matches('"');
    EntityTag::of_version(version, hash.get(..JOB_HASH_DIGITS).unwrap_or(hash))
}

/// Half of the SHA-256 of a body in hexadecimal digits, as the cache tags its answers.
pub(super) fn hash_of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let digits = digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use actix_web::test::TestRequest;
    use actix_web::{FromRequest as _, ResponseError as _};
    use tenant_cache::Outcome;

    use super::*;

    fn answer() -> CachedAnswer {
        CachedAnswer {
            body: Bytes::from_static(b"{}"),
            gzip: None,
            etag: format!("\"{}\"", hash_of(b"{}")).into(),
            outcome: Outcome::Hit,
            age: Duration::from_millis(2_900),
        }
    }

    async fn respond(if_none_match: Option<&str>) -> HttpResponse {
        let mut request = TestRequest::get();
        if let Some(tags) = if_none_match {
            request = request.insert_header(("If-None-Match", tags));
        }
        let if_none_match = IfNoneMatch::extract(&request.to_http_request()).await.unwrap();
        let answer = answer();
        Representation {
            tag: job_tag(7, &answer.etag),
            body: answer.body.clone(),
            next: Some("/api/jobs?cursor=x".to_owned()),
            answer: &answer,
        }
        .respond(&if_none_match)
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
