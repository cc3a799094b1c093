//! `GET` and `POST /api/webhooks`, `GET`, `PATCH` and `DELETE /api/webhooks/{id}`,
//! `POST /api/webhooks/{id}/rotate-secret`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::webhooks::{self as store, Endpoint, NewEndpoint, Updated};
use tenancy::WebhookId;
use uuid::Uuid;

use super::body::{WebhookDraft, WebhookPatch, read_draft, read_patch};
use super::view::{WebhookList, WebhookView};
use super::{attempt, endpoint};
use crate::auth::WebhooksManage;
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Gated, IdPath, IfMatch, Json, JsonBody, MergePatch, NoQuery, OptionalJson};
use crate::state::PortalState;
use crate::writes::{Answer, write_once};

/// Lists the webhooks of your organization, oldest first.
#[utoipa::path(
    get, path = "/api/webhooks", tag = "webhooks", operation_id = "listWebhooks",
    responses((status = 200, description = "The webhooks", body = WebhookList)),
)]
pub(crate) async fn list_webhooks(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<WebhooksManage, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    let found = store::list(&mut state.db.begin_read(&access.scope).await?).await?;
    let data = found.into_iter().map(|one| WebhookView::of(one, None)).collect();
    Ok(HttpResponse::Ok().json(WebhookList { data }))
}

/// Makes a webhook. The answer is the only place that ever shows its secret.
///
/// From then on its address is told of what happens, in the form of Standard Webhooks.
#[utoipa::path(
    post, path = "/api/webhooks", tag = "webhooks", operation_id = "createWebhook",
    request_body(content = WebhookDraft, content_type = "application/json"),
    responses((status = 201, description = "The webhook, with its secret; `Location` says where", body = WebhookView)),
)]
pub(crate) async fn create_webhook(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<WebhooksManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let draft = read_draft(&body.object, &state.webhooks.rules)?;
    let id = WebhookId::from_uuid(Uuid::now_v7());
    let (secret, sealed_secret) = state.webhooks.make_secret(&access.scope, id)?;
    write_once(&state, attempt(&access, &request), async |tx| {
        let new = NewEndpoint {
            id,
            url: &draft.url,
            description: &draft.description,
            kinds: &draft.kinds,
            sealed_secret: &sealed_secret,
            creator: person.user,
        };
        let most = state.webhooks.per_tenant;
        let made = store::create(tx, &new, most).await?.ok_or_else(|| too_many(most))?;
        let tag = tag_of(&made);
        let answer = Answer::json(StatusCode::CREATED, &WebhookView::of(made, Some(&secret)))?;
        Ok(answer
            .with_header("Location", format!("/api/webhooks/{id}"))
            .with_header(ETAG.as_str(), tag)
            .with_header(CACHE_CONTROL.as_str(), "no-store"))
    })
    .await
}

/// One webhook.
#[utoipa::path(
    get, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "getWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook", body = WebhookView)),
)]
pub(crate) async fn get_webhook(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<WebhooksManage, (IdPath, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let mut tx = state.db.begin_read(&access.scope).await?;
    let found = endpoint(&mut tx, WebhookId::from_uuid(id.0)).await?;
    let tag = tag_of(&found);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(WebhookView::of(found, None)))
}

/// Changes a webhook: a JSON Merge Patch with `If-Match`.
///
/// `"enabled": false` pauses it: what happens meanwhile it is not told of. `"enabled": true`, or
/// another address, begins anew.
#[utoipa::path(
    patch, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "updateWebhook",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("If-Match" = String, Header, description = "The `ETag` of the version that the change is meant for"),
    ),
    request_body(content(
        (WebhookPatch = "application/merge-patch+json"), (WebhookPatch = "application/json"),
    )),
    responses(
        (status = 200, description = "The changed webhook", body = WebhookView),
        (status = 412, description = "It has changed in the meantime", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 428, description = "The `If-Match` is missing", body = crate::error::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn update_webhook(
    state: web::Data<PortalState>,
    Gated(access, (id, if_match, body, _)): Gated<
        WebhooksManage,
        (IdPath, IfMatch, JsonBody<MergePatch>, NoQuery),
    >,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = WebhookId::from_uuid(id.0);
    write_once(&state, attempt(&access, &request), async |tx| {
        let current = endpoint(tx, id).await?;
        if_match.require()?;
        if_match.check(current.version)?;
        let changes = read_patch(&body.object, &state.webhooks.rules)?;
        match store::update(tx, id, current.version, &changes).await? {
            Updated::Done(now) => {
                let tag = tag_of(&now);
                let answer = Answer::json(StatusCode::OK, &WebhookView::of(now, None))?;
                Ok(answer.with_header(ETAG.as_str(), tag))
            }
            Updated::Stale(version) => Err(IfMatch::mismatch(version)),
            Updated::NotFound => Err(ApiError::not_found()),
        }
    })
    .await
}

/// Deletes a webhook, with the log of its deliveries.
#[utoipa::path(
    delete, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "deleteWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    responses((status = 204, description = "Nothing is sent to it any more")),
)]
pub(crate) async fn delete_webhook(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<WebhooksManage, (IdPath, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    write_once(&state, attempt(&access, &request), async |tx| {
        if store::delete(tx, WebhookId::from_uuid(id.0)).await? {
            Ok(Answer::no_content())
        } else {
            Err(ApiError::not_found())
        }
    })
    .await
}

/// Gives a webhook a new secret. The answer is the only place that ever shows it.
///
/// Until `old_secret_until` messages carry a signature with each of the two, so that the receiver
/// may change over when it likes.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/rotate-secret", tag = "webhooks",
    operation_id = "rotateWebhookSecret",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook, with its new secret", body = WebhookView)),
)]
pub(crate) async fn rotate_secret(
    state: web::Data<PortalState>,
    Gated(access, (id, body, _)): Gated<WebhooksManage, (IdPath, JsonBody<OptionalJson>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    super::no_fields(&body.object)?;
    let id = WebhookId::from_uuid(id.0);
    let (secret, sealed) = state.webhooks.make_secret(&access.scope, id)?;
    write_once(&state, attempt(&access, &request), async |tx| {
        let rotated = store::rotate_secret(tx, id, &sealed, state.webhooks.overlap).await?;
        let rotated = rotated.ok_or_else(ApiError::not_found)?;
        let tag = tag_of(&rotated);
        let answer = Answer::json(StatusCode::OK, &WebhookView::of(rotated, Some(&secret)))?;
        Ok(answer.with_header(ETAG.as_str(), tag).with_header(CACHE_CONTROL.as_str(), "no-store"))
    })
    .await
}

fn tag_of(endpoint: &Endpoint) -> String {
    format!("\"{}\"", endpoint.version)
}

fn too_many(most: u32) -> ApiError {
    let detail = format!("Your organization has {most} webhooks. Delete one first.");
    ApiError::new(ErrorCode::Conflict, detail)
}
