//! A body with an application, in either form.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest as _, web};
use tenancy::TenantId;

use super::form::Form;
use super::{PublicBoard, multipart};
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Json, JsonBody};
use crate::files::{ResumeError, ResumeReader, StoredResume};

/// What came in. The file is deleted again unless somebody claims it.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) form: Form,
    pub(super) resume: Option<StoredResume>,
}

/// Takes the body in. Nothing is kept of one that is refused, or that its sender breaks off.
pub(super) async fn take(
    board: &PublicBoard,
    tenant: TenantId,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Upload, ApiError> {
    let mut upload = Upload::default();
    let taken = fill(board, tenant, request, payload, &mut upload);
    let outcome = tokio::time::timeout(board.settings.upload_timeout, taken).await;
    match outcome {
        Ok(taken) => taken.map(|()| upload),
        Err(_elapsed) => {
            let detail = "The application took too long to arrive.";
            Err(ApiError::new(ErrorCode::RequestTimeout, detail))
        }
    }
}

async fn fill(
    board: &PublicBoard,
    tenant: TenantId,
    request: &HttpRequest,
    payload: web::Payload,
    upload: &mut Upload,
) -> Result<(), ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let mut payload: Payload = payload.into_inner();
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        let most = board.settings.resume_max_bytes;
        let reader = ResumeReader::new(&board.files, tenant, most);
        return multipart::read(request, payload, reader, &mut upload.form, &mut upload.resume)
            .await;
    }
    if kind.eq_ignore_ascii_case("application/json") {
        let body = JsonBody::<Json>::from_request(request, &mut payload).await?;
        upload.form = Form::of_json(&body.object)?;
        return Ok(());
    }
    let expected = "Send multipart/form-data, or application/json without a file.";
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, expected))
}

pub(super) fn refused_file(error: ResumeError) -> ApiError {
    let (code, detail) = match error {
        ResumeError::Store(error) => return ApiError::unavailable(error),
        ResumeError::TooLarge => {
            let error = ApiError::new(ErrorCode::PayloadTooLarge, "The file is too large.");
            return error.with_field("#/resume", "too_large", "is larger than allowed");
        }
        ResumeError::Empty => ("empty", "has no contents"),
        ResumeError::UnknownForm => ("unknown_form", "is neither PDF nor Word, by its contents"),
    };
    ApiError::new(ErrorCode::ValidationFailed, "The file is no résumé; see errors.")
        .with_field("#/resume", code, detail)
}
