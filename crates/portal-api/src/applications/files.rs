//! `GET /api/applications/{id}/files/{file}`.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::{HttpResponse, web};
use employer_store::applications::ScanState;
use employer_store::files::take_file;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::auth::ApplicationsRead;
use crate::error::{ApiError, ErrorCode};
use crate::extract::{FilePath, Gated, NoQuery};
use crate::files::FileError;
use crate::state::PortalState;

/// Gives out a file that came with an application, to whoever may read the application.
///
/// It is always a download: nothing that an applicant sent is shown as a page of the portal. Each
/// one that is asked for leaves a row in the audit trail.
#[utoipa::path(
    get, path = "/api/applications/{id}/files/{file}", tag = "applications",
    operation_id = "downloadFile",
    params(
        ("id" = uuid::Uuid, Path, description = "The application"),
        ("file" = uuid::Uuid, Path, description = "One of its `attachments`"),
    ),
    responses((status = 200, description = "The file", content_type = "application/octet-stream")),
)]
pub(crate) async fn download_file(
    state: web::Data<PortalState>,
    Gated(access, (path, _)): Gated<ApplicationsRead, (FilePath, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let FilePath(application, file) = path;
    let mut tx = state.db.begin(&access.scope, &access.actor).await?;
    let found = take_file(&mut tx, access.view, application, file).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    if found.scan_state == ScanState::Infected {
        let detail = "The file was found to be harmful and is not given out.";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    // The file comes afterwards: a store that hangs must not hold a connection to the database.
    state.writes.commit(tx).await?;
    let content =
        state.board.files.open(&found.storage_key).await.map_err(|error| match error {
            // The row is there and the contents are not: that is no answer about the row.
            FileError::Missing => ApiError::internal(error),
            FileError::Unavailable(_) => ApiError::unavailable(error),
        })?;
    let name = utf8_percent_encode(&found.name, NON_ALPHANUMERIC);
    let disposition = format!("attachment; filename*=UTF-8''{name}");
    let sandbox = HeaderValue::from_static("default-src 'none'; sandbox");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, found.mime))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-store")))
        .insert_header((HeaderName::from_static("content-security-policy"), sandbox))
        .no_chunking(content.bytes)
        .streaming(content.content))
}
