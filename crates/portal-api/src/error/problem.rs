//! How an error looks on the wire: `application/problem+json`.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, FieldError};

/// The media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The body of every answer that is not a success (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; the last segment is `code`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    pub kind: String,
    /// The same text for every occurrence of the kind.
    #[schema(value_type = String, example = "Not found")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What is to be said about this occurrence.
    #[schema(example = "There is no such resource.")]
    pub detail: String,
    /// The stable reason that clients branch on.
    #[schema(value_type = String, example = "not_found")]
    pub code: &'static str,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/jobs/0191f1c0-0000-7000-8000-000000000000")]
    pub instance: Option<String>,
    /// Finds the request in our log; also in the `X-Request-Id` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Every part of the request that is at fault.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What an error body says about its request.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestContext {
    pub(crate) request_id: Option<String>,
    pub(crate) path: Option<String>,
}

impl Problem {
    fn of(error: &ApiError, context: &RequestContext) -> Self {
        Self {
            kind: format!("/problems/{}", error.code().as_str()),
            title: error.code().title(),
            status: error.code().status().as_u16(),
            detail: error.detail().to_owned(),
            code: error.code().as_str(),
            instance: context.path.clone(),
            request_id: context.request_id.clone(),
            errors: error.errors().to_vec(),
        }
    }
}

/// The whole answer to `error`.
pub(crate) fn render(error: &ApiError, context: &RequestContext) -> HttpResponse {
    let mut response = HttpResponse::build(error.code().status());
    response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
    // Some errors may be cached unless it is said otherwise, 404 and 405 among them.
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.insert_header((header::RETRY_AFTER, seconds.max(1).to_string()));
    }
    // HTTP asks for a challenge with each 401. Browsers open no dialog for this scheme.
    let is_unauthorized = error.code().status() == StatusCode::UNAUTHORIZED;
    let challenge = is_unauthorized.then_some("Bearer realm=\"portal\"");
    if let Some(challenge) = error.challenge.as_deref().or(challenge) {
        response.insert_header((header::WWW_AUTHENTICATE, challenge));
    }
    if let Some(methods) = &error.allow {
        response.insert_header((header::ALLOW, methods.as_ref()));
    }
    match serde_json::to_vec(&Problem::of(error, context)) {
        Ok(body) => response.body(body),
        // Cannot happen: the body is made of strings and numbers.
        Err(_) => response.finish(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::error::ErrorCode;

    #[actix_web::test]
    async fn an_error_is_rendered_as_rfc_9457_says() {
        let error = ApiError::new(ErrorCode::ValidationFailed, "2 fields are wrong")
            .with_field("#/title", "too_short", "at least 3 characters")
            .with_retry_after(Duration::from_millis(1_200));
        let context = RequestContext {
            request_id: Some("r-1".to_owned()),
            path: Some("/api/jobs".to_owned()),
        };
        let response = render(&error, &context);
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON);
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "/problems/validation_failed",
                "title": "The body is not valid",
                "status": 422,
                "detail": "2 fields are wrong",
                "code": "validation_failed",
                "instance": "/api/jobs",
                "request_id": "r-1",
                "errors": [{
                    "pointer": "#/title",
                    "code": "too_short",
                    "detail": "at least 3 characters",
                }],
            })
        );
    }
}
