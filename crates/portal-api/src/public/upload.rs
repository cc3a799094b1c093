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

/// What came in. A file that was kept is deleted again unless somebody [`keep`](Self::keep)s it.
pub(super) struct Upload {
    pub(super) form: Form,
    pub(super) resume: Option<StoredResume>,
}

/// Takes the body in. Whatever was kept of a body that is refused is deleted before it is said.
pub(super) async fn take(
    board: &PublicBoard,
    tenant: TenantId,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Upload, ApiError> {
    let mut upload = Upload { form: Form::default(), resume: None };
    let outcome = {
        let taken = fill(board, tenant, request, payload, &mut upload);
        tokio::time::timeout(board.settings.upload_timeout, taken).await
    };
    let refusal = match outcome {
        Ok(Ok(())) => return Ok(upload),
        Ok(Err(refusal)) => refusal,
        Err(_elapsed) => {
            ApiError::new(ErrorCode::RequestTimeout, "The application took too long to arrive.")
        }
    };
    forget(board, upload.resume.as_ref()).await;
    Err(refusal)
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
        let reader = ResumeReader::new(board.files.as_ref(), tenant, most);
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

/// Deletes a file that came with an application that is not kept. Where that fails it stays, and is
/// found by nobody: no row names it.
pub(super) async fn forget(board: &PublicBoard, resume: Option<&StoredResume>) {
    let Some(resume) = resume else { return };
    if let Err(error) = board.files.delete(&resume.storage_key).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, file.id = %resume.id, "a file that nobody needs could not be deleted");
    }
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
