//! The API described: the OpenAPI document, and a page to browse and try it.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::error::ApiError;
use crate::openapi_document;

/// What the page needs: its own scripts and styles (it sets some inline), pictures in its style
/// sheet, and calls of this API.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A day: the files change with the version only.
const FILE_CACHING: &str = "public, max-age=86400";

/// The document never changes while the process lives.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi_document().into());

/// The OpenAPI document of this API.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "documents", operation_id = "getOpenApiDocument",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(DOCUMENT.clone())
}

/// A file of the browsable page.
pub(crate) async fn page(file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let config = Config::from("/api/openapi.json").validator_url("none").try_it_out_enabled(true);
    let file = utoipa_swagger_ui::serve(&file, Arc::new(config))
        .map_err(|error| ApiError::internal(error.to_string()))?
        .ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((CACHE_CONTROL, FILE_CACHING))
        .body(file.bytes.into_owned()))
}
