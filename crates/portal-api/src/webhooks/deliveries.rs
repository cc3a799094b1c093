//! `GET /api/webhooks/{id}/deliveries`, one of them, sending one again, and a ping.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::webhooks::{self as store, DeliveryFilter, DeliveryStatus, Redelivery};
use serde::Serialize;
use tenancy::WebhookId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{DeliveryDetail, DeliveryList, DeliveryPage, DeliveryView};
use super::{attempt, endpoint, endpoint_off, event_of_path, no_fields};
use crate::auth::WebhooksManage;
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Gated, IdPath, JsonBody, NoQuery, OptionalJson, Pairs, refused_parameters};
use crate::state::PortalState;
use crate::writes::{Answer, write_once};

const DEFAULT_LIMIT: u16 = 50;

/// A message that was queued.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueuedDelivery {
    /// The delivery; its log tells what came of it.
    id: Uuid,
}

/// The deliveries of a webhook, those of the newest events first.
#[utoipa::path(
    get, path = "/api/webhooks/{id}/deliveries", tag = "webhooks",
    operation_id = "listWebhookDeliveries",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("status" = Option<String>, Query, description = "`pending`, `delivered` or `failed`"),
        ("limit" = Option<u16>, Query, description = "How many at most; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of deliveries", body = DeliveryList)),
)]
pub(crate) async fn list_deliveries(
    state: web::Data<PortalState>,
    Gated(access, id): Gated<WebhooksManage, IdPath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = WebhookId::from_uuid(id.0);
    let page = Page::parse(request.query_string(), state.settings.limits.page_size_max)?;
    let word = page.status.map_or("", DeliveryStatus::as_str);
    let list = format!("webhook-deliveries:{}:{id}:{word}", access.scope.tenant());
    let cursor_key = &state.settings.cursor_key;
    let before = page.cursor.map(|cursor| cursor_key.open(&list, &cursor)).transpose()?;
    let mut tx = state.db.begin_read(&access.scope).await?;
    let _ = endpoint(&mut tx, id).await?;
    let filter = DeliveryFilter {
        status: page.status,
        before,
        event: None,
        limit: i64::from(page.limit) + 1,
    };
    let mut deliveries = store::list_deliveries(&mut tx, id, &filter).await?;
    let has_more = deliveries.len() > usize::from(page.limit);
    deliveries.truncate(page.limit.into());
    let oldest = deliveries.last().map(|delivery| delivery.event).filter(|_| has_more);
    let next_cursor = oldest
        .map(|event| cursor_key.sign(&list, &event))
        .transpose()
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(DeliveryList {
        data: deliveries.iter().map(DeliveryView::of).collect(),
        page: DeliveryPage { has_more, next_cursor },
    }))
}

/// One delivery, with what is sent and what came of every attempt.
#[utoipa::path(
    get, path = "/api/webhooks/{id}/deliveries/{delivery}", tag = "webhooks",
    operation_id = "getWebhookDelivery",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("delivery" = uuid::Uuid, Path, description = "The delivery"),
    ),
    responses((status = 200, description = "The delivery", body = DeliveryDetail)),
)]
pub(crate) async fn get_delivery(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<WebhooksManage, (IdPath, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, event) = (WebhookId::from_uuid(id.0), event_of_path(&request)?);
    let mut tx = state.db.begin_read(&access.scope).await?;
    let _ = endpoint(&mut tx, id).await?;
    let found = store::find_delivery(&mut tx, id, event).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let attempts = store::list_attempts(&mut tx, id, event).await?;
    Ok(HttpResponse::Ok().json(DeliveryDetail::of(found, attempts)))
}

/// Sends a delivery again: once where it was finished, ahead of its time where it waits.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/deliveries/{delivery}/redeliver", tag = "webhooks",
    operation_id = "redeliverWebhook",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("delivery" = uuid::Uuid, Path, description = "The delivery"),
    ),
    responses((status = 202, description = "It will be tried in a moment", body = QueuedDelivery)),
)]
pub(crate) async fn redeliver(
    state: web::Data<PortalState>,
    Gated(access, (id, body, _)): Gated<WebhooksManage, (IdPath, JsonBody<OptionalJson>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, event) = (WebhookId::from_uuid(id.0), event_of_path(&request)?);
    no_fields(&body.object)?;
    let answer =
        write_once(&state, attempt(&access, &request), async |tx| {
            match store::redeliver(tx, id, event).await? {
                Redelivery::Due => {
                    Answer::json(StatusCode::ACCEPTED, &QueuedDelivery { id: event })
                }
                Redelivery::NotFound => Err(ApiError::not_found()),
                Redelivery::EndpointOff => Err(endpoint_off()),
                Redelivery::TooOften => {
                    Err(ApiError::new(ErrorCode::Conflict, "It was tried too often already."))
                }
            }
        })
        .await?;
    state.webhooks.worker.wake();
    Ok(answer)
}

/// Sends a message that says nothing but that it arrives; tried once.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/ping", tag = "webhooks", operation_id = "pingWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    responses((status = 202, description = "It will be sent in a moment", body = QueuedDelivery)),
)]
pub(crate) async fn ping(
    state: web::Data<PortalState>,
    Gated(access, (id, body, _)): Gated<WebhooksManage, (IdPath, JsonBody<OptionalJson>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = WebhookId::from_uuid(id.0);
    no_fields(&body.object)?;
    let answer = write_once(&state, attempt(&access, &request), async |tx| {
        let _ = endpoint(tx, id).await?;
        let event = store::ping(tx, id).await?.ok_or_else(endpoint_off)?;
        Answer::json(StatusCode::ACCEPTED, &QueuedDelivery { id: event })
    })
    .await?;
    state.webhooks.worker.wake();
    Ok(answer)
}

/// Which page is asked for.
struct Page {
    status: Option<DeliveryStatus>,
    limit: u16,
    cursor: Option<String>,
}

impl Page {
    fn parse(query: &str, most: u16) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(query, &["status", "limit", "cursor"])?;
        let mut faults = Faults::default();
        let status = pairs.single("status", &mut faults).and_then(|text| {
            let status = text.parse();
            status
                .map_err(|error: store::UnknownDeliveryStatus| {
                    faults.add("query:status", "unknown_word", error.to_string());
                })
                .ok()
        });
        let limit = pairs.single("limit", &mut faults).map(|text| match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => limit,
            _ => {
                let detail = format!("a whole number from 1 to {most}");
                faults.add("query:limit", "out_of_range", detail);
                1
            }
        });
        let cursor = pairs.single("cursor", &mut faults).map(str::to_owned);
        if !faults.is_empty() {
            return Err(refused_parameters(faults));
        }
        Ok(Self { status, limit: limit.unwrap_or(DEFAULT_LIMIT.min(most)), cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_and_known() {
        let page = Page::parse("status=failed&limit=7", 100).map_err(|_| ()).unwrap();
        assert_eq!((page.status, page.limit), (Some(DeliveryStatus::Failed), 7));
        assert_eq!(Page::parse("", 20).map_err(|_| ()).unwrap().limit, 20);
        for refused in
            ["status=lost", "limit=0", "limit=101", "limit=x", "skip=1", "limit=1&limit=2"]
        {
            assert!(Page::parse(refused, 100).is_err(), "{refused}");
        }
    }
}
