//! `GET` and `POST /api/analytics/exports`, `GET` and `DELETE /api/analytics/exports/{id}`.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::analytics::pin_down;
use employer_store::exports::{self as store, Created, Wanted};
use employer_store::jobs::find_job;
use employer_store::{StoreError, TenantTx};
use tenancy::ExportId;

use super::body::{ExportDraft, read};
use super::view::{ExportList, ExportView};
use crate::auth::{AnalyticsExport, Authorized};
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Gated, IdPath, IdempotencyKey, Json, JsonBody, NoQuery};
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

/// Asks for a file of figures, which is made in the background.
///
/// It takes what `GET /api/analytics/export.csv` takes. Whoever asks is told by a notification
/// (`export_ready`) when it can be fetched. So many may be open, and so many kept, in an organization:
/// beyond that the answer is 409.
#[utoipa::path(
    post, path = "/api/analytics/exports", tag = "analytics", operation_id = "askForExport",
    request_body(content = ExportDraft, content_type = "application/json"),
    responses((status = 202, description = "It is in the queue; `Location` says where to look", body = ExportView)),
)]
pub(crate) async fn ask_for_export(
    state: web::Data<PortalState>,
    Gated(access, (key, body, _)): Gated<
        AnalyticsExport,
        (IdempotencyKey, JsonBody<Json>, NoQuery),
    >,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let (question, grain) = read(&body.object, access.view, state.clock.now())?;
    let bounds = state.export_queue.settings.bounds;
    let answer = write_once(&state, attempt(&access, &request, &key, body.digest), async |tx| {
        if let Some(job) = question.job
            && find_job(tx, question.view, job).await?.is_none()
        {
            return Err(ApiError::not_found());
        }
        let question = pin_down(tx, question).await?;
        let (Some(first), Some(last), Some(zone)) = (question.from, question.to, question.zone)
        else {
            return Err(ApiError::internal("an export without days"));
        };
        let (job, source) = (question.job, question.source);
        let wanted = Wanted { first, last, zone, grain, job, source };
        match store::create(tx, person.user, &wanted, &bounds).await? {
            Created::Queued(order) => {
                let location = format!("/api/analytics/exports/{}", order.id);
                let answer = Answer::json(StatusCode::ACCEPTED, &ExportView::of(order))?;
                Ok(answer.with_header(LOCATION.as_str(), location))
            }
            Created::TooManyOpen => Err(too_many_open(bounds.open)),
            Created::TooManyKept => Err(too_many_kept(bounds.kept)),
        }
    })
    .await?;
    state.export_queue.asked.notify_one();
    Ok(answer)
}

/// Lists the files of figures that people of your organization asked for, newest first.
#[utoipa::path(
    get, path = "/api/analytics/exports", tag = "analytics", operation_id = "listExports",
    responses((status = 200, description = "The exports", body = ExportList)),
)]
pub(crate) async fn list_exports(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<AnalyticsExport, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    let found = store::list(&mut state.db.begin_read(&access.scope).await?).await?;
    let data = found.into_iter().map(ExportView::of).collect();
    Ok(HttpResponse::Ok().json(ExportList { data }))
}

/// How far a file of figures is.
#[utoipa::path(
    get, path = "/api/analytics/exports/{id}", tag = "analytics", operation_id = "getExport",
    params(("id" = uuid::Uuid, Path, description = "The export")),
    responses((status = 200, description = "The export", body = ExportView)),
)]
pub(crate) async fn get_export(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<AnalyticsExport, (IdPath, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let mut tx = state.db.begin_read(&access.scope).await?;
    let found = find(&mut tx, id).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(ExportView::of(found)))
}

/// Removes a file of figures, or ends the making of it.
#[utoipa::path(
    delete, path = "/api/analytics/exports/{id}", tag = "analytics", operation_id = "deleteExport",
    params(("id" = uuid::Uuid, Path, description = "The export")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_export(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<AnalyticsExport, (IdPath, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let no_key = const { &IdempotencyKey(None) };
    let answer = write_once(&state, attempt(&access, &request, no_key, [0; 32]), async |tx| {
        if store::delete(tx, ExportId::from_uuid(id.0)).await? {
            Ok(Answer::no_content())
        } else {
            Err(ApiError::not_found())
        }
    })
    .await?;
    state.export_queue.ended.notify_one();
    Ok(answer)
}

async fn find(tx: &mut TenantTx, id: IdPath) -> Result<Option<store::Order>, StoreError> {
    store::find(tx, ExportId::from_uuid(id.0)).await
}

fn attempt<'a>(
    access: &'a Authorized<AnalyticsExport>,
    request: &HttpRequest,
    key: &'a IdempotencyKey,
    digest: [u8; 32],
) -> Attempt<'a> {
    let route = format!("{} {}", request.method(), request.path());
    Attempt { scope: &access.scope, actor: &access.actor, route, key, digest }
}

fn too_many_open(most: u32) -> ApiError {
    let detail = format!("Your organization waits for {most} exports. Wait for one to be ready.");
    ApiError::new(ErrorCode::Conflict, detail)
}

fn too_many_kept(most: u32) -> ApiError {
    let detail = format!("Your organization keeps {most} exports. Delete one first.");
    ApiError::new(ErrorCode::Conflict, detail)
}
