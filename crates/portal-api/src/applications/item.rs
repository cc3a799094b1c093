//! `GET /api/applications/{id}`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use actix_web::{HttpResponse, web};
use employer_store::applications::{Application, find_application};

use crate::auth::ApplicationsRead;
use crate::error::ApiError;
use crate::extract::{ApplicationPath, EntityTag, Gated, NoQuery, ReadHeaders};
use crate::jobs::read::{hash_of, job_tag};
use crate::state::PortalState;
use crate::writes::Answer;

/// Reads an application, with everything that the person sent and every step since.
///
/// It is not cached. The `ETag` begins with the version; send it back as `If-Match` with a step.
#[utoipa::path(
    get, path = "/api/applications/{id}", tag = "applications", operation_id = "getApplication",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    responses((status = 200, description = "The application", body = Application)),
)]
pub(crate) async fn get_application(
    state: web::Data<PortalState>,
    Gated(access, (id, headers, _)): Gated<
        ApplicationsRead,
        (ApplicationPath, ReadHeaders, NoQuery),
    >,
) -> Result<HttpResponse, ApiError> {
    let mut tx = state.db.begin_read(&access.scope).await?;
    let found = find_application(&mut tx, access.view, id.0).await?;
    drop(tx);
    let application = found.ok_or_else(ApiError::not_found)?;
    let body = serde_json::to_vec(&application).map_err(ApiError::internal)?;
    let tag = tag_of(&application, &body);
    let is_known = headers.if_none_match.has(&tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((ETAG, tag.as_str()));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/json").body(body))
}

/// The answer with an application after a step: the same bytes, and so the same tag, as the next
/// read has.
pub(super) fn changed(application: &Application) -> Result<Answer, ApiError> {
    let answer = Answer::json(StatusCode::OK, application)?;
    let tag = tag_of(application, answer.body());
    Ok(answer.with_header("ETag", tag.as_str()))
}

fn tag_of(application: &Application, body: &[u8]) -> EntityTag {
    job_tag(application.summary.version, &hash_of(body))
}
