//! What answers show of webhooks.

use employer_store::webhooks::{Attempt, Delivery, Endpoint, EndpointStatus};
use event_notifier::webhooks::{Secret, message_id};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// An endpoint.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookView {
    id: Uuid,
    /// Where messages go.
    #[schema(example = "https://hooks.example.com/portal")]
    url: String,
    /// What people know it by.
    description: String,
    /// The kinds of events it is told of; empty means all.
    #[schema(example = json!(["application.submitted"]))]
    kinds: Vec<String>,
    /// `enabled`, `paused` by people, or `disabled` by us.
    #[schema(value_type = String, example = "enabled")]
    status: &'static str,
    /// Why we disabled it: `failing` for days, or `gone` by its own word.
    #[schema(value_type = Option<String>)]
    disabled_for: Option<&'static str>,
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
    /// Attempts that failed since the last one that succeeded.
    failures: i32,
    /// The first of them.
    #[serde(with = "time::serde::rfc3339::option")]
    failing_since: Option<OffsetDateTime>,
    /// Until then messages are signed with the secret before this one as well.
    #[serde(with = "time::serde::rfc3339::option")]
    old_secret_until: Option<OffsetDateTime>,
    created_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// What messages are signed with: only in the answer to its making, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: Option<String>,
}

/// The endpoints of an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList {
    pub(super) data: Vec<WebhookView>,
}

impl WebhookView {
    pub(super) fn of(endpoint: Endpoint, secret: Option<&Secret>) -> Self {
        let disabled_for = match endpoint.status {
            EndpointStatus::Disabled(reason) => Some(reason.as_str()),
            EndpointStatus::Enabled | EndpointStatus::Paused => None,
        };
        Self {
            id: endpoint.id.as_uuid(),
            url: endpoint.url,
            description: endpoint.description,
            kinds: endpoint.kinds,
            status: endpoint.status.as_str(),
            disabled_for,
            disabled_at: endpoint.disabled_at,
            failures: endpoint.failures,
            failing_since: endpoint.failing_since,
            old_secret_until: endpoint.old_secret_until,
            created_by: endpoint.creator.as_uuid(),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            secret: secret.map(|secret| secret.expose_text().to_string()),
        }
    }
}

/// One event at one endpoint.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// The event.
    id: Uuid,
    /// The `webhook-id` of its messages: the same at every attempt.
    #[schema(example = "msg_0193457a5c1e7b0e8d5f2a1b3c4d5e6f")]
    webhook_id: String,
    /// The kind of event, or `webhook.ping`.
    #[schema(example = "application.submitted")]
    kind: String,
    /// `pending`, `delivered` or `failed`.
    #[schema(value_type = String, example = "delivered")]
    status: &'static str,
    /// How often it was tried.
    attempts: i16,
    /// What came of the last attempt: `delivered`, `refused`, `redirected`, `gone`, `timeout`,
    /// `no_connection`, `forbidden_address` or `secret_unreadable`.
    last_outcome: Option<String>,
    /// The status that it was answered with.
    last_status_code: Option<i16>,
    #[serde(with = "time::serde::rfc3339::option")]
    next_attempt_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
}

/// A page of deliveries, those of the newest events first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    pub(super) data: Vec<DeliveryView>,
    pub(super) page: DeliveryPage,
}

/// Where the list goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryPage {
    pub(super) has_more: bool,
    /// To be sent as `cursor`.
    pub(super) next_cursor: Option<String>,
}

/// A delivery with all that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// What is sent, to the byte.
    body: String,
    /// The attempts that have ended, in their order.
    log: Vec<AttemptView>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptView {
    number: i16,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    duration_ms: i32,
    /// As `last_outcome`.
    outcome: String,
    status_code: Option<i16>,
    /// The first KiB of the answer.
    answer: String,
}

impl DeliveryView {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let (last_outcome, last_status_code) = match &delivery.last_outcome {
            Some((outcome, status_code)) => (Some(outcome.clone()), *status_code),
            None => (None, None),
        };
        Self {
            id: delivery.event,
            webhook_id: message_id(delivery.event),
            kind: delivery.kind.clone(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            last_outcome,
            last_status_code,
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
            finished_at: delivery.finished_at,
        }
    }
}

impl DeliveryDetail {
    pub(super) fn of(delivery: Delivery, attempts: Vec<Attempt>) -> Self {
        let log = attempts
            .into_iter()
            .map(|attempt| AttemptView {
                number: attempt.number,
                at: attempt.at,
                duration_ms: attempt.duration_ms,
                outcome: attempt.outcome,
                status_code: attempt.status_code,
                answer: attempt.answer,
            })
            .collect();
        Self { delivery: DeliveryView::of(&delivery), body: delivery.body, log }
    }
}
