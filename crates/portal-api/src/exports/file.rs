//! `GET /api/analytics/exports/{id}/file`.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::{HttpResponse, web};
use employer_store::exports::{self as store, ExportState};
use tenancy::ExportId;

use crate::auth::AnalyticsExport;
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Gated, IdPath, NoQuery};
use crate::files::FileError;
use crate::state::PortalState;

/// Gives out a file of figures that is ready; 409 before, 410 when its time is over.
///
/// The form is that of `GET /api/analytics/export.csv`. Each time leaves a row in the audit trail.
#[utoipa::path(
    get, path = "/api/analytics/exports/{id}/file", tag = "analytics",
    operation_id = "downloadExport",
    params(("id" = uuid::Uuid, Path, description = "The export")),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv")),
)]
pub(crate) async fn download_export(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<AnalyticsExport, (IdPath, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let id = ExportId::from_uuid(id.0);
    let mut tx = state.db.begin(&access.scope, &access.actor).await?;
    let order = store::take(&mut tx, id).await?.ok_or_else(ApiError::not_found)?;
    match order.state {
        ExportState::Ready => {}
        ExportState::Queued | ExportState::Running => return Err(not_yet()),
        ExportState::Failed(_) => return Err(never()),
        ExportState::Expired => return Err(no_more()),
    }
    // The file comes afterwards: a store that hangs must not hold a connection to the database.
    state.writes.commit(tx).await?;
    let key = store::storage_key(access.scope.tenant(), id, order.attempts);
    let content = state.board.files.open(&key).await.map_err(|error| match error {
        // The row is there and the contents are not: that is no answer about the row.
        FileError::Missing => ApiError::internal(error),
        FileError::Unavailable(_) => ApiError::unavailable(error),
    })?;
    let disposition = format!(
        "attachment; filename=\"figures-{}-{}.csv\"",
        order.wanted.first, order.wanted.last
    );
    let sandbox = HeaderValue::from_static("default-src 'none'; sandbox");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-store")))
        .insert_header((HeaderName::from_static("content-security-policy"), sandbox))
        .no_chunking(content.bytes)
        .streaming(content.content))
}

fn not_yet() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The export is not ready yet.")
}

fn never() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The export has failed. Ask for another one.")
}

fn no_more() -> ApiError {
    ApiError::new(ErrorCode::Gone, "The time of the export is over. Ask for another one.")
}
