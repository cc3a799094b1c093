//! `multipart/form-data`, taken as it comes: fields bounded, the file passed on chunk by chunk.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::form::Form;
use super::upload::refused_file;
use crate::error::{ApiError, ErrorCode};
use crate::files::{ResumeReader, StoredResume};

/// Most parts of a form.
const MAX_PARTS: usize = 32;
/// Largest text of one field in bytes; each has a bound in characters of its own.
const MAX_FIELD_BYTES: usize = 40_000;
/// The part that is a file.
const RESUME: &str = "resume";

/// Takes a form in. The file goes to `reader` and then to `kept`, also where the rest of the form is
/// refused.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    reader: ResumeReader<'_>,
    form: &mut Form,
    kept: &mut Option<StoredResume>,
) -> Result<(), ApiError> {
    let mut parts = Multipart::new(request.headers(), payload);
    let mut reader = Some(reader);
    let mut count = 0_usize;
    while let Some(field) = parts.try_next().await.map_err(malformed)? {
        count += 1;
        if count > MAX_PARTS {
            return Err(bad("The form has more than 32 parts."));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == RESUME {
            let Some(reader) = reader.take() else {
                return Err(bad("The form has more than one file."));
            };
            *kept = take_file(field, reader).await?;
        } else if let Some(known) = Form::known(&name) {
            let text = take_text(field).await?;
            if !form.put(known, text) {
                return Err(bad("The form has a field twice."));
            }
        } else {
            let error =
                ApiError::new(ErrorCode::ValidationFailed, "The form has an unknown field.");
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(error.with_field(
                format!("#/{name}"),
                "unknown",
                "is no field of an application",
            ));
        }
    }
    Ok(())
}

async fn take_text(mut field: Field) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(malformed)?;
        if bytes.len() + chunk.len() > MAX_FIELD_BYTES {
            return Err(ApiError::new(
                ErrorCode::PayloadTooLarge,
                "A field of the form is too long.",
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| bad("A field of the form is not UTF-8."))
}

/// A form of a page sends an empty part without a name where nobody chose a file.
async fn take_file(
    mut field: Field,
    mut reader: ResumeReader<'_>,
) -> Result<Option<StoredResume>, ApiError> {
    let name = field
        .content_disposition()
        .and_then(|disposition| disposition.get_filename().map(str::to_owned));
    let mut is_empty = true;
    loop {
        let chunk = match field.next().await {
            None => break,
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Err(malformed(error)),
        };
        is_empty &= chunk.is_empty();
        reader.take(chunk).await.map_err(refused_file)?;
    }
    if is_empty && name.as_deref().unwrap_or_default().is_empty() {
        return Ok(None);
    }
    reader.finish(name.as_deref()).await.map(Some).map_err(refused_file)
}

fn malformed(_: MultipartError) -> ApiError {
    bad("The body is not multipart/form-data as its headers say, or ended before its time.")
}

fn bad(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, detail)
}
